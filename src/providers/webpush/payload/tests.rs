//! What service workers read, and what becomes of pushes that are too large.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value as Tree, json};

use super::*;
use crate::matrix;
use crate::providers::aes128gcm::MAX_PLAINTEXT;
use crate::providers::push::{Push, ViewOptions};
use crate::providers::testing::{WHOLE, text};

fn push(notification: &Tree, data: &Tree) -> Push {
    let mut body = json!({ "notification": notification });
    body["notification"]["devices"] = json!([{ "app_id": "app", "pushkey": "key", "data": data }]);
    let request = matrix::decode(body.to_string().into()).unwrap();
    Push::new(Arc::new(request), 0).unwrap()
}

fn built(notification: &Tree, data: &Tree, options: ViewOptions, limit: usize) -> String {
    text(build(&push(notification, data).view(options), limit), limit)
}

fn full() -> Tree {
    json!({
        "event_id": "$e", "room_id": "!r:example.org", "type": "m.room.message",
        "sender": "@a:example.org", "sender_display_name": "Änne", "room_name": "Räume",
        "room_alias": "#r:example.org", "prio": "high", "user_is_target": false,
        "counts": { "unread": 2, "missed_calls": 0 },
        "content": { "msgtype": "m.text", "body": "Grüße 🦉", "formatted_body": "<b>x</b>",
                     "format": "org.matrix.custom.html", "n": [1] },
    })
}

#[test]
fn everything_flat_in_sygnals_order() {
    let data = json!({ "default_payload": { "session_id": "s", "event_id": "no", "content": 1 } });
    assert_eq!(
        built(&full(), &data, WHOLE, MAX_PLAINTEXT),
        "{\"session_id\":\"s\",\"room_id\":\"!r:example.org\",\"room_name\":\"Räume\",\
         \"room_alias\":\"#r:example.org\",\"event_id\":\"$e\",\"sender\":\"@a:example.org\",\
         \"sender_display_name\":\"Änne\",\"type\":\"m.room.message\",\"unread\":2,\
         \"missed_calls\":0,\"content\":{\"body\":\"Grüße 🦉\",\
         \"format\":\"org.matrix.custom.html\",\"msgtype\":\"m.text\",\"n\":[1]}}",
    );
}

#[test]
fn what_is_told_and_what_not() {
    let ids_only = ViewOptions { event_id_only: true, ..WHOLE };
    let no_counts = ViewOptions { send_badge_counts: false, ..WHOLE };
    let no_badge = json!({ "org.matrix.msc4076.disable_badge_count": true });
    let badge = json!({ "counts": { "unread": 3 } });
    let member = json!({ "event_id": "$e", "type": "m.room.member", "membership": "invite",
        "user_is_target": true, "sender": "", "room_name": "", "content": {} });
    let sealed =
        json!({ "ciphertext": "c", "ephemeral": "e", "mac": "m", "counts": { "unread": 1 } });
    let none = Tree::Null;
    let rows = [
        (
            &full(),
            &none,
            ids_only,
            r#"{"room_id":"!r:example.org","event_id":"$e","unread":2,"missed_calls":0}"#,
        ),
        (&badge, &none, WHOLE, r#"{"unread":3}"#),
        (&badge, &none, no_counts, "permanent nothing_to_send"),
        (&badge, &no_badge, WHOLE, "permanent nothing_to_send"),
        (&json!({}), &none, WHOLE, r#"{"unread":0}"#),
        (
            &member,
            &none,
            WHOLE,
            r#"{"membership":"invite","event_id":"$e","user_is_target":true,"type":"m.room.member"}"#,
        ),
        (&sealed, &none, WHOLE, r#"{"unread":1,"ciphertext":"c","ephemeral":"e","mac":"m"}"#),
        (&badge, &json!({ "default_payload": [1] }), WHOLE, r#"{"unread":3}"#),
    ];
    for (notification, data, options, expected) in rows {
        assert_eq!(built(notification, data, options, MAX_PLAINTEXT), expected);
    }
}

#[test]
fn long_texts_are_trimmed() {
    let content = |content: Tree| {
        let notification = json!({ "event_id": "$e", "content": content });
        let built = built(&notification, &Tree::Null, WHOLE, MAX_PLAINTEXT);
        serde_json::from_str::<Tree>(&built).unwrap()["content"].take()
    };
    let long = "é".repeat(1001);
    let body = content(json!({ "body": long }))["body"].take();
    assert_eq!(body, format!("{}…", "é".repeat(999)));
    let exact = "é".repeat(1000);
    assert_eq!(content(json!({ "body": exact }))["body"], exact);
    assert_eq!(content(json!({ "ciphertext": "x".repeat(2001), "n": 1 })), json!({ "n": 1 }));
    let short = json!({ "ciphertext": "x".repeat(2000) });
    assert_eq!(content(short.clone()), short);
    // Other texts share the room that is left.
    let other = content(json!({ "a": "x".repeat(5000), "b": "y" }));
    assert!(other["a"].as_str().unwrap().len() > 3900);
    assert_eq!(other["b"], "y");
}

#[test]
fn ids_outlast_everything() {
    let ids = json!({ "event_id": "$e", "room_id": "!r:example.org" });
    let holds = |notification: Tree, data: Tree, limit| {
        let built = built(&notification, &data, WHOLE, limit);
        let built: Tree = serde_json::from_str(&built).unwrap();
        assert_eq!((&built["event_id"], &built["room_id"]), (&ids["event_id"], &ids["room_id"]));
        built
    };
    let with = |key: &str, value: Tree| {
        let mut it = ids.clone();
        it[key] = value;
        it
    };
    let members = |count: usize, len: usize| -> Tree {
        let value = "v".repeat(len);
        (0..count).map(|n| (format!("key{n:06}"), json!(value))).collect()
    };
    for limit in [MAX_PLAINTEXT, 1000, 200, 60] {
        holds(with("content", members(1, 100_000)), Tree::Null, limit);
        holds(with("content", members(10_000, 5)), Tree::Null, limit);
        holds(with("content", json!({ "n": vec![1; 50_000], "body": "x" })), Tree::Null, limit);
        holds(with("room_name", json!("x".repeat(100_000))), Tree::Null, limit);
        holds(with("sender", json!("x".repeat(100_000))), Tree::Null, limit);
        holds(with("type", json!("x".repeat(100_000))), Tree::Null, limit);
        holds(ids.clone(), json!({ "default_payload": members(10_000, 5) }), limit);
        holds(ids.clone(), json!({ "default_payload": members(2, 50_000) }), limit);
    }
    let kept = holds(
        with("content", members(1, 100_000)),
        json!({ "default_payload": { "session_id": "s" } }),
        MAX_PLAINTEXT,
    );
    assert_eq!(kept["session_id"], "s");
    let too_long = json!({ "event_id": "x".repeat(5000) });
    let built = built(&too_long, &Tree::Null, WHOLE, MAX_PLAINTEXT);
    assert_eq!(built, "permanent payload_too_large");
}

proptest! {
    #[test]
    fn whatever_fits_is_json(
        texts in proptest::collection::vec("(?s).{0,400}", 6),
        numbers in proptest::collection::vec(any::<u32>(), 0..200),
        limit in 100..4000_usize,
    ) {
        let notification = json!({
            "event_id": "$e", "room_id": "!r",
            "sender_display_name": texts[0], "room_name": texts[1],
            "content": { "body": texts[2], texts[3].as_str(): numbers, "t": texts[4] },
        });
        let data = json!({ "default_payload": { "d": texts[5], "n": numbers } });
        let built = built(&notification, &data, WHOLE, limit);
        let built: Tree = serde_json::from_str(&built).unwrap();
        prop_assert_eq!(&built["event_id"], "$e");
    }
}
