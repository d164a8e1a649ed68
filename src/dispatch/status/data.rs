//! The status data: the shape of what `/status.json` answers, described for operators in
//! `docs/src/operating/status-json.md`.
//!
//! Times are milliseconds since the epoch. Names are as stable as those of the metrics.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::Serialize;

use super::latency::Percentiles;
use crate::dispatch::{circuit, guard};

/// Everything at one moment.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Status {
    /// The running version.
    pub version: &'static str,
    /// When this report was written.
    pub now: u64,
    /// When the process began: another one began anew, with other sample numbers.
    pub started: u64,
    /// How long it runs.
    pub uptime_seconds: u64,
    /// Worker threads.
    pub workers: usize,
    /// Whether it is shutting down.
    pub draining: bool,
    /// Notifications and promised pushes that are not settled yet.
    pub unsettled: usize,
    /// Which samples the histories end with.
    pub history: Steps,
    /// The apps, in the order of the configuration.
    pub apps: Vec<AppStatus>,
    /// What is remembered over requests.
    pub tables: Tables,
    /// What went wrong: for each app and reason once, the latest first.
    pub errors: Vec<ErrorLine>,
    /// What came of pushes, the latest first.
    pub recent: Vec<Recent>,
    /// Successes that are not among the recent ones, because there were too many at once.
    pub recent_left_out: u64,
}

/// Which samples the histories end with.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Steps {
    /// The number of the last sample of every history.
    pub last: u64,
    /// Samples that are kept.
    pub length: usize,
    /// Seconds between two.
    pub step_seconds: u64,
}

/// One app.
#[derive(Debug, Clone, Serialize)]
pub struct AppStatus {
    /// The app_id, or the glob over app_ids.
    pub app: Arc<str>,
    /// Its `type`.
    pub provider: &'static str,
    /// The most important thing about it.
    pub state: State,
    /// Provider actors that can take pushes.
    pub actors_up: usize,
    /// Provider actors there should be.
    pub actors: usize,
    /// Pushes under way.
    pub in_flight: usize,
    /// Most pushes under way.
    pub in_flight_limit: usize,
    /// Open connections to the provider.
    pub connections: i64,
    /// Whether the provider is left alone.
    pub circuit: circuit::Reading,
    /// Whether rejections are believed.
    pub guard: guard::Reading,
    /// Pushes by outcome since the beginning.
    pub totals: BTreeMap<&'static str, u64>,
    /// Pushes by outcome, a second, over the last ten seconds.
    pub per_second: BTreeMap<&'static str, f64>,
    /// How long attempted pushes took, over the last minute.
    pub latency_ms: Option<Percentiles>,
    /// The last minutes.
    pub history: Curves,
    /// Attempts at the provider by result.
    pub attempts: BTreeMap<&'static str, u64>,
    /// Provider actors rebuilt, by cause.
    pub restarts: BTreeMap<&'static str, u64>,
    /// What the operator configured to sign in with.
    pub credentials: Vec<CredentialStatus>,
    /// What was last signed or fetched with it, by kind: when it ends. These are renewed by
    /// themselves.
    pub tokens_expire: BTreeMap<&'static str, u64>,
    /// What only the operator can mend, by reason.
    pub alarms: Vec<AlarmLine>,
}

/// The most important thing about an app.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It delivers.
    Ready,
    /// No provider actor is up yet.
    Starting,
    /// No provider actor is up any more; new ones are being built.
    Rebuilding,
    /// The provider is left alone after failures.
    CircuitOpen,
    /// Rejections are withheld: they look like an operator's mistake.
    GuardWithholding,
}

/// The last minutes as one list for each curve, oldest first. All end with the same sample; an app
/// without a push so far has empty ones.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Curves {
    /// Pushes by outcome, a second.
    pub per_second: BTreeMap<&'static str, Vec<u64>>,
    /// How long half of a second's attempted pushes took at most; null where there were none.
    pub p50_ms: Vec<Option<f64>>,
    /// The same for nine of ten.
    pub p90_ms: Vec<Option<f64>>,
    /// The same for 99 of a hundred.
    pub p99_ms: Vec<Option<f64>>,
}

/// A credential and its end.
#[derive(Debug, Clone, Serialize)]
pub struct CredentialStatus {
    /// What it is, never the secret itself.
    pub description: String,
    /// When it ends, if it does.
    pub expires: Option<u64>,
}

/// What only the operator can mend.
#[derive(Debug, Clone, Serialize)]
pub struct AlarmLine {
    /// Why.
    pub reason: &'static str,
    /// What exactly, or what to do.
    pub detail: Option<Box<str>>,
    /// How often.
    pub count: u64,
    /// When last.
    pub last: u64,
}

/// All errors of one app and reason.
#[derive(Debug, Clone, Serialize)]
pub struct ErrorLine {
    /// The app.
    pub app: Arc<str>,
    /// What became of the pushes.
    pub outcome: &'static str,
    /// Why.
    pub reason: &'static str,
    /// What exactly, or what to do.
    pub detail: Option<Box<str>>,
    /// How often since the beginning.
    pub count: u64,
    /// When last.
    pub last: u64,
}

/// What came of one push.
#[derive(Debug, Clone, Serialize)]
pub struct Recent {
    /// When.
    pub when: u64,
    /// The short hash of its pushkey, as logs have it.
    pub pushkey_hash: String,
    /// Its app; null where no app has its app_id.
    pub app: Option<Arc<str>>,
    /// What came of it.
    pub outcome: &'static str,
    /// Why; empty for what was accepted.
    pub reason: &'static str,
    /// How often the provider was asked.
    pub attempts: u32,
    /// How many milliseconds that took.
    pub ms: u64,
    /// When the rejection was learnt that was answered from memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub known_since: Option<u64>,
}

/// What is remembered over requests.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Tables {
    /// Events delivered lately.
    pub duplicates: Fill,
    /// Dead pushkeys.
    pub rejections: Fill,
    /// Pushkeys that used some of their rate; null without a limit.
    pub rate_limits: Option<Fill>,
}

/// How full a table is.
#[derive(Debug, Clone, Copy, Default, Serialize)]
pub struct Fill {
    /// Entries.
    pub entries: usize,
    /// Most entries; beyond it the oldest go.
    pub capacity: usize,
}
