//! More than the provider takes: how much still gets through, how soon the rest hears of it, and
//! how soon it is over.
//!
//! The capacity is what the in-flight limit and the provider's latency allow together, so that five
//! times as much can be offered by a driver on the same machine. What was refused is sent again
//! afterwards, as a homeserver would: in the end every event must have arrived.

use std::io;
use std::time::Duration;

use super::steady::{self, PATIENCE};
use crate::driver::clients::Plan;
use crate::driver::figures::{float, ratio};
use crate::driver::options::Options;
use crate::driver::progress::Progress;
use crate::driver::report::{Doubles, Findings, Run};
use crate::driver::rig::{Pool, Rig, Setup};
use crate::driver::watch::{Phase, Watch};

/// Pushes in flight, if nothing is said.
const INFLIGHT_LIMIT: usize = 200;

/// The provider's latency in milliseconds, if nothing is said.
const LATENCY: u64 = 50;

/// How much is offered, in capacities.
const TIMES: f64 = 5.0;

/// Connections that offer it.
const CONNECTIONS: usize = 4000;

/// How long recovery may take before we stop looking.
const LONGEST_RECOVERY: Duration = Duration::from_secs(30);

/// Times that the refused are sent again.
const REPEATS: usize = 20;

/// Runs the scenario.
pub(super) fn run(options: &Options, progress: &Progress) -> io::Result<Findings> {
    let limit = options.inflight_limit.unwrap_or(INFLIGHT_LIMIT);
    let setup = Setup {
        name: "overload".to_owned(),
        latency: options.latency_or(LATENCY),
        pool: Pool { inflight_limit: Some(limit), ..Setup::new(options, options.provider).pool },
        ..Setup::new(options, options.provider)
    };
    let connections = options.connections.unwrap_or(CONNECTIONS);
    let mut rig = Rig::start(options, &setup)?;
    let length = options.seconds_or(5.0);
    let mut watch = Watch::new(&rig, progress, 4 * length);

    let load = rig.load(Plan::Closed, limit)?;
    watch.phase(&load, "warm-up", options.warmup(), false);
    let full = watch.phase(&load, "capacity", length, true);
    let (_, mut failed) = watch.settle(load, "a pause", PATIENCE)?;
    let capacity = full.pushes_per_second;

    let offered = options.rate.unwrap_or(TIMES * capacity);
    let load = rig.load(Plan::Paced { rate: offered }, connections)?;
    let over = watch.phase(&load, "overload", length, true);
    load.set_rate(capacity / 2.0);
    let calm_p99 = 2.0 * full.latency[0].p99;
    let recovery = watch.phase_until(&load, "recovery", LONGEST_RECOVERY, false, |sample| {
        sample.failed == 0.0 && sample.latency[0].is_some_and(|it| it.p99 <= calm_p99)
    });
    let after = watch.phase(&load, "after", length, true);
    failed.extend(watch.settle(load, "the rest", PATIENCE)?.1);

    let refused = failed.len();
    for _ in 0..REPEATS {
        if failed.is_empty() {
            break;
        }
        let load = rig.again(std::mem::take(&mut failed), (limit / 2).max(1))?;
        let all = |_: &_| load.is_over();
        watch.phase_until(&load, "repeats", PATIENCE, false, all);
        failed = rig.end(load)?;
    }

    let mut findings = Findings::default();
    findings.method.extend([
        format!(
            "capacity: {limit} connections in a closed loop, as many as `inflight_request_limit`"
        ),
        format!(
            "overload: {offered:.0} notifications a second over {connections} connections for \
             {:.0} s, then half of the capacity; what was refused is sent again at the end",
            length.as_secs_f64(),
        ),
    ]);
    findings.method.extend(steady::around(&setup));
    figures(&mut findings, &full, &over, &recovery, &after);
    findings.figure("sent again", refused.to_string(), "after the overload");
    let timeline = watch.end();
    let run = Run::close("overload", &mut rig, timeline)?;
    let missing = run.truth.sent.saturating_sub(run.truth.delivered);
    if missing > 0 {
        let what = format!("{missing} events never arrived, though they were sent again");
        findings.broken.push(what);
    }
    findings.keep(run, Doubles::Never);
    Ok(findings)
}

fn figures(findings: &mut Findings, full: &Phase, over: &Phase, recovery: &Phase, after: &Phase) {
    findings.figure("capacity", format!("{:.0} pushes a second", full.pushes_per_second), "");
    let answered = over.settled + over.failed.values().sum::<u64>();
    let rate = ratio(float(answered), over.to - over.from);
    findings.figure(
        "offered",
        format!("{rate:.0} a second: {:.1} times", ratio(rate, full.pushes_per_second)),
        "as many as were answered while it lasted",
    );
    let goodput = ratio(over.pushes_per_second, full.pushes_per_second) * 100.0;
    findings.figure(
        "goodput",
        format!("{:.0} a second: {goodput:.0} % of capacity", over.pushes_per_second),
        "delivered during the overload",
    );
    let shed = over.failed.get("503").copied().unwrap_or_default();
    findings.figure(
        "503",
        format!("{:.1} % of the answers", ratio(float(shed), float(answered)) * 100.0),
        "",
    );
    let refusal = over.refusal;
    findings.figure(
        "a refusal takes",
        format!("p50 {:.1} ms, p99 {:.1} ms, max {:.1} ms", refusal.p50, refusal.p99, refusal.max),
        "from request to answer",
    );
    let memory = format!(
        "{:.0} MiB at capacity, {:.0} in overload, {:.0} after",
        full.resident_mib, over.resident_mib, after.resident_mib,
    );
    findings.figure("memory", memory, "");
    let lasted = recovery.to - recovery.from;
    findings.figure(
        "recovery",
        format!("{lasted:.1} s"),
        "until nothing is refused and p99 is within twice that at capacity",
    );
    let driver =
        format!("clients {:.2} cores, providers {:.2}", over.client_cores, over.peer_cores);
    findings.figure("driver's CPU", driver, "during the overload");
}
