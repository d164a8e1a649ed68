//! What a push costs with more workers, more requests in flight, full tables, many apps: as
//! multiples of what it costs with little of each.

use std::io;

use super::compare::{Candidate, Result, compare};
use super::steady;
use crate::driver::clients::Plan;
use crate::driver::figures::ratio;
use crate::driver::options::Options;
use crate::driver::progress::Progress;
use crate::driver::report::{Findings, Table};
use crate::driver::rig::Setup;

/// Requests in flight, few and many.
const FEW: usize = 100;
const MANY: usize = 1000;

/// Apps, if nothing is said.
const APPS: usize = 1000;

/// Table entries, if nothing is said.
const ENTRIES: u64 = 1_000_000;

/// Length of a turn in seconds, if nothing is said.
const SECONDS: f64 = 3.0;

/// Runs the scenario.
pub(super) fn run(options: &Options, progress: &Progress) -> io::Result<Findings> {
    let base = Setup {
        name: "base".to_owned(),
        workers: 1,
        entries: 0,
        apps: 1,
        ..Setup::new(options, options.provider)
    };
    let entries = if options.entries == 0 { ENTRIES } else { options.entries };
    let apps = options.apps.unwrap_or(APPS);
    let connections = options.connections.unwrap_or(FEW);
    let many = connections * MANY / FEW;
    let named = |name: String| Setup { name, ..base.clone() };
    let mut candidates = vec![
        (base.clone(), connections),
        (Setup { workers: 2, ..named("2 workers".to_owned()) }, connections),
        (named(format!("{many} in flight")), many),
        (Setup { entries, ..named(format!("{entries} entries")) }, connections),
        (Setup { apps, ..named(format!("{apps} apps")) }, connections),
    ];
    let candidates: Vec<Candidate> = candidates
        .drain(..)
        .map(|(setup, connections)| Candidate { setup, plan: Plan::Closed, connections })
        .collect();
    let length = options.seconds_or(SECONDS);
    let mut findings = Findings::default();
    let results = compare(options, progress, &candidates, length, &mut findings)?;
    findings.method = vec![
        format!(
            "{} rounds, the settings taking turns of {:.1} s; medians; base is 1 worker, \
             {connections} connections in a closed loop, 1 app, empty tables",
            options.rounds,
            length.as_secs_f64(),
        ),
        "entries: so many delivered events and so many rejected pushkeys went through before"
            .to_owned(),
    ];
    findings.method.extend(steady::around(&base));
    let first = &results[0];
    for result in &results[1..] {
        let times = ratio(result.cpu_micros, first.cpu_micros);
        findings.figure(&result.name, format!("{times:.2} × the CPU of the base"), "");
    }
    findings.tables.push(table("medians", &results, None));
    Ok(findings)
}

/// Puts results side by side, the first being what the others are compared with.
pub(super) fn table(title: &str, results: &[Result], best: Option<usize>) -> Table {
    let first = results.first().map_or(0.0, |first| first.cpu_micros);
    let row = |result: &Result| {
        vec![
            result.name.clone(),
            format!("{:.0}", result.per_second),
            format!("{:.1}", result.cpu_micros),
            format!("{:.2}", ratio(result.cpu_micros, first)),
            format!("{:.1}", result.latency.p50),
            format!("{:.1}", result.latency.p99),
            format!("{:.1}", result.failed * 100.0),
            format!("{:.0}", result.resident_mib),
        ]
    };
    let head = ["setting", "pushes/s", "µs/push", "ratio", "p50 ms", "p99 ms", "failed %", "MiB"];
    Table {
        title: title.to_owned(),
        head: head.map(str::to_owned).to_vec(),
        rows: results.iter().map(row).collect(),
        best,
    }
}
