//! Lines that others could make us write without end: one a minute, with how many were left out.

use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Time between two lines.
const QUIET: Duration = Duration::from_secs(60);

/// Lets through one line a minute.
#[derive(Debug, Default)]
pub struct Seldom(Mutex<Option<Last>>);

#[derive(Debug)]
struct Last {
    at: Instant,
    left_out: u64,
}

impl Seldom {
    /// Returns how many lines were left out since the last one, if another is due.
    pub fn is_due(&self) -> Option<u64> {
        self.is_due_at(Instant::now())
    }

    fn is_due_at(&self, now: Instant) -> Option<u64> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &mut *last {
            Some(last) if now.duration_since(last.at) < QUIET => {
                last.left_out += 1;
                None
            }
            before => {
                let left_out = before.as_ref().map_or(0, |last| last.left_out);
                *before = Some(Last { at: now, left_out: 0 });
                Some(left_out)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_a_minute_and_the_rest_is_counted() {
        let (seldom, start) = (Seldom::default(), Instant::now());
        let second = Duration::from_secs(1);
        assert_eq!(seldom.is_due_at(start), Some(0));
        assert_eq!(seldom.is_due_at(start + second), None);
        assert_eq!(seldom.is_due_at(start + 59 * second), None);
        assert_eq!(seldom.is_due_at(start + 60 * second), Some(2));
        assert_eq!(seldom.is_due_at(start + 61 * second), None);
    }
}
