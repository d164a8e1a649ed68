//! The access line: one for each request, with what came of each device.

use serde_json::Value;

use super::json;

/// Returns the access lines about an event.
fn access(event_id: &str) -> Vec<Value> {
    let is_it =
        |line: &Value| line["target"] == "peregrine::access" && line["event_id"] == event_id;
    json().lines().into_iter().filter(is_it).collect()
}

/// Returns the only access line about an event.
#[track_caller]
fn only(event_id: &str) -> Value {
    let mut lines = access(event_id);
    assert_eq!(lines.len(), 1, "{lines:?}");
    lines.remove(0)
}

#[test]
fn it_tells_what_came_of_a_push() {
    for (app, event_id, status, outcome, reason, attempts) in [
        ("ios", "$ios-ok", 200, "accepted", "", 1),
        ("ios", "$ios-410", 200, "rejected", "Unregistered", 1),
        ("ios", "$ios-413", 200, "permanent", "payload_too_large", 1),
        ("ios", "$ios-503", 200, "accepted", "", 2),
        ("ios", "$ios-topic", 502, "transient", "BadTopic", 1),
        ("ios", "$ios-bad", 200, "rejected", "undecodable_pushkey", 1),
        ("android", "$android-404", 200, "rejected", "UNREGISTERED", 1),
        ("web", "$web-ok", 200, "accepted", "", 1),
        ("web", "$web-410", 200, "rejected", "gone", 1),
        ("phone", "$phone-500", 200, "accepted", "", 2),
        ("hook", "$hook-ok", 200, "accepted", "", 1),
        ("puppet", "$puppet-failed", 502, "transient", "unavailable", 1),
    ] {
        let line = access(event_id).pop().expect(event_id);
        assert_eq!(line["level"], "INFO", "{line}");
        assert_eq!(line["status"], status, "{line}");
        assert!(line["request_id"].is_string(), "{line}");
        assert!(line["ms"].is_u64(), "{line}");
        assert_eq!(line["client"], "127.0.0.1", "{line}");
        let device = &line["devices"][0];
        assert_eq!(device["app"], format!("app.{app}"), "{line}");
        assert_eq!(device["pushkey"].as_str().map(str::len), Some(8), "{line}");
        assert_came(device, outcome, reason);
        assert_eq!(device["attempts"], attempts, "{line}");
        assert!(device["ms"].is_u64(), "{line}");
    }
}

#[track_caller]
fn assert_came(device: &Value, outcome: &str, reason: &str) {
    assert_eq!(device["outcome"], outcome, "{device}");
    assert_eq!(device["reason"].as_str().unwrap_or_default(), reason, "{device}");
}

#[test]
fn it_tells_what_was_answered_here() {
    for (event_id, outcome, reason) in [
        ("$repeated", "duplicate", "delivered_before"),
        ("$dead-again", "rejected_from_memory", ""),
        ("$unknown", "unknown_app", ""),
        ("$limited-59", "rate_limited", ""),
        ("$open", "shed", "circuit"),
        ("$draining", "shed", "draining"),
    ] {
        let line = access(event_id).pop().expect(event_id);
        assert_came(&line["devices"][0], outcome, reason);
    }
    let lines = json().lines();
    let coalesced = lines.iter().filter(|it| it["devices"][0]["outcome"] == "coalesced");
    assert_eq!(coalesced.count(), 1);
    let refused = lines.iter().find(|it| it["errcode"] == "M_NOT_JSON").unwrap();
    assert_eq!((&refused["status"], &refused["devices"]), (&400.into(), &Value::Null));
}

#[test]
fn it_tells_of_several_devices_within_bounds() {
    let both = only("$both");
    let outcomes = both["devices"].as_array().unwrap().iter();
    let outcomes: Vec<&str> = outcomes.map(|it| it["outcome"].as_str().unwrap()).collect();
    assert_eq!(outcomes, ["accepted", "duplicate", "permanent"], "{both}");
    let many = only("$many");
    assert_eq!(many["devices"].as_array().unwrap().len(), 32);
    assert_eq!(many["devices_left_out"], 68);
}
