//! The status data: what `/status.json` answers, described for operators in
//! `docs/src/operating/status-json.md`.
//!
//! Times are milliseconds since the epoch. Names are as stable as those of the metrics.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::history::{LENGTH, Sample};
use super::latency::{Percentiles, in_milliseconds};
use super::lookout::{Process, Query, STEP, milliseconds};
use super::tally::{Fate, Fates};
use crate::dispatch::circuit;
use crate::dispatch::guard;
use crate::dispatch::lane::Lane;
use crate::dispatch::limits;
use crate::dispatch::memory::Memory;
use crate::dispatch::plan::Plan;

/// Most errors listed.
const ERRORS: usize = 100;

/// Most recent outcomes listed: of all pushkeys, or of one.
const RECENT: usize = 100;
const RECENT_OF_ONE: usize = 500;

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

/// Writes the report; `last` is the number of the last sample.
pub(super) fn write(
    plan: &Plan,
    memory: &Memory,
    process: Process,
    last: u64,
    query: Query,
) -> Status {
    // A number from the future is another process's: its reader knows nothing of ours.
    let samples = query.since.and_then(|since| last.checked_sub(since));
    let samples = samples.map_or(LENGTH, |new| usize::try_from(new).unwrap_or(LENGTH));
    let now = tokio::time::Instant::now();
    Status {
        version: env!("CARGO_PKG_VERSION"),
        now: process.at(now),
        started: process.began(),
        uptime_seconds: process.uptime().as_secs(),
        workers: process.workers,
        draining: memory.is_draining(),
        unsettled: memory.unsettled(),
        history: Steps {
            last,
            length: LENGTH,
            step_seconds: STEP.as_secs(),
        },
        apps: plan
            .lanes
            .iter()
            .map(|lane| app(lane, memory, process, samples))
            .collect(),
        tables: tables(plan, memory),
        errors: errors(plan, process),
        recent: recent(memory, process, query.pushkey_hash),
        recent_left_out: memory.recents.left_out(),
    }
}

fn app(lane: &Lane, memory: &Memory, process: Process, samples: usize) -> AppStatus {
    let (app, record) = (&lane.app, &lane.record);
    let circuit = lane.circuit.reading(tokio::time::Instant::now());
    let guard = lane.guard.reading(memory.now());
    let actors_up = lane.seats.up();
    let state = if actors_up == 0 && lane.seats.were_taken() {
        State::Rebuilding
    } else if actors_up == 0 {
        State::Starting
    } else if circuit.state != circuit::Position::Closed {
        State::CircuitOpen
    } else if guard.withholding {
        State::GuardWithholding
    } else {
        State::Ready
    };
    let history = record.history();
    let numbers = |names: &[&'static str], count: &dyn Fn(&'static str) -> u64| {
        names.iter().map(|&name| (name, count(name))).collect()
    };
    let metrics = &app.metrics;
    AppStatus {
        app: metrics.app().clone(),
        provider: app.provider,
        state,
        actors_up,
        actors: lane.seats.count(),
        in_flight: lane.in_flight(),
        in_flight_limit: app.common.inflight_request_limit,
        connections: metrics.connections.get(),
        circuit,
        guard,
        totals: by_name(record.totals()),
        per_second: by_name(history.rates()),
        latency_ms: history.latency(),
        history: curves(history.latest(samples)),
        attempts: numbers(&["ok", "retry", "error"], &|result| {
            metrics.attempts(result)
        }),
        restarts: numbers(&["panic", "wedged", "reload"], &|cause| {
            metrics.actor_restarts(cause)
        }),
        credentials: app
            .credentials
            .iter()
            .map(|credential| CredentialStatus {
                description: credential.description.clone(),
                expires: credential.expires.map(milliseconds),
            })
            .collect(),
        tokens_expire: ["access_token", "provider_token"]
            .into_iter()
            .filter_map(|kind| Some((kind, 1000 * metrics.credential_expiry(kind)?)))
            .collect(),
        alarms: lane
            .alarms
            .raised()
            .into_iter()
            .map(|(reason, alarm)| AlarmLine {
                reason,
                detail: alarm.detail,
                count: alarm.count,
                last: process.at(alarm.last),
            })
            .collect(),
    }
}

fn by_name<V>(values: [V; Fate::ALL.len()]) -> BTreeMap<&'static str, V> {
    Fate::ALL
        .map(Fate::as_str)
        .into_iter()
        .zip(values)
        .collect()
}

fn curves<'a>(samples: impl Iterator<Item = &'a Sample>) -> Curves {
    let mut curves = Curves::default();
    let mut fates: [Vec<u64>; Fate::ALL.len()] = Default::default();
    for Sample {
        fates: now,
        latency,
    } in samples
    {
        let now: &Fates = now;
        fates
            .iter_mut()
            .zip(now)
            .for_each(|(fate, &now)| fate.push(now));
        let curve = |value: fn(Percentiles) -> u32| latency.map(|it| in_milliseconds(value(it)));
        curves.p50_ms.push(curve(|it| it.p50));
        curves.p90_ms.push(curve(|it| it.p90));
        curves.p99_ms.push(curve(|it| it.p99));
    }
    curves.per_second = by_name(fates);
    curves
}

fn tables(plan: &Plan, memory: &Memory) -> Tables {
    let config = &plan.config;
    let fill = |entries, capacity| Fill { entries, capacity };
    Tables {
        duplicates: fill(memory.duplicates.count(), config.duplicates.capacity),
        rejections: fill(memory.rejections.count(), config.rejections.capacity),
        rate_limits: config
            .rate_limit
            .as_ref()
            .map(|_| fill(memory.limits.count(), limits::CAPACITY)),
    }
}

fn errors(plan: &Plan, process: Process) -> Vec<ErrorLine> {
    let mut errors: Vec<ErrorLine> = plan
        .lanes
        .iter()
        .flat_map(|lane| {
            let app = lane.app.metrics.app();
            lane.record
                .errors
                .lines()
                .into_iter()
                .map(|line| ErrorLine {
                    app: app.clone(),
                    outcome: line.fate.as_str(),
                    reason: line.reason,
                    detail: line.detail,
                    count: line.count,
                    last: process.at(line.last),
                })
        })
        .collect();
    errors.sort_by_key(|line| std::cmp::Reverse(line.last));
    errors.truncate(ERRORS);
    errors
}

fn recent(memory: &Memory, process: Process, pushkey: Option<u32>) -> Vec<Recent> {
    let count = if pushkey.is_some() {
        RECENT_OF_ONE
    } else {
        RECENT
    };
    let entries = memory.recents.latest(count, pushkey);
    let recent = entries.into_iter().map(|entry| Recent {
        when: process.at(entry.at),
        pushkey_hash: format!("{:08x}", entry.pushkey),
        app: entry.app,
        outcome: entry.fate.as_str(),
        reason: entry.reason,
        ms: whole_milliseconds(entry.took),
        known_since: entry.known_since.map(|since| process.at(since)),
    });
    recent.collect()
}

fn whole_milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
