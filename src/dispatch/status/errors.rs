//! What went wrong lately, for each reason once: how often, when last, and what exactly.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::dispatch::ending::Fate;

/// A detail is written anew after this long: under an outage nobody reads each of them.
const FRESH: Duration = Duration::from_secs(1);

/// The errors of one app: reasons come from closed lists, so there are few.
#[derive(Debug, Default)]
pub struct Errors(Mutex<Vec<Line>>);

/// All errors of one reason.
#[derive(Debug, Clone)]
pub struct Line {
    /// What became of the pushes.
    pub fate: Fate,
    /// Why.
    pub reason: &'static str,
    /// What exactly failed, or what to do about it, as of late. Never content, never a pushkey.
    pub detail: Option<Box<str>>,
    /// How often since the beginning.
    pub count: u64,
    /// When last.
    pub last: Instant,
    /// When the detail was written.
    written: Instant,
}

impl Errors {
    /// Takes note of one.
    pub fn note(&self, fate: Fate, reason: &'static str, detail: Option<&str>, now: Instant) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_it = |line: &&mut Line| line.fate == fate && line.reason == reason;
        if let Some(line) = lines.iter_mut().find(is_it) {
            line.count += 1;
            line.last = now;
            if now.duration_since(line.written) >= FRESH {
                line.detail = detail.map(Box::from);
                line.written = now;
            }
            return;
        }
        lines.push(Line {
            fate,
            reason,
            detail: detail.map(Box::from),
            count: 1,
            last: now,
            written: now,
        });
    }

    /// Returns all of them.
    pub fn lines(&self) -> Vec<Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_by_reason_and_keeps_the_latest_detail() {
        let (errors, start) = (Errors::default(), Instant::now());
        errors.note(Fate::Transient, "reset", Some("first"), start);
        let soon = start + FRESH / 2;
        errors.note(Fate::Transient, "reset", Some("too soon"), soon);
        errors.note(Fate::Permanent, "reset", None, soon);
        let found = errors.lines();
        assert_eq!(found.len(), 2);
        assert_eq!((found[0].count, found[0].last), (2, soon));
        assert_eq!(found[0].detail.as_deref(), Some("first"));
        errors.note(Fate::Transient, "reset", Some("later"), start + FRESH);
        assert_eq!(errors.lines()[0].detail.as_deref(), Some("later"));
    }
}
