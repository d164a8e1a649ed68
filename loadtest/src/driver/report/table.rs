//! The report on a terminal.

use std::fmt::Write as _;

use super::{Report, Run, Table};
use crate::driver::watch::Phase;

/// Writes a report as text.
pub(super) fn text(report: &Report) -> String {
    let mut text = String::new();
    // Writing to a String cannot fail.
    let _ = write(report, &mut text);
    text
}

fn write(report: &Report, out: &mut String) -> std::fmt::Result {
    let Report { scenario, commit, machine, findings, truth } = report;
    line(out, "scenario", &format!("{scenario}: {}", findings.question))?;
    line(out, "commit", commit)?;
    let on = format!(
        "{} × {}, {} MiB, {}, load {:.1} before",
        machine.cores, machine.cpu, machine.memory_mib, machine.kernel, machine.load_before,
    );
    line(out, "machine", &on)?;
    for (at, method) in findings.method.iter().enumerate() {
        line(out, if at == 0 { "method" } else { "" }, method)?;
    }
    writeln!(out)?;
    for figure in &findings.figures {
        let note =
            if figure.note.is_empty() { String::new() } else { format!(" ({})", figure.note) };
        line(out, &figure.name, &format!("{}{note}", figure.value))?;
    }
    for given in findings.tables.iter().chain(&phases(&findings.runs)) {
        writeln!(out, "\n{}", given.title)?;
        table(out, given)?;
    }
    if let Some(advice) = &findings.advice {
        writeln!(out, "\nwrite into the configuration:\n")?;
        advice.yaml.lines().try_for_each(|line| writeln!(out, "    {line}"))?;
        writeln!(out)?;
        advice.reasons.iter().try_for_each(|reason| writeln!(out, "  - {reason}"))?;
    }
    writeln!(out)?;
    let mut text = format!(
        "{} sent, {} delivered, {} lost, {} doubled, {} rejected, {} refused by providers, \
         {} connection(s)",
        truth.sent,
        truth.delivered,
        truth.lost,
        truth.doubled,
        truth.rejected,
        truth.refused,
        truth.connections,
    );
    if truth.badges_sent > 0 {
        let (badges, sent) = (truth.badges, truth.badges_sent);
        write!(text, "; besides events, {badges} of {sent} badge updates arrived")?;
    }
    line(out, "truth", &text)?;
    for broken in &findings.broken {
        line(out, "BROKEN", broken)?;
    }
    Ok(())
}

fn line(out: &mut String, name: &str, value: &str) -> std::fmt::Result {
    writeln!(out, "{name:<21}{value}")
}

/// Makes a table of phases, where one run has several that say something.
fn phases(runs: &[Run]) -> Option<Table> {
    let [run] = runs else { return None };
    let measured = run.timeline.phases.iter().filter(|phase| phase.measured);
    (measured.count() > 1).then(|| table_of_phases(run))
}

fn table_of_phases(run: &Run) -> Table {
    let groups = &run.timeline.groups;
    let mut head: Vec<String> =
        ["phase", "s", "pushes/s", "failed", "refused p99 ms"].map(str::to_owned).to_vec();
    head.extend(groups.iter().map(|group| match group.as_str() {
        "all" => "p50 / p99 ms".to_owned(),
        group => format!("p50 / p99 ms, {group}"),
    }));
    head.push("MiB".to_owned());
    let row = |phase: &Phase| {
        let mut row = vec![
            phase.name.clone(),
            format!("{:.1}", phase.to - phase.from),
            format!("{:.0}", phase.pushes_per_second),
            failures(phase),
            match phase.refusal.max {
                0.0 => "-".to_owned(),
                _ => format!("{:.1}", phase.refusal.p99),
            },
        ];
        let latency = phase.latency.iter();
        row.extend(latency.map(|it| match it.max {
            0.0 => "-".to_owned(),
            _ => format!("{:.1} / {:.1}", it.p50, it.p99),
        }));
        row.push(format!("{:.0}", phase.resident_mib));
        row
    };
    Table {
        title: "phases".to_owned(),
        head,
        rows: run.timeline.phases.iter().map(row).collect(),
        best: None,
    }
}

/// Returns how often each kind of failure was seen: `16000×503`.
fn failures(phase: &Phase) -> String {
    if phase.failed.is_empty() {
        return "none".to_owned();
    }
    let all = phase.failed.iter();
    let all: Vec<String> = all.map(|(what, times)| format!("{times}×{what}")).collect();
    all.join(" ")
}

/// Writes a table in columns as wide as they must be.
fn table(out: &mut String, table: &Table) -> std::fmt::Result {
    let rows = || std::iter::once(&table.head).chain(&table.rows);
    let width = |column: usize| {
        let cells = rows().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..table.head.len()).map(width).collect();
    for (number, row) in rows().enumerate() {
        let best = table.best.is_some_and(|best| best + 1 == number);
        let mut line = String::from(if best { "> " } else { "  " });
        for (cell, width) in row.iter().zip(&widths) {
            write!(line, "{cell:<width$}  ")?;
        }
        writeln!(out, "{}", line.trim_end())?;
    }
    Ok(())
}
