//! What the clients of one thread saw since they were last asked.

use std::collections::BTreeMap;
use std::time::Duration;

use hdrhistogram::Histogram;

use super::line::Answer;

/// Longest latency told apart from longer ones, in microseconds.
const LONGEST: u64 = 120_000_000;

/// Makes a histogram of microseconds, to two digits and a half: fine enough to plot, small enough
/// to be replaced many times a second.
pub(crate) fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, LONGEST, 2)
        .unwrap_or_else(|error| unreachable!("these bounds are allowed: {error}"))
}

/// What was seen of the notifications of one group.
#[derive(Debug, Clone)]
pub(crate) struct Counts {
    /// Answered 200 with nothing rejected.
    pub(crate) delivered: u64,
    /// Answered 200 with the pushkey rejected.
    pub(crate) rejected: u64,
    /// Other answers, by status.
    pub(crate) refused: BTreeMap<u16, u64>,
    /// Connections that ended instead of an answer.
    pub(crate) broken: u64,
    /// From when a notification was due to its 200, in microseconds.
    pub(crate) latency: Histogram<u64>,
    /// From a request to any other answer, in microseconds.
    pub(crate) refusal: Histogram<u64>,
}

impl Default for Counts {
    fn default() -> Self {
        Self {
            delivered: 0,
            rejected: 0,
            refused: BTreeMap::new(),
            broken: 0,
            latency: histogram(),
            refusal: histogram(),
        }
    }
}

impl Counts {
    /// Notes an answer; `late` is the time since the notification was due, `took` since the
    /// request was sent.
    pub(super) fn note(&mut self, answer: Option<Answer>, late: Duration, took: Duration) {
        match answer {
            Some(Answer::Settled) => {
                self.delivered += 1;
                self.latency.saturating_record(micros(late));
            }
            Some(Answer::Rejected) => {
                self.rejected += 1;
                self.latency.saturating_record(micros(late));
            }
            Some(Answer::Refused(status)) => {
                *self.refused.entry(status).or_default() += 1;
                self.refusal.saturating_record(micros(took));
            }
            None => self.broken += 1,
        }
    }

    /// Adds what others saw.
    pub(crate) fn add(&mut self, other: &Self) {
        self.delivered += other.delivered;
        self.rejected += other.rejected;
        self.broken += other.broken;
        for (status, times) in &other.refused {
            *self.refused.entry(*status).or_default() += times;
        }
        // Both have the same bounds.
        let _ = self.latency.add(&other.latency);
        let _ = self.refusal.add(&other.refusal);
    }

    /// Counts answers that ask for a repeat, and missing ones.
    pub(crate) fn failed(&self) -> u64 {
        self.refused.values().sum::<u64>() + self.broken
    }
}

/// What the clients of one thread saw since they were last asked.
#[derive(Debug, Clone)]
pub(crate) struct Tally {
    /// By group.
    pub(crate) groups: Vec<Counts>,
    /// How late the driver itself sent what was due, in microseconds: its share of the latency.
    pub(crate) lateness: Histogram<u64>,
}

impl Tally {
    pub(crate) fn new(groups: usize) -> Self {
        Self { groups: vec![Counts::default(); groups], lateness: histogram() }
    }

    /// Adds what others saw.
    pub(crate) fn add(&mut self, other: &Self) {
        for (group, other) in self.groups.iter_mut().zip(&other.groups) {
            group.add(other);
        }
        let _ = self.lateness.add(&other.lateness);
    }

    /// Returns all groups as one.
    pub(crate) fn total(&self) -> Counts {
        let mut total = Counts::default();
        self.groups.iter().for_each(|group| total.add(group));
        total
    }
}

/// Returns a duration in microseconds, as histograms count them.
pub(super) fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}
