//! An app's last five minutes, a sample for each second.

use std::collections::VecDeque;

use super::latency::{Counts, Percentiles};
use super::tally::Fates;
use crate::dispatch::ending::Fate;

/// Samples that are kept: five minutes.
pub const LENGTH: usize = 300;

/// "Now" is this many samples: short enough to follow, long enough to read.
const NOW: usize = 10;

/// The latencies of now are those since the oldest mark: about a minute.
const MARKS: usize = 6;
const SAMPLES_PER_MARK: u32 = 10;

/// The samples of one app. Empty, and without memory, until the app's first push.
#[derive(Debug, Default)]
pub struct History {
    samples: VecDeque<Sample>,
    /// What was counted up to the last sample.
    before: Option<(Fates, Counts)>,
    /// Latencies up to moments of the last minute, oldest first.
    marks: VecDeque<Counts>,
    until_mark: u32,
}

/// One step.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sample {
    /// Pushes by fate, a second.
    pub fates: Fates,
    /// How long those of this step took that were attempted.
    pub latency: Option<Percentiles>,
}

impl History {
    /// Adds a step of `seconds`, normally one, at whose end so much was counted in all.
    pub fn sample(&mut self, fates: Fates, latencies: impl FnOnce() -> Counts, seconds: f64) {
        if self.marks.is_empty() {
            self.marks.push_back(Counts::default());
        }
        let before = self.before.get_or_insert_default();
        let mut sample = Sample { fates: [0; _], latency: None };
        if fates != before.0 {
            let now = latencies();
            for (place, rate) in sample.fates.iter_mut().enumerate() {
                *rate = per_second(fates[place].saturating_sub(before.0[place]), seconds);
            }
            sample.latency = now.since(&before.1).percentiles();
            *before = (fates, now);
        }
        if self.samples.len() == LENGTH {
            self.samples.pop_front();
        }
        self.samples.push_back(sample);
        self.until_mark += 1;
        if self.until_mark == SAMPLES_PER_MARK {
            self.until_mark = 0;
            self.marks.push_back(before.1.clone());
            if self.marks.len() > MARKS {
                self.marks.pop_front();
            }
        }
    }

    /// Returns the latest samples, oldest first.
    pub fn latest(&self, count: usize) -> impl Iterator<Item = &Sample> {
        self.samples.iter().skip(self.samples.len().saturating_sub(count))
    }

    /// Returns pushes by fate, a second, over the last ten seconds.
    #[expect(clippy::cast_precision_loss, reason = "a rate for people")]
    pub fn rates(&self) -> [f64; Fate::ALL.len()] {
        let mut rates = [0.0; _];
        let count = self.samples.len().clamp(1, NOW);
        for sample in self.latest(NOW) {
            for (rate, fate) in rates.iter_mut().zip(sample.fates) {
                *rate += fate as f64;
            }
        }
        rates.map(|sum| (sum * 10.0 / count as f64).round() / 10.0)
    }

    /// Returns how long pushes took over the last minute.
    pub fn latency(&self) -> Option<Percentiles> {
        let (_, now) = self.before.as_ref()?;
        now.since(self.marks.front()?).percentiles()
    }
}

/// A step that came late counts for the seconds it lasted.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a rate for people"
)]
fn per_second(count: u64, seconds: f64) -> u64 {
    if seconds < 1.5 {
        return count;
    }
    (count as f64 / seconds).round() as u64
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::tally::Tally;
    use super::*;

    fn step(history: &mut History, tally: &Tally, seconds: f64) {
        let fates = tally.fates().unwrap_or_default();
        history.sample(fates, || tally.latencies(), seconds);
    }

    fn count(tally: &Tally, pushes: usize, millis: u64) {
        let took = Duration::from_millis(millis);
        (0..pushes).for_each(|_| tally.count(0, Fate::Accepted, took));
    }

    #[test]
    fn each_sample_is_what_came_in_its_second() {
        let (mut history, tally) = (History::default(), Tally::new(1));
        for pushes in [3, 0, 5] {
            count(&tally, pushes, 10);
            step(&mut history, &tally, 1.0);
        }
        count(&tally, 8, 10);
        step(&mut history, &tally, 2.0);
        let accepted: Vec<u64> = history.latest(9).map(|sample| sample.fates[0]).collect();
        assert_eq!(accepted, [3, 0, 5, 4], "a step of two seconds counts for two");
        let known: Vec<bool> = history.latest(9).map(|it| it.latency.is_some()).collect();
        assert_eq!(known, [true, false, true, true]);
        assert_eq!(history.latest(2).count(), 2);
        assert!((history.rates()[0] - 3.0).abs() < 0.05);
    }

    #[test]
    fn keeps_five_minutes() {
        let (mut history, tally) = (History::default(), Tally::new(1));
        for _ in 0..2 * LENGTH {
            count(&tally, 1, 1);
            step(&mut history, &tally, 1.0);
        }
        assert_eq!(history.latest(usize::MAX).count(), LENGTH);
    }

    #[test]
    fn latencies_of_now_are_those_of_the_last_minute() {
        let (mut history, tally) = (History::default(), Tally::new(1));
        assert_eq!(history.latency(), None);
        count(&tally, 100, 5000);
        step(&mut history, &tally, 1.0);
        assert!(history.latency().unwrap().p50 > 4_000_000);
        for _ in 0..70 {
            count(&tally, 1, 10);
            step(&mut history, &tally, 1.0);
        }
        assert!(history.latency().unwrap().p99 < 12_000);
        for _ in 0..70 {
            step(&mut history, &tally, 1.0);
        }
        assert_eq!(history.latency(), None);
    }
}
