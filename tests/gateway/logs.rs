//! The log of a whole gateway: what it tells of each push, and what it never tells.
//!
//! A log belongs to a process, so `scene` plays in one of its own: this binary, run again.

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
        assert!(
            self.secrets.len() > 20,
            "the scene has secrets: {:?}",
            self.secrets
        );
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
        played
            .lines()
            .iter()
            .fold(BTreeMap::new(), |mut levels, line| {
                *levels
                    .entry(line["level"].as_str().unwrap().to_owned())
                    .or_default() += 1;
                levels
            });
    assert_eq!(
        levels.len(),
        5,
        "something is said at every level: {levels:?}"
    );
}

#[test]
fn text_at_level_trace_tells_no_secret() {
    let played = play("text", None);
    played.assert_tells_nothing();
    let access = played
        .log
        .lines()
        .find(|line| line.contains("\"$ios-410\""));
    let access = access.expect("an access line");
    let told = " devices=[app=\"app.ios\" pushkey=";
    let came = " outcome=rejected reason=Unregistered attempts=1 ms=";
    assert!(access.contains(told) && access.contains(came), "{access}");
    assert!(played.log.contains(" a panic: "), "{}", played.log);
}

#[test]
fn the_access_line_tells_what_came_of_each_device() {
    let lines = json().lines();
    let access = |event_id: &str| -> Vec<&Value> {
        let is_it =
            |line: &&Value| line["target"] == "peregrine::access" && line["event_id"] == event_id;
        lines.iter().filter(is_it).collect()
    };
    for (event_id, status, app, outcome, reason, attempts) in [
        ("$ios-ok", 200, "app.ios", "accepted", "", 1),
        ("$ios-410", 200, "app.ios", "rejected", "Unregistered", 1),
        (
            "$ios-413",
            200,
            "app.ios",
            "permanent",
            "PayloadTooLarge",
            1,
        ),
        ("$ios-503", 200, "app.ios", "accepted", "", 2),
        ("$ios-topic", 502, "app.ios", "transient", "BadTopic", 1),
        (
            "$ios-bad-key",
            200,
            "app.ios",
            "rejected",
            "undecodable_pushkey",
            1,
        ),
        ("$android-ok", 200, "app.android", "accepted", "", 1),
        (
            "$android-404",
            200,
            "app.android",
            "rejected",
            "UNREGISTERED",
            1,
        ),
        ("$web-ok", 200, "app.web", "accepted", "", 1),
        ("$web-410", 200, "app.web", "rejected", "gone", 1),
        (
            "$puppet-failed",
            502,
            "app.puppet",
            "transient",
            "unavailable",
            1,
        ),
    ] {
        let [line] = access(event_id)[..] else {
            panic!("one line for {event_id}: {:?}", access(event_id));
        };
        assert_eq!(line["level"], "INFO", "{line}");
        assert_eq!(line["status"], status, "{line}");
        assert!(
            line["request_id"].is_string() && line["ms"].is_u64(),
            "{line}"
        );
        assert_eq!(line["client"], "127.0.0.1", "{line}");
        let device = &line["devices"][0];
        assert_eq!(device["app"], app, "{line}");
        assert_eq!(device["outcome"], outcome, "{line}");
        assert_eq!(
            device["reason"].as_str().unwrap_or_default(),
            reason,
            "{line}"
        );
        assert_eq!(device["attempts"], attempts, "{line}");
        assert_eq!(device["pushkey"].as_str().map(str::len), Some(8), "{line}");
        assert!(device["ms"].is_u64(), "{line}");
    }
    for (event_id, outcome, reason) in [
        ("$repeated", "duplicate", "delivered_before"),
        ("$dead-again", "rejected_from_memory", ""),
        ("$unknown", "unknown_app", ""),
        ("$limited-59", "rate_limited", ""),
        ("$draining", "shed", "draining"),
    ] {
        let lines = access(event_id);
        let device = &lines.last().expect(event_id)["devices"][0];
        assert_eq!(device["outcome"], outcome, "{event_id}");
        assert_eq!(
            device["reason"].as_str().unwrap_or_default(),
            reason,
            "{event_id}"
        );
    }
    let [both] = access("$both")[..] else {
        panic!("one line for several devices");
    };
    let outcomes = both["devices"].as_array().unwrap().iter();
    let outcomes: Vec<&str> = outcomes.map(|it| it["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["accepted", "duplicate", "permanent"], "{both}");
    let [many] = access("$many")[..] else {
        panic!("one line for many devices");
    };
    assert_eq!(many["devices"].as_array().unwrap().len(), 32);
    assert_eq!(many["devices_left_out"], 68);
    let coalesced = lines
        .iter()
        .filter(|it| it["devices"][0]["outcome"] == "coalesced");
    assert_eq!(coalesced.count(), 1);
    let refused = lines
        .iter()
        .find(|it| it["errcode"] == "M_NOT_JSON")
        .unwrap();
    assert_eq!(
        (&refused["status"], &refused["devices"]),
        (&400.into(), &Value::Null)
    );
}

#[test]
fn what_a_push_does_is_told_within_its_request() {
    let lines = json().lines();
    let retry = |line: &&Value| line["message"] == "push not delivered yet, trying again";
    let line = lines.iter().find(retry).expect("a push is repeated");
    let spans = line["spans"].as_array().unwrap();
    let names: Vec<&str> = spans
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["notify", "push"], "{line}");
    assert!(spans[0]["request_id"].is_string(), "{line}");
    assert_eq!(
        spans[1]["pushkey"].as_str().map(str::len),
        Some(8),
        "{line}"
    );
}
