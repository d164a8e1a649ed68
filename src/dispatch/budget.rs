//! The retry budget of one app: retries are a share of recent traffic, so that an outage does not
//! multiply the load on the provider exactly when it is down.

use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

/// Traffic fades with this time constant, in seconds: "recent" is about the last ten.
const RECENT_SECONDS: f64 = 10.0;

/// Traffic fades in steps of this many milliseconds, which keeps the power off the hot path.
const STEP_MILLIS: u32 = 10;

/// What a step leaves.
const LEFT: f64 = 1.0 - STEP_MILLIS as f64 / 1000.0 / RECENT_SECONDS;

/// Retries a second that are always granted, so that a quiet gateway may still retry.
const FLOOR_PER_SECOND: f64 = 10.0;

/// The retry budget of one app, shared by all worker threads.
#[derive(Debug)]
pub struct Budget {
    percent: AtomicU32,
    recent: Mutex<Recent>,
}

#[derive(Debug)]
struct Recent {
    pushes: f64,
    retries: f64,
    at: Instant,
}

impl Budget {
    /// Grants retries up to `percent` of recent pushes; 100 grants all.
    pub fn new(percent: u32, now: Instant) -> Self {
        Self {
            percent: AtomicU32::new(percent),
            recent: Mutex::new(Recent { pushes: 0.0, retries: 0.0, at: now }),
        }
    }

    /// Grants another share from now on.
    pub fn adjust(&self, percent: u32) {
        self.percent.store(percent, Ordering::Relaxed);
    }

    /// Takes note of a new push.
    pub fn pushed(&self, now: Instant) {
        if self.share().is_some() {
            self.recent(now).pushes += 1.0;
        }
    }

    /// Grants a retry, or not.
    pub fn grants(&self, now: Instant) -> bool {
        let Some(share) = self.share() else {
            return true;
        };
        let mut recent = self.recent(now);
        let most = (share * recent.pushes).max(FLOOR_PER_SECOND * RECENT_SECONDS);
        let granted = recent.retries + 1.0 <= most;
        if granted {
            recent.retries += 1.0;
        }
        granted
    }

    /// Returns the share of recent pushes, if there is a limit.
    fn share(&self) -> Option<f64> {
        let percent = self.percent.load(Ordering::Relaxed);
        (percent < 100).then(|| f64::from(percent) / 100.0)
    }

    fn recent(&self, now: Instant) -> MutexGuard<'_, Recent> {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let passed = now.saturating_duration_since(recent.at).as_millis();
        if passed >= STEP_MILLIS.into() {
            let steps = i32::try_from(passed / u128::from(STEP_MILLIS)).unwrap_or(i32::MAX);
            let left = LEFT.powi(steps);
            recent.pushes *= left;
            recent.retries *= left;
            recent.at = now;
        }
        recent
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn granted(budget: &Budget, asked: usize, now: Instant) -> usize {
        (0..asked).filter(|_| budget.grants(now)).count()
    }

    #[test]
    fn a_quiet_gateway_may_retry() {
        let now = Instant::now();
        let budget = Budget::new(20, now);
        assert_eq!(granted(&budget, 1000, now), 100);
        // What was used fades: ten more a second.
        let later = now + Duration::from_secs(1);
        assert!((9..=10).contains(&granted(&budget, 1000, later)));
    }

    #[test]
    fn retries_are_a_share_of_recent_pushes() {
        let now = Instant::now();
        let budget = Budget::new(20, now);
        (0..10_000).for_each(|_| budget.pushed(now));
        assert_eq!(granted(&budget, 5000, now), 2000);
        assert_eq!(granted(&budget, 10, now), 0);
    }

    #[test]
    fn a_hundred_percent_is_no_budget() {
        let now = Instant::now();
        let budget = Budget::new(100, now);
        assert_eq!(granted(&budget, 100_000, now), 100_000);
        budget.adjust(20);
        assert_eq!(granted(&budget, 1000, now), 100, "adjusted");
    }

    /// Two minutes of outage at 1000 pushes a second: never more than a fifth of them again.
    #[test]
    fn over_time_the_share_is_a_share() {
        let start = Instant::now();
        let budget = Budget::new(20, start);
        let mut retries = 0;
        for millisecond in 0..120_000 {
            let now = start + Duration::from_millis(millisecond);
            budget.pushed(now);
            retries += granted(&budget, 3, now);
        }
        assert!((23_000..=24_200).contains(&retries), "{retries} for 120,000 pushes");
    }
}
