//! What came of an app's pushes, counted. Each worker thread counts for itself, so that no two of
//! them write to the same memory.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::latency::{Counts, Latencies};
use crate::providers::Outcome;

/// What came of one push, as the status page tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// The provider took it.
    Accepted,
    /// The provider called the pushkey dead.
    Rejected,
    /// The provider failed, or the deadline came first.
    Transient,
    /// Dropped for a fault of the message.
    Permanent,
    /// Not attempted, to protect the rest.
    Shed,
    /// Over the rate limit of its pushkey.
    RateLimited,
    /// The event was delivered before, or is under way.
    Duplicate,
    /// The pushkey is known to be dead: nobody was asked.
    RejectedFromMemory,
}

impl Fate {
    /// Every fate, in the order of the page's plots.
    pub const ALL: [Self; 8] = [
        Self::Accepted,
        Self::Rejected,
        Self::Transient,
        Self::Permanent,
        Self::Shed,
        Self::RateLimited,
        Self::Duplicate,
        Self::RejectedFromMemory,
    ];

    /// Returns its name in the status data.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Rejected => "rejected",
            Self::Transient => "transient",
            Self::Permanent => "permanent",
            Self::Shed => "shed",
            Self::RateLimited => "rate_limited",
            Self::Duplicate => "duplicate",
            Self::RejectedFromMemory => "rejected_from_memory",
        }
    }

    /// Returns what a provider's outcome means.
    pub const fn of(outcome: &Outcome) -> Self {
        match outcome {
            Outcome::Accepted => Self::Accepted,
            Outcome::Rejected(_) => Self::Rejected,
            Outcome::Transient { .. } => Self::Transient,
            Outcome::Permanent(_) => Self::Permanent,
        }
    }

    /// Whether somebody should know why it came about.
    pub const fn is_error(self) -> bool {
        matches!(self, Self::Transient | Self::Permanent | Self::Shed)
    }

    /// Whether the provider had its say, or its time: such pushes make up the latencies.
    const fn was_attempted(self) -> bool {
        matches!(
            self,
            Self::Accepted | Self::Rejected | Self::Transient | Self::Permanent
        )
    }
}

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
        self.0
            .iter()
            .filter_map(|share| share.get().map(Box::as_ref))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_in_the_order_of_the_counters() {
        for (place, fate) in Fate::ALL.into_iter().enumerate() {
            assert_eq!(fate as usize, place, "{}", fate.as_str());
        }
    }

    #[test]
    fn sums_over_the_threads_what_each_counted() {
        let tally = Tally::new(2);
        assert_eq!(tally.fates(), None);
        let took = Duration::from_millis(3);
        tally.count(0, Fate::Accepted, took);
        tally.count(1, Fate::Accepted, took);
        tally.count(1, Fate::Shed, Duration::ZERO);
        assert_eq!(tally.fates(), Some([2, 0, 0, 0, 1, 0, 0, 0]));
        assert_eq!(
            tally.latencies().count(),
            2,
            "what was not attempted has no latency"
        );
    }
}
