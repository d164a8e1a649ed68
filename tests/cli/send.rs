//! `send`: one notification on the real way, its steps, and what a homeserver would hear.

use loadtest::peers::Answer;
use serde_json::json;

use crate::providers::{Providers, TOKEN, json, run, text};

#[test]
fn a_push_that_is_accepted_is_zero() {
    let Providers { apple, folder, .. } = Providers::start("");
    let to = ["--app-id", "ios.app", "--pushkey", TOKEN];
    let output = run(&folder, &[&["send"], &to[..], &["--badge", "3"]].concat());
    assert_eq!(output.status.code(), Some(0));
    let sent = json(&output);
    assert_eq!(sent["accepted"], true);
    assert_eq!(sent["route"], json!({"match": "glob", "app": "ios.*", "type": "apns"}));
    assert_eq!(sent["attempts"].as_array().unwrap().len(), 1);
    assert_eq!(sent["attempts"][0]["outcome"], "accepted");
    assert_eq!(sent["answer"], json!({"status": 200, "body": {"rejected": []}}));
    let push = &apple.received()[0].json;
    assert_eq!(push["aps"]["badge"], 3);
    assert!(push["aps"]["alert"].is_object(), "{push}");

    let data = r#"{"default_payload":{"aps":{"mutable-content":1}}}"#;
    let ids = ["--event-id-only", "--data", data, "--format", "text"];
    let output = run(&folder, &[&["send"], &to[..], &ids[..]].concat());
    assert_eq!(output.status.code(), Some(0));
    let shown = text(&output);
    for line in [
        "route      ios.* (apns), by its pattern\n",
        "attempt 1  accepted after ",
        "answer     200 {\"rejected\":[]}\n",
        "accepted in ",
    ] {
        assert!(shown.contains(line), "{line:?} in:\n{shown}");
    }
    let push = &apple.received()[1].json;
    assert_eq!(push["aps"], json!({"mutable-content": 1}));
    assert!(push["event_id"].as_str().unwrap().starts_with("$peregrine-send-"));
    assert_eq!((apple.accepted(), apple.doubled()), (2, 0));
}

#[test]
fn each_attempt_is_shown_with_the_providers_answer() {
    let Providers { google, folder, .. } =
        Providers::start("delivery: {retry: {base_delay_ms: 1, max_delay_ms: 1}}\n");
    google.answer(503, "UNAVAILABLE");
    let args = ["send", "--app-id", "android", "--pushkey", "-device:1"];
    let sent = json(&run(&folder, &args));
    assert_eq!(sent["accepted"], true);
    assert_eq!(sent["attempts"][0]["outcome"], "transient");
    assert_eq!(sent["attempts"][0]["reason"], "UNAVAILABLE");
    assert_eq!(sent["attempts"][1]["outcome"], "accepted");
    assert_eq!(sent["attempts"].as_array().unwrap().len(), 2);
}

#[test]
fn what_is_not_accepted_is_one_and_says_why() {
    let Providers { apple, google, folder } = Providers::start("");
    apple.for_token(TOKEN).always(Answer::new(410, "Unregistered").timestamp(1_700_000_000_000));
    google.always(Answer::new(403, "PERMISSION_DENIED"));
    for (app_id, pushkey, reason, status) in [
        ("ios.app", TOKEN, json!("Unregistered"), 200),
        ("ios.app", "zz", json!("undecodable_pushkey"), 200),
        ("android", "device:1", json!("PERMISSION_DENIED"), 502),
        ("nobody", "k", json!(null), 200),
    ] {
        let output = run(&folder, &["send", "--app-id", app_id, "--pushkey", pushkey]);
        assert_eq!(output.status.code(), Some(1), "{app_id}");
        let sent = json(&output);
        assert_eq!(sent["accepted"], false);
        assert_eq!(sent["attempts"][0]["reason"], reason, "{sent}");
        assert_eq!(sent["answer"]["status"], status, "{sent}");
        let rejected = if status == 200 { json!([pushkey]) } else { json!(null) };
        assert_eq!(sent["answer"]["body"]["rejected"], rejected);
    }
}

#[test]
fn wrong_usage_is_two() {
    let Providers { folder, .. } = Providers::start("");
    for args in [
        &["send"][..],
        &["send", "--app-id", "android"],
        &["send", "--app-id", "android", "--pushkey", "k", "--data", "[]"],
        &["send", "--app-id", "android", "--pushkey", "k", "--badge", "-1"],
    ] {
        let output = run(&folder, args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty() && !output.stderr.is_empty());
    }
}
