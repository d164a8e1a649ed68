//! How fast an app's pushes settle while many are in flight, and so how long a newcomer waits.
//!
//! A push in flight may wait for a stream behind all others. At the pace of late it is its turn
//! when as many were settled as are before it (Little's law). What could not be delivered before
//! its deadline is not let in: it would only be in the way of what can.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// With fewer in flight nobody waits for others: it is a few connections' streams at most.
pub const BUSY: usize = 512;

/// What happened longer ago than about twice this counts no more.
const RECENT: Duration = Duration::from_secs(10);

/// Nothing is said before this much was seen: opening connections is no pace.
const LEAST: (Duration, f64) = (Duration::from_secs(2), 64.0);

/// The pace of one app, shared by all worker threads.
#[derive(Debug)]
pub struct Pace(Mutex<Seen>);

#[derive(Debug)]
struct Seen {
    /// Pushes settled while [`BUSY`] or more were in flight, and how long that was.
    settled: f64,
    busy: Duration,
    last: Instant,
}

impl Pace {
    /// Begins without an idea.
    pub fn new(now: Instant) -> Self {
        Self(Mutex::new(Seen { settled: 0.0, busy: Duration::ZERO, last: now }))
    }

    /// Takes note that as many as [`BUSY`] are in flight now.
    pub fn grew_busy(&self, now: Instant) {
        self.seen().last = now;
    }

    /// Takes note that one was settled while more than [`BUSY`] were in flight.
    pub fn settled(&self, now: Instant) {
        let mut seen = self.seen();
        let last = std::mem::replace(&mut seen.last, now);
        seen.settled += 1.0;
        seen.busy += now.saturating_duration_since(last);
        if seen.busy > RECENT {
            seen.settled /= 2.0;
            seen.busy /= 2;
        }
    }

    /// Returns how long a newcomer behind `in_flight` others waits, if that can be said.
    pub fn wait(&self, in_flight: usize, now: Instant) -> Option<Duration> {
        if in_flight < BUSY {
            return None;
        }
        let seen = self.seen();
        // A provider that stands still has no pace, though nothing was settled to tell so.
        let busy = seen.busy + now.saturating_duration_since(seen.last);
        let (least_time, least_pushes) = LEAST;
        let is_known = busy >= least_time && seen.settled >= least_pushes;
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        is_known.then(|| busy.mul_f64(in_flight as f64 / seen.settled))
    }

    fn seen(&self) -> MutexGuard<'_, Seen> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// Settles `per_second` for some seconds; returns the time after them.
    fn run(pace: &Pace, mut now: Instant, seconds: u32, per_second: u32) -> Instant {
        for _ in 0..seconds * per_second {
            now += SECOND / per_second;
            pace.settled(now);
        }
        now
    }

    #[track_caller]
    fn assert_about(wait: Option<Duration>, seconds: f64) {
        let wait = wait.expect("an idea").as_secs_f64();
        assert!((wait / seconds - 1.0).abs() < 0.1, "{wait} is not about {seconds}");
    }

    #[test]
    fn knows_how_long_the_queue_takes() {
        let start = Instant::now();
        let pace = Pace::new(start);
        assert_eq!(pace.wait(10_000, start), None);
        pace.grew_busy(start);
        let now = run(&pace, start, 1, 500);
        assert_eq!(pace.wait(10_000, now), None, "too early");
        let now = run(&pace, now, 30, 500);
        assert_about(pace.wait(10_000, now), 20.0);
        assert_about(pace.wait(1000, now), 2.0);
        assert_eq!(pace.wait(BUSY - 1, now), None, "nobody waits");
        let now = run(&pace, now, 30, 1000);
        assert_about(pace.wait(10_000, now), 10.0);
    }

    #[test]
    fn a_provider_that_stands_still_has_no_pace() {
        let start = Instant::now();
        let pace = Pace::new(start);
        let now = run(&pace, start, 5, 1000);
        let before = pace.wait(5000, now).unwrap();
        let after = pace.wait(5000, now + 20 * SECOND).unwrap();
        assert!(after > 4 * before, "{before:?} {after:?}");
    }

    #[test]
    fn idle_time_says_nothing() {
        let start = Instant::now();
        let pace = Pace::new(start);
        let now = run(&pace, start, 5, 1000) + 3600 * SECOND;
        pace.grew_busy(now);
        assert_about(pace.wait(5000, now), 5.0);
    }
}
