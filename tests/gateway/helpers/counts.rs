//! What a gateway has counted.

use super::TestGateway;

impl TestGateway {
    /// Returns the sum of the counters and gauges whose lines begin so, 0 where there is none.
    pub(crate) async fn count(&self, start: &str) -> u64 {
        let page = self.admin("/metrics").await.text;
        let lines = page.lines().filter(|line| line.starts_with(start));
        lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<u64>().ok()).sum()
    }

    /// Returns how often the operator was alarmed for this reason.
    pub(crate) async fn alarms(&self, app: &str, reason: &str) -> u64 {
        let alarms = format!(r#"peregrine_alarms_total{{app="{app}",reason="{reason}"}}"#);
        self.count(&alarms).await
    }

    /// Returns how often the operator was alarmed at all.
    pub(crate) async fn all_alarms(&self) -> u64 {
        self.count("peregrine_alarms_total{").await
    }

    /// Returns how many attempts were followed by another.
    pub(crate) async fn retries(&self, app: &str) -> u64 {
        let retries = format!(r#"peregrine_push_attempts_total{{app="{app}",result="retry"}}"#);
        self.count(&retries).await
    }

    /// Returns when a credential ends, in seconds since the epoch.
    pub(crate) async fn credential_ends(&self, app: &str, kind: &str) -> u64 {
        let name = "peregrine_credential_expiry_timestamp_seconds";
        self.count(&format!(r#"{name}{{app="{app}",kind="{kind}"}}"#)).await
    }
}
