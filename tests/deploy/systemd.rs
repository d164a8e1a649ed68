//! The unit: what systemd itself says of it, and what it has to have.

use std::fs;

use crate::{ask, path, read};

const UNIT: &str = "deploy/systemd/peregrine.service";

/// Returns all values of a key.
fn values<'a>(unit: &'a str, key: &str) -> Vec<&'a str> {
    let lines = unit.lines().filter_map(|line| line.split_once('='));
    lines.filter(|(name, _)| *name == key).map(|(_, value)| value).collect()
}

#[test]
fn systemd_finds_nothing_wrong() {
    // The program stands elsewhere in a test.
    let unit = read(UNIT).replace("/usr/bin/peregrine", env!("CARGO_BIN_EXE_peregrine"));
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("peregrine.service");
    fs::write(&file, unit).unwrap();
    ask("systemd-analyze", &["--man=no", "verify", file.to_str().unwrap()]);
    // 100 is no protection at all, 0 is a box without a door.
    ask(
        "systemd-analyze",
        &["security", "--offline=yes", "--threshold=20", file.to_str().unwrap()],
    );
}

#[test]
fn it_starts_reloads_and_stops_as_documented() {
    let unit = read(UNIT);
    assert_eq!(values(&unit, "Type"), ["notify"]);
    let start = "/usr/bin/peregrine serve --config /etc/peregrine/config.yaml";
    assert_eq!(values(&unit, "ExecStart"), [start]);
    // A wrong configuration fails the reload before the process hears of it.
    let reload = values(&unit, "ExecReload");
    assert!(reload[0].starts_with("/usr/bin/peregrine check "));
    assert_eq!(reload[1], "/bin/kill -HUP $MAINPID");
    let wrong = peregrine::cli::WRONG_CONFIGURATION.to_string();
    assert_eq!(values(&unit, "RestartPreventExitStatus"), [wrong.as_str()]);
    let stop: u64 = values(&unit, "TimeoutStopSec")[0].trim_end_matches('s').parse().unwrap();
    let schema = peregrine::config::schema();
    let deadline = &schema["properties"]["delivery"]["properties"]["deadline_seconds"];
    assert!(stop > deadline["maximum"].as_u64().unwrap() + 2, "a drain may end");
    assert!(path("deploy/debian/default").exists());
    assert_eq!(values(&unit, "EnvironmentFile"), ["-/etc/default/peregrine"]);
}
