//! What only the operator can mend: counted always, logged once a minute for each reason.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::providers::Cause;
use crate::telemetry::AppMetrics;

/// Time between two log lines of one app and reason.
const QUIET: Duration = Duration::from_secs(60);

/// The alarms of one app.
#[derive(Debug, Default)]
pub struct Alarms {
    raised: Mutex<HashMap<&'static str, Alarm>>,
}

/// All alarms of one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Alarm {
    /// What exactly, or what to do, as of the last log line.
    pub detail: Option<Box<str>>,
    /// How often.
    pub count: u64,
    /// When last.
    pub last: Instant,
    logged: Instant,
}

impl Alarms {
    /// Counts an alarm, and logs it unless the same was logged within the last minute.
    pub fn raise(&self, metrics: &AppMetrics, provider: &'static str, cause: &Cause) {
        metrics.alarm(cause.reason);
        if self.note(cause, Instant::now()) {
            tracing::error!(
                app = &**metrics.app(),
                provider,
                reason = cause.reason,
                detail = cause.detail.as_deref(),
                "the provider refuses what only the operator can mend",
            );
        }
    }

    /// Returns every reason and its alarms, the latest first.
    pub fn raised(&self) -> Vec<(&'static str, Alarm)> {
        let raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        let each = raised.iter().map(|(&reason, alarm)| (reason, alarm.clone()));
        let mut each: Vec<_> = each.collect();
        each.sort_by_key(|(_, alarm)| std::cmp::Reverse(alarm.last));
        each
    }

    /// Takes note of one. Returns whether the log should say so.
    fn note(&self, cause: &Cause, now: Instant) -> bool {
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(alarm) = raised.get_mut(cause.reason) {
            alarm.count += 1;
            alarm.last = now;
            if now.duration_since(alarm.logged) < QUIET {
                return false;
            }
            alarm.logged = now;
            alarm.detail.clone_from(&cause.detail);
            return true;
        }
        let alarm = Alarm { detail: cause.detail.clone(), count: 1, last: now, logged: now };
        raised.insert(cause.reason, alarm);
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_each_reason_once_a_minute_and_counts_all() {
        let alarms = Alarms::default();
        let start = Instant::now();
        let (topic, forbidden) = (Cause::alarm("BadTopic"), Cause::alarm("Forbidden"));
        assert!(alarms.note(&topic, start));
        assert!(!alarms.note(&topic, start + Duration::from_secs(59)));
        assert!(alarms.note(&forbidden, start + Duration::from_secs(58)));
        assert!(alarms.note(&topic, start + Duration::from_secs(60)));
        let raised = alarms.raised();
        let counts: Vec<_> = raised.iter().map(|(reason, it)| (*reason, it.count)).collect();
        assert_eq!(counts, [("BadTopic", 3), ("Forbidden", 1)]);
    }
}
