//! Every metric: its name, its labels (closed lists, never a pushkey), its help text.
//!
//! `labels` lists what tells the members of a family apart, `families` registers them; `app` counts
//! for one app, with the labels of its name filled in.

mod app;
mod families;
mod labels;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Registry;

pub use app::AppMetrics;
use families::{Histograms, family, histogram};
use labels::{
    AlarmLabels, AppLabel, AttemptLabels, CauseLabels, CredentialLabels, FieldLabel, OutcomeLabel,
    PushLabels, ResultLabel, StateLabel, StatusLabel,
};

/// HTTP statuses are below 600 (RFC 9110, 15).
const STATUSES: usize = 600;

/// All metrics of one gateway. A value, not a global, so that gateways in one process do not mix.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    notifications: Family<OutcomeLabel, Counter>,
    pushes: Family<PushLabels, Counter>,
    push_duration: Histograms<AppLabel>,
    notify_duration: Histograms<StatusLabel>,
    /// By status: a histogram does not tell how many it holds.
    answers: [AtomicU64; STATUSES],
    /// What nearly every notification counts in, found once.
    accepted: (Counter, Histogram),
    attempts: Family<AttemptLabels, Counter>,
    in_flight: Family<AppLabel, Gauge>,
    shed: Family<CauseLabels, Counter>,
    rate_limited: Family<AppLabel, Counter>,
    duplicates: Family<AppLabel, Counter>,
    rejected_from_memory: Family<AppLabel, Counter>,
    circuit_open: Family<AppLabel, Gauge>,
    reloads: Family<ResultLabel, Counter>,
    actor_restarts: Family<CauseLabels, Counter>,
    connections: Family<AppLabel, Gauge>,
    credential_expiry: Family<CredentialLabels, Gauge>,
    ignored_fields: Family<FieldLabel, Counter>,
    alarms: Family<AlarmLabels, Counter>,
    state_errors: Family<StateLabel, Counter>,
}

impl Metrics {
    /// Makes an empty set.
    pub fn new() -> Arc<Self> {
        let mut registry = Registry::with_prefix("peregrine");
        let build = Info::new([("version", env!("CARGO_PKG_VERSION"))]);
        registry.register("build", "The running version", build);
        let all = &mut registry;
        let notifications =
            family(all, "notifications", "Answered /notify requests; accepted is 200");
        let pushes = family(all, "pushes", "Settled pushes by what came of them");
        let push_duration = histogram(
            all,
            "push_duration_seconds",
            "Time from taking a push to settling it, retries included",
        );
        let notify_duration = histogram(
            all,
            "notify_duration_seconds",
            "Time from a /notify request's last byte to its answer",
        );
        let accepted = (
            notifications.get_or_create_owned(&OutcomeLabel { outcome: "accepted" }),
            notify_duration.get_or_create_owned(&StatusLabel { status: 200 }),
        );
        Arc::new(Self {
            notifications,
            pushes,
            push_duration,
            notify_duration,
            answers: [const { AtomicU64::new(0) }; STATUSES],
            accepted,
            attempts: family(
                all,
                "push_attempts",
                "Attempts at a provider: ok settled the push, retry is followed by another, error is not",
            ),
            in_flight: family(all, "in_flight", "Pushes under way, retries included"),
            shed: family(all, "shed", "Pushes not attempted, to protect the rest"),
            rate_limited: family(
                all,
                "rate_limited",
                "Pushes over the rate limit of their pushkey",
            ),
            duplicates: family(all, "duplicates", "Copies of events delivered lately or under way"),
            rejected_from_memory: family(
                all,
                "rejections_answered_from_memory",
                "Pushes to pushkeys known to be dead, answered without asking the provider",
            ),
            circuit_open: family(
                all,
                "circuit_open",
                "1 while the provider is left alone after failures",
            ),
            reloads: family(all, "config_reloads", "Reloads of the configuration"),
            actor_restarts: family(
                all,
                "actor_restarts",
                "Provider actors rebuilt after their end",
            ),
            connections: family(all, "connections", "Open connections to the provider"),
            credential_expiry: family(
                all,
                "credential_expiry_timestamp_seconds",
                "When a credential ends, in seconds since the epoch",
            ),
            ignored_fields: family(
                all,
                "ignored_fields",
                "Optional request fields ignored because their value had the wrong type",
            ),
            alarms: family(
                all,
                "alarms",
                "Answers that only the operator can mend: credentials, topic, project, payload",
            ),
            state_errors: family(
                all,
                "state_errors",
                "Failures of Redis; until it answers again, replicas remember each for itself",
            ),
            registry,
        })
    }

    /// Returns all metrics in the OpenMetrics text format.
    pub fn render(&self) -> String {
        let mut page = String::new();
        // Writing to a String cannot fail.
        let _ = text::encode(&mut page, &self.registry);
        page
    }

    /// Counts an answered `/notify` request.
    pub fn notified(&self, status: u16, took: Duration) {
        if let Some(count) = self.answers.get(usize::from(status)) {
            count.fetch_add(1, Ordering::Relaxed);
        }
        if status == 200 {
            let (notifications, duration) = &self.accepted;
            notifications.inc();
            duration.observe(took.as_secs_f64());
            return;
        }
        let outcome = "failed";
        self.notifications.get_or_create(&OutcomeLabel { outcome }).inc();
        self.notify_duration.get_or_create(&StatusLabel { status }).observe(took.as_secs_f64());
    }

    /// Counts an optional field that was ignored.
    pub fn ignored_field(&self, field: &'static str) {
        self.ignored_fields.get_or_create(&FieldLabel { field }).inc();
    }

    /// Counts a reload of the configuration: `ok` or `refused`.
    pub fn reloaded(&self, result: &'static str) {
        self.reloads.get_or_create(&ResultLabel { result }).inc();
    }

    /// Returns the statuses of answered `/notify` requests and how many had each.
    pub fn notified_with(&self) -> impl Iterator<Item = (usize, u64)> {
        let counts = self.answers.iter().map(|count| count.load(Ordering::Relaxed));
        counts.enumerate().filter(|&(_, count)| count > 0)
    }

    /// Returns how many reloads ended so: `ok` or `refused`.
    pub fn reloads(&self, result: &'static str) -> u64 {
        let reloads = self.reloads.get(&ResultLabel { result });
        reloads.map_or(0, |reloads| reloads.get())
    }

    /// Counts a failure of Redis: `unreachable`, `closed`, `timeout`, `refused` or `answer`.
    pub fn state_failed(&self, cause: &'static str) {
        self.state_errors.get_or_create(&StateLabel { cause }).inc();
    }

    /// Returns the metrics of one app.
    pub fn app(self: &Arc<Self>, app: &str, provider: &'static str) -> AppMetrics {
        let app: Arc<str> = app.into();
        let label = AppLabel { app: app.clone() };
        AppMetrics {
            in_flight: self.in_flight.get_or_create_owned(&label),
            connections: self.connections.get_or_create_owned(&label),
            circuit_open: self.circuit_open.get_or_create_owned(&label),
            push_duration: self.push_duration.get_or_create_owned(&label),
            accepted: self.pushes.get_or_create_owned(&PushLabels {
                app: app.clone(),
                provider,
                outcome: "accepted",
                reason: "",
            }),
            attempts_ok: self
                .attempts
                .get_or_create_owned(&AttemptLabels { app: app.clone(), result: "ok" }),
            all: self.clone(),
            app,
            provider,
        }
    }
}
