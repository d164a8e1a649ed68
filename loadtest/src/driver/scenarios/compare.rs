//! Settings side by side: every one has a rig of its own, and they take turns, so that what else
//! the machine does befalls them all alike. The figures are medians over the rounds.

use std::io;
use std::time::Duration;

use super::steady::PATIENCE;
use crate::driver::clients::Plan;
use crate::driver::figures::{Latency, median};
use crate::driver::options::Options;
use crate::driver::progress::Progress;
use crate::driver::report::{Doubles, Findings, Run};
use crate::driver::rig::{Rig, Setup};
use crate::driver::watch::{Phase, Watch};

/// One of the settings that are compared.
pub(super) struct Candidate {
    pub(super) setup: Setup,
    pub(super) plan: Plan,
    pub(super) connections: usize,
}

/// What a candidate came to: medians.
#[derive(Debug, Clone)]
pub(super) struct Result {
    pub(super) name: String,
    pub(super) per_second: f64,
    pub(super) cpu_micros: f64,
    pub(super) latency: Latency,
    /// Answers that asked for a repeat, as a share of all.
    pub(super) failed: f64,
    pub(super) resident_mib: f64,
}

/// Measures every candidate in every round, for `length` each time. Adds their runs to the
/// findings.
pub(super) fn compare(
    options: &Options,
    progress: &Progress,
    candidates: &[Candidate],
    length: Duration,
    findings: &mut Findings,
) -> io::Result<Vec<Result>> {
    let mut rigs = Vec::new();
    for candidate in candidates {
        progress.run(&candidate.setup.name);
        rigs.push(Rig::start(options, &candidate.setup)?);
    }
    let whole = length * u32::try_from(options.rounds * candidates.len()).unwrap_or(u32::MAX);
    let mut watches: Vec<Watch<'_>> =
        rigs.iter().map(|rig| Watch::new(rig, progress, whole)).collect();
    let mut phases: Vec<Vec<Phase>> = vec![Vec::new(); candidates.len()];
    for round in 1..=options.rounds {
        for (at, candidate) in candidates.iter().enumerate() {
            progress.run(&candidate.setup.name);
            let watch = &mut watches[at];
            let load = rigs[at].load(candidate.plan, candidate.connections)?;
            // Later rounds only wake what is warm.
            let warmup = if round == 1 { options.warmup() } else { options.warmup() / 4 };
            watch.phase(&load, "warm-up", warmup, false);
            let measured = watch.phase(&load, &format!("round {round}"), length, true);
            watch.settle(load, "the rest", PATIENCE)?;
            phases[at].push(measured);
        }
    }
    let timelines: Vec<_> = watches.into_iter().map(Watch::end).collect();
    let mut results = Vec::new();
    for (((candidate, phases), timeline), rig) in
        candidates.iter().zip(&phases).zip(timelines).zip(&mut rigs)
    {
        let name = &candidate.setup.name;
        results.push(result(name, phases));
        findings.keep(Run::close(name, rig, timeline)?, Doubles::Never);
    }
    Ok(results)
}

fn result(name: &str, phases: &[Phase]) -> Result {
    let of = |figure: fn(&Phase) -> f64| median(&phases.iter().map(figure).collect::<Vec<f64>>());
    Result {
        name: name.to_owned(),
        per_second: of(|phase| phase.pushes_per_second),
        cpu_micros: of(|phase| phase.cpu_micros_per_push),
        latency: Latency {
            p50: of(|phase| phase.latency[0].p50),
            p90: of(|phase| phase.latency[0].p90),
            p99: of(|phase| phase.latency[0].p99),
            p999: of(|phase| phase.latency[0].p999),
            max: of(|phase| phase.latency[0].max),
        },
        failed: of(Phase::share_failed),
        resident_mib: of(|phase| phase.resident_mib),
    }
}
