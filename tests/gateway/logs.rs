//! The log of a whole gateway: what it tells of each push, and what it never tells.
//!
//! A log belongs to a process, so `scene` plays in one of its own: this binary, run again.

mod access;
mod scene;

use std::collections::BTreeMap;
use std::env;
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

/// What a process that played the scene said.
struct Played {
    log: String,
    secrets: Vec<String>,
}

/// Plays the scene under a log format and a `RUST_LOG`.
fn play(format: &str, rust_log: Option<&str>) -> Played {
    let mut command = Command::new(env::current_exe().unwrap());
    command
        .args(["logs::scene::play", "--exact", "--ignored", "--nocapture"])
        .env(scene::FORMAT, format)
        .env_remove("RUST_LOG")
        .env_remove("RUST_BACKTRACE")
        .stdin(Stdio::null());
    if let Some(rust_log) = rust_log {
        command.env("RUST_LOG", rust_log);
    }
    let played = command.output().unwrap();
    let said = String::from_utf8(played.stdout).unwrap();
    let log = String::from_utf8(played.stderr).unwrap();
    assert!(played.status.success(), "{said}\n{log}");
    let secrets = said.lines().filter_map(|it| it.strip_prefix(scene::SECRET));
    let secrets = secrets.map(str::to_owned).collect();
    Played { log, secrets }
}

/// The scene as JSON: played once, for it takes a while.
fn json() -> &'static Played {
    static PLAYED: OnceLock<Played> = OnceLock::new();
    PLAYED.get_or_init(|| play("json", None))
}

impl Played {
    /// Returns every line, parsed.
    fn lines(&self) -> Vec<Value> {
        let parse = |line: &str| {
            serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"))
        };
        self.log.lines().map(parse).collect()
    }

    #[track_caller]
    fn assert_tells_nothing(&self) {
        assert!(self.secrets.len() > 20, "the scene has secrets: {:?}", self.secrets);
        for line in self.log.lines() {
            for secret in &self.secrets {
                assert!(!line.contains(secret), "{secret:?} in {line}");
            }
        }
    }
}

#[test]
fn json_at_level_trace_tells_no_secret() {
    let played = json();
    played.assert_tells_nothing();
    let levels: BTreeMap<String, usize> =
        played.lines().iter().fold(BTreeMap::new(), |mut levels, line| {
            *levels.entry(line["level"].as_str().unwrap().to_owned()).or_default() += 1;
            levels
        });
    assert_eq!(levels.len(), 5, "something is said at every level: {levels:?}");
}

#[test]
fn text_at_level_trace_tells_no_secret() {
    let played = play("text", None);
    played.assert_tells_nothing();
    let is_it = |line: &&str| line.contains("peregrine::access") && line.contains("\"$ios-410\"");
    let access = played.log.lines().find(is_it).expect("an access line");
    let told = " devices=[app=\"app.ios\" pushkey=";
    let came = " outcome=rejected reason=Unregistered attempts=1 ms=";
    assert!(access.contains(told) && access.contains(came), "{access}");
    assert!(played.log.contains(" a panic: "), "{}", played.log);
}

#[test]
fn nothing_that_others_say_is_a_secret_either() {
    play("json", Some("trace")).assert_tells_nothing();
}

#[test]
fn what_a_push_does_is_told_within_its_request() {
    let lines = json().lines();
    let retry = |line: &&Value| line["message"] == "push not delivered yet, trying again";
    let line = lines.iter().find(retry).expect("a push is repeated");
    let spans = line["spans"].as_array().unwrap();
    let names: Vec<&str> = spans.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["notify", "push"], "{line}");
    assert!(spans[0]["request_id"].is_string(), "{line}");
    assert_eq!(spans[1]["pushkey"].as_str().map(str::len), Some(8), "{line}");
}
