//! What is counted for one app: its pushes, attempts, actors and credentials.

use std::sync::Arc;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;

use super::Metrics;
use super::labels::{
    AlarmLabels, AppLabel, AttemptLabels, CauseLabels, CredentialLabels, PushLabels,
};

/// The metrics of one app.
#[derive(Debug, Clone)]
pub struct AppMetrics {
    pub(super) all: Arc<Metrics>,
    pub(super) app: Arc<str>,
    pub(super) provider: &'static str,
    /// Pushes under way.
    pub in_flight: Gauge,
    /// Open connections.
    pub connections: Gauge,
    /// 1 while the provider is left alone.
    pub circuit_open: Gauge,
    pub(super) push_duration: Histogram,
    /// What nearly every push counts in, found once.
    pub(super) accepted: Counter,
    pub(super) attempts_ok: Counter,
}

impl AppMetrics {
    /// Returns the app's name in the configuration.
    pub fn app(&self) -> &Arc<str> {
        &self.app
    }

    /// Counts a settled push.
    pub fn settled(&self, outcome: &'static str, reason: &'static str, took: Duration) {
        self.push_duration.observe(took.as_secs_f64());
        if outcome == "accepted" {
            self.accepted.inc();
            return;
        }
        let (app, provider) = (self.app.clone(), self.provider);
        self.all.pushes.get_or_create(&PushLabels { app, provider, outcome, reason }).inc();
    }

    /// Counts one attempt at the provider: `ok`, `retry` or `error`.
    pub fn attempted(&self, result: &'static str) {
        if result == "ok" {
            self.attempts_ok.inc();
            return;
        }
        self.all.attempts.get_or_create(&AttemptLabels { app: self.app.clone(), result }).inc();
    }

    /// Counts a push that was not attempted: `in_flight`, `circuit`, `deadline` or `draining`.
    pub fn shed(&self, cause: &'static str) {
        self.all.shed.get_or_create(&CauseLabels { app: self.app.clone(), cause }).inc();
    }

    /// Counts a push over the rate limit of its pushkey.
    pub fn rate_limited(&self) {
        self.all.rate_limited.get_or_create(&self.label()).inc();
    }

    /// Counts a copy of an event.
    pub fn duplicate(&self) {
        self.all.duplicates.get_or_create(&self.label()).inc();
    }

    /// Counts a rejection answered from memory.
    pub fn rejected_from_memory(&self) {
        self.all.rejected_from_memory.get_or_create(&self.label()).inc();
    }

    fn label(&self) -> AppLabel {
        AppLabel { app: self.app.clone() }
    }

    /// Counts a rebuilt provider actor: `panic`, `wedged` or `reload`.
    pub fn actor_restarted(&self, cause: &'static str) {
        self.all.actor_restarts.get_or_create(&CauseLabels { app: self.app.clone(), cause }).inc();
    }

    /// Returns how many attempts had this result.
    pub fn attempts(&self, result: &'static str) -> u64 {
        let labels = AttemptLabels { app: self.app.clone(), result };
        let attempts = self.all.attempts.get(&labels);
        attempts.map_or(0, |attempts| attempts.get())
    }

    /// Returns how many provider actors were rebuilt for this cause.
    pub fn actor_restarts(&self, cause: &'static str) -> u64 {
        let labels = CauseLabels { app: self.app.clone(), cause };
        let restarts = self.all.actor_restarts.get(&labels);
        restarts.map_or(0, |restarts| restarts.get())
    }

    /// Returns when a credential of this kind ends, in seconds since the epoch.
    pub fn credential_expiry(&self, kind: &'static str) -> Option<u64> {
        let labels = CredentialLabels { app: self.app.clone(), kind };
        let expiry = self.all.credential_expiry.get(&labels)?;
        u64::try_from(expiry.get()).ok()
    }

    /// Counts an answer that only the operator can mend.
    pub fn alarm(&self, reason: &'static str) {
        self.all.alarms.get_or_create(&AlarmLabels { app: self.app.clone(), reason }).inc();
    }

    /// Says when a credential ends: kind `certificate`, `access_token` or `provider_token`.
    pub fn credential_expires(&self, kind: &'static str, seconds_since_epoch: i64) {
        self.all
            .credential_expiry
            .get_or_create(&CredentialLabels { app: self.app.clone(), kind })
            .set(seconds_since_epoch);
    }
}
