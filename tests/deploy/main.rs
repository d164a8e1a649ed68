//! What is shipped around the binary: every file parses, names what exists, and keeps its promises.
//!
//! Where the tool that reads a file is on this machine (promtool, systemd-analyze), it is asked.
//! With `PEREGRINE_REQUIRE_PROMTOOL` set, and so on, it has to be there.

#![cfg(test)]

mod debian;
mod docker;
mod helm;
mod metrics;
mod systemd;
#[path = "../yaml/mod.rs"]
mod yaml;

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Returns a path of the repository.
fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Reads a file of the repository.
fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// Runs a tool, if this machine has it; it must be content.
fn ask(tool: &str, args: &[&str]) {
    let Ok(output) = Command::new(tool).args(args).output() else {
        let name = tool.to_uppercase().replace('-', "_");
        let required = format!("PEREGRINE_REQUIRE_{name}");
        assert!(env::var_os(&required).is_none(), "{required} is set, but there is no {tool}");
        eprintln!("skipped: there is no {tool} on this machine");
        return;
    };
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    assert!(output.status.success(), "{tool} {args:?}:\n{said}");
}

/// Returns the Cargo features that packages are built with: all but those of the default.
fn features() -> Vec<String> {
    let manifest = read("Cargo.toml");
    let section = manifest.split("\n[features]\n").nth(1).unwrap_or_default();
    let lines = section.lines().take_while(|line| !line.starts_with('['));
    let entries: Vec<(&str, &str)> = lines.filter_map(|line| line.split_once(" = ")).collect();
    let default = entries.iter().find(|(name, _)| *name == "default");
    let is_default = |name: &str| default.is_some_and(|(_, names)| names.contains(name));
    entries
        .iter()
        .map(|&(name, _)| name)
        .filter(|&name| name != "default" && !is_default(name))
        .map(str::to_owned)
        .collect()
}
