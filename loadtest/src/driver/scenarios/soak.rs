//! A fixed rate for a long time: whether anything grows or slows down.

use std::io;
use std::time::Duration;

use super::latency::paced;
use super::steady;
use crate::driver::figures::{median, ratio, seconds};
use crate::driver::options::Options;
use crate::driver::progress::Progress;
use crate::driver::report::{Doubles, Findings, Run};
use crate::driver::rig::{Rig, Setup};
use crate::driver::watch::Sample;

/// How long it lasts if nothing is said.
const MINUTES: f64 = 10.0;

/// How many seconds tell what an hour brings.
const SHORTEST_TO_TELL: f64 = 300.0;

/// Runs the scenario.
pub(super) fn run(options: &Options, progress: &Progress) -> io::Result<Findings> {
    let minutes = options.minutes.unwrap_or(MINUTES);
    let length = Duration::try_from_secs_f64(minutes * 60.0).map_err(io::Error::other)?;
    let setup = Setup { name: "soak".to_owned(), ..Setup::new(options, options.provider) };
    let mut rig = Rig::start(options, &setup)?;
    let mut findings = Findings::default();
    let paced = paced(options, progress, &rig, "soak", length, &mut findings)?;
    let (rate, connections, measured) = (paced.rate, paced.connections, paced.measured);
    findings.method.push(format!(
        "fixed rate of {rate:.0} notifications a second for {minutes} minute(s) over {connections} \
         connections; latency counts from when each was due"
    ));
    findings.method.extend(steady::around(&setup));
    steady::figures(&mut findings, &rig.groups, &measured, "from when it was due to its answer");
    let samples: Vec<&Sample> =
        paced.timeline.samples.iter().filter(|it| it.at > measured.from).collect();
    growth(&mut findings, &samples, seconds(length));
    findings.keep(Run::close("soak", &mut rig, paced.timeline)?, Doubles::Never);
    Ok(findings)
}

/// Compares the second quarter with the last: by then tables and pools have their size, or never
/// will.
fn growth(findings: &mut Findings, samples: &[&Sample], lasted: f64) {
    let quarter = samples.len() / 4;
    let of = |part: &[&Sample], figure: fn(&Sample) -> f64| {
        median(&part.iter().map(|it| figure(it)).collect::<Vec<f64>>())
    };
    let early = &samples[quarter..2 * quarter];
    let late = &samples[samples.len() - quarter..];
    let memory = [early, late].map(|part| of(part, |it| it.resident_mib));
    let p99 = [early, late].map(|part| {
        of(part, |it| it.latency.iter().flatten().map(|it| it.p99).fold(0.0, f64::max))
    });
    let cpu = [early, late].map(|part| of(part, |it| ratio(it.gateway_cores * 1e6, it.settled)));
    let grown = memory[1] - memory[0];
    let hours = lasted / 2.0 / 3600.0;
    let pace = if lasted < SHORTEST_TO_TELL {
        String::new()
    } else {
        format!(": {:+.1} MiB an hour", ratio(grown, hours))
    };
    findings.figure(
        "memory",
        format!("{:.1} MiB in the second quarter, {:.1} in the last{pace}", memory[0], memory[1]),
        "tables grow until their window or capacity is reached",
    );
    let from_to =
        |two: [f64; 2], unit: &str| format!("{:.1} {unit}, then {:.1} {unit}", two[0], two[1]);
    findings.figure("p99", from_to(p99, "ms"), "in the same quarters");
    findings.figure("CPU per push", from_to(cpu, "µs"), "in the same quarters");
}
