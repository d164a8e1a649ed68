//! What happens to payloads that are too large.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::{E, R, SHAPE, Shape, build_with, built};
use crate::providers::testing::WHOLE;

/// Returns the loc-args of a message whose texts are too long.
fn cut_args(sender: &str, room: &str, body: &str) -> Vec<String> {
    let event = json!({
        "event_id": E, "room_id": R, "type": "m.room.message", "sender_display_name": sender,
        "room_name": room, "content": {"msgtype": "m.text", "body": body}, "counts": {"unread": 1},
    });
    let payload = built(&event, "null").unwrap();
    assert!((4090..=4096).contains(&payload.len()), "{}", payload.len());
    let payload: Value = serde_json::from_str(&payload).unwrap();
    assert_eq!((&payload["room_id"], &payload["event_id"]), (&R.into(), &E.into()));
    serde_json::from_value(payload["aps"]["alert"]["loc-args"].clone()).unwrap()
}

#[test]
fn long_texts_are_cut_longest_first() {
    let args = cut_args("Tom", "Control", &"a".repeat(5000));
    assert_eq!((args[0].as_str(), args[1].as_str()), ("Tom", "Control"));
    assert!(args[2].len() > 3800);

    let newlines = cut_args("Tom", "Control", &"\n".repeat(5000));
    assert_eq!(newlines[2].len(), args[2].len() / 2);

    let owls = cut_args("Tom", "Control", &"🦉".repeat(5000));
    assert_eq!(owls[2].chars().count(), args[2].len() / 4);

    // names at most 1024 characters, then bytes equalise
    let args = cut_args(&"s".repeat(2000), &"r".repeat(2000), &"b".repeat(3000));
    assert_eq!((args[0].len(), args[1].len()), (1024, 1024));
    assert!(args[2].len() > 1800);
    let args = cut_args(&"🦉".repeat(1500), &"🦉".repeat(1500), &"b".repeat(3000));
    let lengths: Vec<usize> = args.iter().map(String::len).collect();
    let longest = lengths.iter().max().unwrap();
    assert!(lengths.iter().all(|it| longest - it <= 4), "{lengths:?}");
}

#[test]
fn what_does_not_fit() {
    let ids = json!({"event_id": E, "room_id": R});
    let long = "x".repeat(6000);
    let keys = |payload: &str| {
        let Value::Object(payload) = serde_json::from_str(payload).unwrap() else {
            panic!("no object");
        };
        payload.keys().cloned().collect::<Vec<_>>()
    };
    // texts of the client's own alert are cut, the short ones stay
    let with = |default_payload: Value| built(&ids, &default_payload.to_string());
    let alert = json!({"title": "T", "body": long, "loc-args": ["a", 1]});
    let payload = with(json!({"aps": {"alert": alert}})).unwrap();
    assert_eq!(payload.len(), 4096);
    assert!(payload.contains(r#""title":"T""#) && payload.contains(r#""loc-args":["a",1]"#));
    for alert in [json!(long), json!({"title": long}), json!({"loc-args": [long]})] {
        let payload = with(json!({"aps": {"alert": alert}})).unwrap();
        assert_eq!(payload.len(), 4096);
    }
    // of the client's own members the largest goes first; `aps` and ids stay
    let payload = with(json!({"cs": "s", "long": long, "aps": {"x": 1}})).unwrap();
    assert_eq!(keys(&payload), ["aps", "cs", "event_id", "room_id"]);
    let halves = json!({"a": "x".repeat(2100), "b": "x".repeat(2000), "c": 1});
    assert_eq!(keys(&with(halves).unwrap()), ["b", "c", "event_id", "room_id"]);
    // nothing left to give
    for (notification, default_payload) in [
        (&ids, json!({"aps": {"url-args": [long]}})),
        (&json!({"event_id": long}), Value::Null),
        (&json!({"event_id": E, "room_id": long}), Value::Null),
        (&json!({"ciphertext": long}), Value::Null),
    ] {
        let payload = built(notification, &default_payload.to_string());
        assert_eq!(payload, Err("payload_too_large"), "{default_payload}");
    }
}

#[test]
fn hostile_default_payloads() {
    let ids = json!({"event_id": E});
    let len = |default_payload: &str| {
        let json = built(&ids, default_payload)?;
        serde_json::from_str::<serde::de::IgnoredAny>(&json).unwrap();
        Ok(json.len())
    };
    let n = 100_000;
    let only_id = format!(r#"{{"event_id":"{E}"}}"#).len();
    for (default_payload, expected) in [
        (format!(r#"{{"aps":{{"alert":"{}"}}}}"#, "x".repeat(n)), Ok(4096)),
        (format!(r#"{{"aps":{{"alert":"{}"}}}}"#, r"\u0041".repeat(n)), Ok(4096)),
        (format!(r#"{{"a":{}}}"#, " ".repeat(n) + "1"), Ok(only_id + 6)),
        (format!(r#"{{"a":{}1{}}}"#, "[".repeat(n), "]".repeat(n)), Ok(only_id)),
        (format!(r#"{{"a":[{}1]}}"#, "1,".repeat(n)), Ok(only_id)),
        (format!(r#"{{{}"a":1}}"#, r#""a":1,"#.repeat(n)), Err("payload_too_large")),
        (
            format!(r#"{{"aps":{{"alert":{{"loc-args":[{}""]}}}}}}"#, r#""","#.repeat(n)),
            Err("payload_too_large"),
        ),
        (format!(r#"{{"aps":{{{}"a":1}}}}"#, r#""a":1,"#.repeat(n)), Err("payload_too_large")),
        (r#"{"a":"\ud800","a":2}"#.to_owned(), Ok(only_id + 6)),
    ] {
        let start = &default_payload[..default_payload.len().min(40)];
        assert_eq!(len(&default_payload), expected, "{start}");
    }
}

/// Text with what JSON escapes, and characters of every length.
fn any_text() -> impl Strategy<Value = String> {
    let character = prop_oneof![
        4 => Just('a'),
        1 => Just('"'),
        1 => Just('\n'),
        1 => Just('\u{1}'),
        1 => Just('é'),
        1 => Just('🦉'),
        1 => any::<char>(),
    ];
    let piece = prop::collection::vec(character, 1..9).prop_map(String::from_iter);
    (piece, 0usize..300).prop_map(|(piece, times)| piece.repeat(times))
}

fn any_default_payload() -> impl Strategy<Value = Value> {
    let alert = prop_oneof![
        any_text().prop_map(Value::from),
        (any_text(), any_text()).prop_map(|(title, body)| json!({"title": title, "body": body})),
        any_text().prop_map(|arg| json!({"loc-key": "K", "loc-args": [arg, 1, "x"]})),
        Just(json!(17)),
    ];
    prop_oneof![
        Just(Value::Null),
        alert.prop_map(|alert| json!({"cs": "x", "aps": {"alert": alert, "mutable-content": 1}})),
        (any_text(), any_text()).prop_map(|(a, b)| json!({"first": a, "second": [b]})),
    ]
}

proptest! {
    #[test]
    fn always_fits_and_keeps_ids(
        sender in any_text(),
        room in any_text(),
        body in any_text(),
        default_payload in any_default_payload(),
        full: bool,
        limit in 500usize..6000,
    ) {
        let mut event = json!({
            "event_id": E, "room_id": R, "sender_display_name": sender, "room_name": room,
            "content": {"msgtype": "m.text", "body": body}, "counts": {"unread": 1},
        });
        if full {
            event["type"] = "m.room.message".into();
        }
        let data = json!({ "default_payload": default_payload }).to_string();
        let args = |limit| {
            let shape = Shape { limit, ..SHAPE };
            let json = build_with(&event, &data, "null", WHOLE, shape).unwrap();
            assert!(json.len() <= limit, "{} > {limit}", json.len());
            let payload: Value = serde_json::from_str(&json).unwrap();
            assert_eq!((&payload["room_id"], &payload["event_id"]), (&R.into(), &E.into()));
            let args = payload["aps"]["alert"]["loc-args"].as_array().cloned().unwrap_or_default();
            let args = args.iter().map(|it| it.as_str().map(str::to_owned)).collect::<Vec<_>>();
            (json.len(), args)
        };
        let (small, cut) = args(limit);
        let (large, longer) = args(limit + 700);
        // more room never means less text (unless a member came back that was left out)
        if default_payload.get("first").is_none() {
            prop_assert!(small <= large);
            for (cut, longer) in cut.iter().flatten().zip(longer.iter().flatten()) {
                prop_assert!(longer.starts_with(cut.as_str()));
            }
        }
    }
}
