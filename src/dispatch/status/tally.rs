//! What came of an app's pushes, counted. Each worker thread counts for itself, so that no two of
//! them write to the same memory.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::latency::{Counts, Latencies};
use crate::dispatch::ending::Fate;

/// How many pushes met each fate, in the order of [`Fate::ALL`].
pub type Fates = [u64; Fate::ALL.len()];

/// The counters of one app.
#[derive(Debug)]
pub struct Tally(Box<[OnceLock<Box<Share>>]>);

/// What one worker thread counted.
#[derive(Debug, Default)]
struct Share {
    fates: [AtomicU64; Fate::ALL.len()],
    latencies: Latencies,
}

impl Tally {
    /// Makes counters for this many worker threads; memory is taken when a thread first counts.
    pub fn new(workers: usize) -> Self {
        Self((0..workers.max(1)).map(|_| OnceLock::new()).collect())
    }

    /// Counts a push that this worker thread settled.
    pub fn count(&self, worker: usize, fate: Fate, took: Duration) {
        let share = self.0[worker % self.0.len()].get_or_init(Box::default);
        share.fates[fate as usize].fetch_add(1, Ordering::Relaxed);
        if fate.was_attempted() {
            share.latencies.observe(took);
        }
    }

    /// Returns the counts of all threads; `None` if nothing was ever counted.
    pub fn fates(&self) -> Option<Fates> {
        self.shares().fold(None, |sum: Option<Fates>, share| {
            let mut sum = sum.unwrap_or_default();
            for (sum, count) in sum.iter_mut().zip(&share.fates) {
                *sum += count.load(Ordering::Relaxed);
            }
            Some(sum)
        })
    }

    /// Returns the latencies of all threads.
    pub fn latencies(&self) -> Counts {
        let mut sum = Counts::default();
        for share in self.shares() {
            share.latencies.add_to(&mut sum);
        }
        sum
    }

    fn shares(&self) -> impl Iterator<Item = &Share> {
        self.0.iter().filter_map(|share| share.get().map(Box::as_ref))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sums_over_the_threads_what_each_counted() {
        let tally = Tally::new(2);
        assert_eq!(tally.fates(), None);
        let took = Duration::from_millis(3);
        tally.count(0, Fate::Accepted, took);
        tally.count(1, Fate::Accepted, took);
        tally.count(1, Fate::Shed, Duration::ZERO);
        let fates = tally.fates().unwrap();
        assert_eq!(fates[Fate::Accepted as usize], 2);
        assert_eq!(fates.iter().sum::<u64>(), 3);
        assert_eq!(tally.latencies().count(), 2, "what was not attempted has no latency");
    }
}
