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
    logged: Mutex<HashMap<&'static str, Instant>>,
}

impl Alarms {
    /// Counts an alarm, and logs it unless the same was logged within the last minute.
    pub fn raise(&self, metrics: &AppMetrics, provider: &'static str, cause: &Cause) {
        metrics.alarm(cause.reason);
        if self.is_due(cause.reason, Instant::now()) {
            tracing::error!(
                app = &**metrics.app(),
                provider,
                reason = cause.reason,
                detail = cause.detail.as_deref(),
                "the provider refuses what only the operator can mend",
            );
        }
    }

    fn is_due(&self, reason: &'static str, now: Instant) -> bool {
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        match logged.get(reason) {
            Some(&last) if now.duration_since(last) < QUIET => false,
            _ => {
                logged.insert(reason, now);
                true
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logs_each_reason_once_a_minute() {
        let alarms = Alarms::default();
        let start = Instant::now();
        assert!(alarms.is_due("BadTopic", start));
        assert!(!alarms.is_due("BadTopic", start + Duration::from_secs(59)));
        assert!(alarms.is_due("Forbidden", start + Duration::from_secs(59)));
        assert!(alarms.is_due("BadTopic", start + Duration::from_secs(60)));
    }
}
