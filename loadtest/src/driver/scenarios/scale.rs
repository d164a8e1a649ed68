//! One worker thread, two, and so on: what each more brings.

use std::io;

use super::compare::{Candidate, compare};
use super::ratios::table;
use super::steady::{self, CONNECTIONS};
use crate::driver::clients::Plan;
use crate::driver::figures::ratio;
use crate::driver::machine::Machine;
use crate::driver::options::Options;
use crate::driver::progress::Progress;
use crate::driver::report::Findings;
use crate::driver::rig::Setup;

/// Length of a turn in seconds, if nothing is said.
const SECONDS: f64 = 3.0;

/// Runs the scenario.
pub(super) fn run(options: &Options, progress: &Progress) -> io::Result<Findings> {
    let most = options.workers.unwrap_or_else(|| Machine::look().cores).max(1);
    let base = Setup::new(options, options.provider);
    let candidate = |workers: usize| {
        // A provider's thread takes about as much CPU as half a worker.
        let peers = workers.div_ceil(2);
        let setup = Setup {
            name: format!("{workers} worker(s)"),
            workers,
            peers,
            apps: base.apps.max(peers),
            busy_apps: base.busy_apps.max(peers),
            client_threads: options.client_threads.unwrap_or(workers.div_ceil(2)),
            ..base.clone()
        };
        Candidate {
            setup,
            plan: Plan::Closed,
            connections: options.connections.unwrap_or(CONNECTIONS * workers),
        }
    };
    let candidates: Vec<Candidate> = (1..=most).map(candidate).collect();
    let length = options.seconds_or(SECONDS);
    let mut findings = Findings::default();
    let results = compare(options, progress, &candidates, length, &mut findings)?;
    findings.method = vec![
        format!(
            "{} rounds, the settings taking turns of {:.1} s; medians; {CONNECTIONS} connections in \
             a closed loop for each worker",
            options.rounds,
            length.as_secs_f64(),
        ),
        "the driver takes as many cores as the gateway: throughput ends to grow at half of them"
            .to_owned(),
    ];
    findings.method.extend(steady::around(&base));
    let (first, last) = (&results[0], &results[results.len() - 1]);
    findings.figure(
        "throughput",
        format!("{:.2} times with {}", ratio(last.per_second, first.per_second), last.name),
        "of that with 1",
    );
    findings.figure(
        "CPU per push",
        format!("{:.2} times with {}", ratio(last.cpu_micros, first.cpu_micros), last.name),
        "of that with 1",
    );
    findings.tables.push(table("medians", &results, None));
    Ok(findings)
}
