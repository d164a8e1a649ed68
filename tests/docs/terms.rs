//! Names that the book uses exist: metrics with their labels, and commands.

#[path = "../deploy/metrics/exposed.rs"]
mod exposed;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use crate::pages;

/// Returns what stands in backticks.
fn spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

#[test]
fn the_table_of_metrics_is_complete() {
    let pages = pages();
    let page = pages.iter().find(|page| page.name == "operating/metrics.md").unwrap();
    let rows = page.text.lines().filter(|line| line.starts_with("| `peregrine_"));
    let listed: BTreeMap<String, BTreeSet<String>> = rows
        .map(|row| {
            let cells: Vec<&str> = row.split(" | ").collect();
            let name = spans(cells[0]).next().unwrap().to_owned();
            (name, spans(cells[1]).map(str::to_owned).collect())
        })
        .collect();
    let added = ["job", "instance", "le"];
    let exposed: BTreeMap<String, BTreeSet<String>> = exposed::exposed()
        .into_iter()
        .map(|(name, labels)| {
            let parts = ["_seconds_bucket", "_seconds_sum", "_seconds_count"];
            let histogram = parts.iter().find_map(|part| name.strip_suffix(part));
            let name = histogram.map_or(name.clone(), |name| format!("{name}_seconds"));
            let labels = labels.into_keys().filter(|label| !added.contains(&label.as_str()));
            (name, labels.collect())
        })
        .collect();
    assert_eq!(listed, exposed, "operating/metrics.md lists every metric with its labels");
}

#[test]
fn every_command_exists() {
    let help = Command::new(env!("CARGO_BIN_EXE_peregrine")).arg("--help").output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    let listed = help.split("Commands:\n").nth(1).unwrap().lines();
    let commands: Vec<&str> = listed
        .take_while(|line| line.starts_with("  "))
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    let mut seen = BTreeSet::new();
    for page in pages() {
        let prose = page.prose();
        let blocks = page.blocks();
        let shell = blocks.iter().filter(|(_, info, _)| info == "sh");
        let lines = shell.flat_map(|(_, _, text)| text.lines());
        for code in spans(&prose).chain(lines) {
            // Variables and `sudo -u` may stand before it.
            let Some(at) = code.rfind("peregrine ").filter(|&at| {
                let before = code[..at].trim_end();
                before.is_empty() || before.contains('=') || before.starts_with("sudo -u")
            }) else {
                continue;
            };
            let word = code[at..].split_whitespace().nth(1).unwrap_or_default();
            let is_command = word.starts_with(|c: char| c.is_ascii_lowercase());
            if is_command && !code.contains("docker ") && !code.contains("systemctl") {
                assert!(commands.contains(&word), "{}: no command `{word}`: {code}", page.name);
                seen.insert(word.to_owned());
            }
        }
    }
    assert!(seen.len() > 3, "the scan finds commands");
}
