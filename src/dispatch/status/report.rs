//! Writes the status data from what lanes and memory know.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::time::Instant;

use super::data::{
    AlarmLine, AppStatus, CredentialStatus, Curves, ErrorLine, Fill, Recent, State, Status, Steps,
    Tables,
};
use super::history::{LENGTH, Sample};
use super::latency::{Percentiles, in_milliseconds};
use super::lookout::{Process, Query, STEP, milliseconds};
use super::tally::Fates;
use crate::dispatch::circuit;
use crate::dispatch::ending::Fate;
use crate::dispatch::lane::Lane;
use crate::dispatch::limits;
use crate::dispatch::memory::Memory;
use crate::dispatch::plan::Plan;

/// Most errors listed.
const ERRORS: usize = 100;

/// Most recent outcomes listed: of all pushkeys, or of one.
const RECENT: usize = 100;
const RECENT_OF_ONE: usize = 500;

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
    let now = Instant::now();
    Status {
        version: env!("CARGO_PKG_VERSION"),
        now: process.at(now),
        started: process.began(),
        uptime_seconds: process.uptime().as_secs(),
        workers: process.workers,
        draining: memory.is_draining(),
        unsettled: memory.unsettled(),
        history: Steps { last, length: LENGTH, step_seconds: STEP.as_secs() },
        apps: plan.lanes.iter().map(|lane| app(lane, memory, process, samples, now)).collect(),
        tables: tables(plan, memory),
        errors: errors(plan, process),
        recent: recent(memory, process, query.pushkey_hash),
        recent_left_out: memory.recents.left_out(),
    }
}

fn app(lane: &Lane, memory: &Memory, process: Process, samples: usize, now: Instant) -> AppStatus {
    let (app, record) = (&lane.app, &lane.record);
    let circuit = lane.circuit.reading(now);
    let guard = lane.guard.reading(memory.tick(now));
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
        attempts: numbers(&["ok", "retry", "error"], &|result| metrics.attempts(result)),
        restarts: numbers(&["panic", "wedged", "reload"], &|cause| metrics.actor_restarts(cause)),
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
    Fate::ALL.map(Fate::as_str).into_iter().zip(values).collect()
}

fn curves<'a>(samples: impl Iterator<Item = &'a Sample>) -> Curves {
    let mut curves = Curves::default();
    let mut fates: [Vec<u64>; Fate::ALL.len()] = Default::default();
    for Sample { fates: now, latency } in samples {
        let now: &Fates = now;
        fates.iter_mut().zip(now).for_each(|(fate, &now)| fate.push(now));
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
    let mut lines = Vec::new();
    for lane in &plan.lanes {
        let app = lane.app.metrics.app();
        lines.extend(lane.record.errors.lines().into_iter().map(|line| (app, line)));
    }
    lines.sort_by_key(|(_, line)| std::cmp::Reverse(line.last));
    lines.truncate(ERRORS);
    let told = lines.into_iter().map(|(app, line)| ErrorLine {
        app: app.clone(),
        outcome: line.fate.as_str(),
        reason: line.reason,
        detail: line.detail,
        count: line.count,
        last: process.at(line.last),
    });
    told.collect()
}

fn recent(memory: &Memory, process: Process, pushkey: Option<u32>) -> Vec<Recent> {
    let count = if pushkey.is_some() { RECENT_OF_ONE } else { RECENT };
    let entries = memory.recents.latest(count, pushkey);
    let recent = entries.into_iter().map(|entry| Recent {
        when: process.at(entry.at),
        pushkey_hash: format!("{:08x}", entry.pushkey),
        app: entry.app,
        outcome: entry.fate.as_str(),
        reason: entry.reason,
        attempts: entry.attempts,
        ms: whole_milliseconds(entry.took),
        known_since: entry.known_since.map(|since| process.at(since)),
    });
    recent.collect()
}

fn whole_milliseconds(took: Duration) -> u64 {
    u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
}
