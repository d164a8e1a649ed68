//! When a token that we sign ourselves makes way for the next: before its vendor finds it too old,
//! and never sooner than the vendor allows, whatever its answers and our clocks say.

use std::time::{Duration, SystemTime};

use tokio::time::Instant;

/// How old one vendor's tokens become.
#[derive(Debug, Clone, Copy)]
pub(super) struct Renewal {
    /// Age at which a token is renewed.
    pub(super) after: Duration,
    /// Age before which the vendor allows no other.
    pub(super) never_before: Duration,
}

/// One moment on both clocks: the monotonic one cannot be set, the other is what vendors see.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) monotonic: Instant,
    pub(super) wall: SystemTime,
}

impl Renewal {
    /// Whether a token of `then` has to be renewed, and may be.
    pub(super) fn is_due(&self, then: Moment, now: Moment) -> bool {
        // A suspended machine's monotonic clock stood still.
        let is_old = now.monotonic.duration_since(then.monotonic) >= self.after
            || now.wall.duration_since(then.wall).unwrap_or_default() >= self.after;
        is_old && self.is_allowed(then, now)
    }

    /// Whether the vendor allows another token than the one of `then`; only the clock that nobody
    /// can set decides that.
    pub(super) fn is_allowed(&self, then: Moment, now: Moment) -> bool {
        now.monotonic.duration_since(then.monotonic) >= self.never_before
    }
}

impl Moment {
    /// Reads both clocks.
    pub(super) fn now() -> Self {
        Self { monotonic: Instant::now(), wall: SystemTime::now() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::testing::later;

    const MINUTE: Duration = Duration::from_secs(60);
    const RENEWAL: Renewal =
        Renewal { after: Duration::from_secs(50 * 60), never_before: Duration::from_secs(20 * 60) };

    #[test]
    fn is_due_on_either_clock_and_allowed_on_one() {
        for (monotonic, wall, is_due) in [
            (0, 0, false),
            (19, 19, false),
            (49, 49, false),
            (50, 50, true),
            (500, 0, true),
            // suspended for an hour
            (21, 81, true),
            // a clock that jumps
            (1, 600, false),
            (19, 600, false),
            (20, 600, true),
        ] {
            let then = Moment::now();
            let now = later(then, monotonic * MINUTE, wall * MINUTE);
            assert_eq!(RENEWAL.is_due(then, now), is_due, "{monotonic} {wall}");
            assert_eq!(RENEWAL.is_allowed(then, now), monotonic >= 20, "{monotonic} {wall}");
        }
    }

    #[test]
    fn a_clock_that_is_set_back_makes_nothing_due() {
        let then = Moment::now();
        let now = Moment { wall: then.wall - 600 * MINUTE, ..then };
        assert!(!RENEWAL.is_due(then, now));
    }
}
