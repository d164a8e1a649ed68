//! A fixed rate: how long a push takes when the gateway is not full.
//!
//! Notifications are due on a schedule, and their latency is measured from when they were due. A
//! gateway that pauses thus delays all that were due meanwhile, and not only the one request that
//! each connection had under way (coordinated omission).

use std::io;
use std::time::Duration;

use super::steady::{self, CONNECTIONS, PATIENCE, SECONDS};
use crate::driver::clients::Plan;
use crate::driver::figures::ratio;
use crate::driver::options::Options;
use crate::driver::progress::Progress;
use crate::driver::report::{Doubles, Findings, Run};
use crate::driver::rig::{Rig, Setup};
use crate::driver::watch::{Phase, Timeline, Watch};

/// Connections for a rate: some are always free.
const PACED_CONNECTIONS: usize = 512;

/// Runs the scenario.
pub(super) fn run(options: &Options, progress: &Progress) -> io::Result<Findings> {
    let setup = Setup { name: "latency".to_owned(), ..Setup::new(options, options.provider) };
    let mut rig = Rig::start(options, &setup)?;
    let length = options.seconds_or(SECONDS);
    let mut findings = Findings::default();
    let paced = paced(options, progress, &rig, "fixed rate", length, &mut findings)?;
    let (rate, measured) = (paced.rate, paced.measured);
    findings.method.push(format!(
        "fixed rate of {rate:.0} notifications a second over {} keep-alive connections; \
         latency counts from when each was due (corrected for coordinated omission); {:.1} s after \
         {:.1} s of warm-up",
        paced.connections,
        length.as_secs_f64(),
        options.warmup,
    ));
    findings.method.extend(steady::around(&setup));
    steady::figures(&mut findings, &rig.groups, &measured, "from when it was due to its answer");
    let reached = ratio(measured.pushes_per_second, rate) * 100.0;
    findings.figure("of the rate", format!("{reached:.1} %"), "that was delivered in time");
    let late = measured.lateness;
    findings.figure(
        "driver's lateness",
        format!("p50 {:.2} ms, p99 {:.2} ms, max {:.1} ms", late.p50, late.p99, late.max),
        "in the latency above, though not the gateway's doing",
    );
    findings.figure(
        "waited for a core",
        format!("{:.1} % of the time", measured.gateway_waiting * 100.0),
        "the gateway was ready and others had the cores: so many pushes waited with it",
    );
    findings.keep(Run::close("latency", &mut rig, paced.timeline)?, Doubles::Never);
    Ok(findings)
}

/// What a fixed rate brought.
pub(super) struct Paced {
    /// Notifications a second.
    pub(super) rate: f64,
    /// Over so many connections.
    pub(super) connections: usize,
    /// What was seen after the warm-up.
    pub(super) measured: Phase,
    /// All that was seen.
    pub(super) timeline: Timeline,
}

/// Sends at the rate that was asked for, else at half of the capacity, for `length` after a
/// warm-up.
pub(super) fn paced(
    options: &Options,
    progress: &Progress,
    rig: &Rig,
    name: &str,
    length: Duration,
    findings: &mut Findings,
) -> io::Result<Paced> {
    let mut watch = Watch::new(rig, progress, 2 * options.warmup() + length);
    let rate = match options.rate {
        Some(rate) => rate,
        None => half_of_capacity(options, rig, &mut watch, findings)?,
    };
    let connections = options.connections.unwrap_or(PACED_CONNECTIONS);
    let load = rig.load(Plan::Paced { rate }, connections)?;
    watch.phase(&load, "warm-up", options.warmup(), false);
    let measured = watch.phase(&load, name, length, true);
    watch.settle(load, "the rest", PATIENCE)?;
    Ok(Paced { rate, connections, measured, timeline: watch.end() })
}

/// Measures the capacity, and returns half of it.
fn half_of_capacity(
    options: &Options,
    rig: &Rig,
    watch: &mut Watch<'_>,
    findings: &mut Findings,
) -> io::Result<f64> {
    // In full load every connection waits for the provider as well.
    let load = rig.load(Plan::Closed, 2 * CONNECTIONS)?;
    watch.phase(&load, "warm-up", options.warmup() / 2, false);
    let full = watch.phase(&load, "capacity", options.warmup(), false);
    watch.settle(load, "a pause", PATIENCE)?;
    let capacity = full.pushes_per_second;
    findings.figure(
        "capacity",
        format!("{capacity:.0} pushes a second"),
        "beside the driver on the same machine",
    );
    Ok((capacity / 2.0).max(1.0))
}
