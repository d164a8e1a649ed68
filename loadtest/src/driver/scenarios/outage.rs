//! One app's provider stalls, throttles, dies and returns, while the other apps go on.
//!
//! Homeservers are played as Synapse does it: each device's events one after the other, a failed
//! one repeated after 1, 2, 4 s and so on, the later ones waiting behind it. In the end every event
//! must have arrived.

use std::io;
use std::time::Duration;

use super::steady;
use crate::driver::clients::Plan;
use crate::driver::figures::ratio;
use crate::driver::options::Options;
use crate::driver::progress::Progress;
use crate::driver::report::{Doubles, Findings, Run};
use crate::driver::rig::{Groups, Protection, Rig, Setup};
use crate::driver::watch::{Phase, Watch};
use crate::peers::Answer;

/// Apps: the one that fails, and others.
const APPS: usize = 5;

/// Devices, each with a connection, if nothing is said.
const PUSHERS: usize = 1000;

/// Events that each of them gets a second: well under the limit of one pushkey, so that what waited
/// may come at once.
const EVENTS: f64 = 1.0;

/// Length of a phase in seconds, if nothing is said.
const SECONDS: f64 = 10.0;

/// The gateway's own deadline and rest, which short phases make shorter.
const DEADLINE: Duration = Duration::from_secs(25);
const CIRCUIT_OPEN: Duration = Duration::from_secs(10);

/// The failing app's group, and that of the others.
const FAILING: usize = 0;
const OTHERS: usize = 1;

/// Runs the scenario.
pub(super) fn run(options: &Options, progress: &Progress) -> io::Result<Findings> {
    let length = options.seconds_or(SECONDS);
    let apps = options.apps.unwrap_or(APPS).max(2);
    let pushers = options.connections.unwrap_or(PUSHERS).max(apps);
    let setup = Setup {
        name: "outage".to_owned(),
        apps,
        busy_apps: apps,
        peers: apps,
        groups: Groups::FirstApp,
        pushers: Some(pushers),
        protection: Protection {
            deadline: Some(DEADLINE.min(length)),
            circuit_open: Some(CIRCUIT_OPEN.min(length)),
            no_guard: false,
        },
        ..Setup::new(options, options.provider)
    };
    let mut rig = Rig::start(options, &setup)?;
    let pushers = rig.bodies.pushers();
    let rate = options.rate.unwrap_or(EVENTS * to_f64(pushers));
    let first_wait = Duration::from_millis(options.repeat_ms);
    let mut watch = Watch::new(&rig, progress, 5 * length);
    let load = rig.load(Plan::Pushers { rate, first_wait }, pushers)?;
    let Some(peer) = rig.peers().next() else {
        return Err(io::Error::other("there is no provider"));
    };
    watch.phase(&load, "warm-up", options.warmup(), false);
    let calm = watch.phase(&load, "calm", length, true);
    peer.always(Answer::stall());
    let stalled = watch.phase(&load, "stalled", length, true);
    peer.always(Answer::status(429).retry_after(1));
    let throttled = watch.phase(&load, "throttled", length, true);
    peer.clear_script();
    peer.refuse_connections(true);
    peer.close_all();
    let dead = watch.phase(&load, "dead", length, true);
    peer.refuse_connections(false);
    let first = watch.phase_until(&load, "returning", 8 * length, true, |sample| {
        sample.latency[FAILING].is_some()
    });
    let returned = watch.phase(&load, "returned", length, true);
    // A homeserver may have begun its longest wait as the outage ended.
    let patience = 10 * length + Duration::from_secs(60);
    let repeated_until = load.repeated();
    let (rest, _) = watch.settle(load, "the rest", patience)?;

    let mut findings = Findings::default();
    findings.method.extend(method(options, &setup, pushers, rate, length));
    others(&mut findings, &calm, &[&stalled, &throttled, &dead, &first, &returned]);
    findings.figure(
        "first delivery",
        format!("{:.1} s after the provider's return", first.to - first.from),
        "a homeserver's wait and the circuit's rest included",
    );
    findings.figure(
        "all delivered",
        format!("{:.1} s after the provider's return", rest.to - first.from),
        "",
    );
    findings.figure("repeats", repeated_until.to_string(), "by homeservers");
    let memory = [&calm, &stalled, &throttled, &dead, &returned];
    let memory = memory.map(|phase| phase.resident_mib).into_iter().fold(0.0, f64::max);
    findings.figure(
        "memory",
        format!("{:.0} MiB calm, {memory:.0} at most", calm.resident_mib),
        "",
    );
    let timeline = watch.end();
    let run = Run::close("outage", &mut rig, timeline)?;
    findings.figure(
        "doubled",
        run.truth.doubled.to_string(),
        "delivered as the connection broke or the deadline came; nobody can tell",
    );
    let missing = run.truth.sent.saturating_sub(run.truth.delivered);
    if missing > 0 {
        findings.broken.push(format!("{missing} events never arrived, repeats and all"));
    }
    findings.keep(run, Doubles::Possible);
    Ok(findings)
}

fn method(
    options: &Options,
    setup: &Setup,
    pushers: usize,
    rate: f64,
    length: Duration,
) -> Vec<String> {
    let mut method = vec![
        format!(
            "{pushers} devices of {} apps, {rate:.0} events a second; each device's events one after \
             the other, a failed one repeated after {} ms, doubling, as Synapse does",
            setup.apps, options.repeat_ms
        ),
        format!(
            "the first app's provider takes requests and does not answer, then answers 429 with \
             Retry-After: 1, then closes and refuses connections, then returns; {:.0} s each",
            length.as_secs_f64(),
        ),
        "latency counts from the event to the answer 200, every repeat and wait included"
            .to_owned(),
    ];
    method.extend(steady::around(setup));
    method
}

/// Adds what the other apps noticed.
fn others(findings: &mut Findings, calm: &Phase, phases: &[&Phase]) {
    let before = calm.latency[OTHERS].p99;
    let worst = phases.iter().max_by(|one, other| {
        let p99 = |phase: &Phase| phase.latency[OTHERS].p99;
        p99(one).total_cmp(&p99(other))
    });
    let Some(worst) = worst else { return };
    let after = worst.latency[OTHERS].p99;
    findings.figure(
        "other apps' p99",
        format!(
            "{before:.1} ms before, at worst {after:.1} ms ({}): {:.1} times",
            worst.name,
            ratio(after, before),
        ),
        "",
    );
}

#[expect(clippy::cast_precision_loss, reason = "a number of devices")]
fn to_f64(count: usize) -> f64 {
    count as f64
}
