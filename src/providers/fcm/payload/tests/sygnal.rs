//! The messages that Sygnal would send: data alone.

use std::time::SystemTime;

use serde_json::json;

use super::{TOKEN, build, event, message_of, notification, sygnal};
use crate::matrix::{self, json as raw};
use crate::providers::push::Push;
use crate::providers::testing::WHOLE;

#[test]
fn sygnal_data() {
    let rows = [
        (
            "full event",
            event(),
            json!({}),
            json!({
                "event_id": "$event", "type": "m.room.message", "sender": "@major:tom",
                "room_name": "Mission Control", "room_alias": "#exile:tom",
                "sender_display_name": "Major Tom", "room_id": "!room",
                "content_msgtype": "m.text", "content_body": "floating",
                "prio": "high", "unread": "2", "missed_calls": "1"
            }),
        ),
        (
            "ids alone, low",
            json!({"event_id": "$e", "room_id": "!r", "prio": "low", "counts": {"unread": 0}}),
            json!({}),
            json!({"event_id": "$e", "room_id": "!r", "prio": "normal"}),
        ),
        (
            "badge only",
            json!({"id": "", "type": null, "sender": "", "counts": {"unread": 2}}),
            json!({}),
            json!({"sender": "", "prio": "high", "unread": "2"}),
        ),
        (
            "default payload",
            json!({"event_id": "$e", "content": {"body": "x"}}),
            json!({"data": {"default_payload": {
                "cs": "secret", "n": 5, "f": 1.50, "t": true, "o": {"a": [1, null]}, "null": null,
                "event_id": "old", "content_body": "old", "room_name": "kept",
                "from": "a", "message_type": "b", "google.x": "c", "googled": "d", "gcm": "e",
                "collapse_key": "f", "esc": "a\"\n"
            }}}),
            json!({
                "cs": "secret", "n": "5", "f": "1.5", "t": "true", "o": "{\"a\":[1,null]}",
                "room_name": "kept", "collapse_key": "f", "esc": "a\"\n",
                "event_id": "$e", "content_body": "x", "prio": "high"
            }),
        ),
        (
            "default payload that is no object",
            json!({"event_id": "$e"}),
            json!({"data": {"default_payload": "x"}}),
            json!({"event_id": "$e", "prio": "high"}),
        ),
        (
            "MSC3013",
            json!({"ciphertext": "c", "ephemeral": "e", "mac": "m"}),
            json!({}),
            json!({"prio": "high", "ciphertext": "c", "ephemeral": "e", "mac": "m"}),
        ),
        (
            "MSC4076",
            json!({"event_id": "$e", "counts": {"unread": 3}}),
            json!({"data": {"org.matrix.msc4076.disable_badge_count": true}}),
            json!({"event_id": "$e", "prio": "high"}),
        ),
    ];
    for (name, event, device, data) in rows {
        let message = message_of(&sygnal(), &notification(event, &device), WHOLE).unwrap();
        let priority = data["prio"].clone();
        let expected = json!({"data": data, "android": {"priority": priority}, "token": TOKEN});
        assert_eq!(message, expected, "{name}");
    }
}

#[test]
fn order_of_keys() {
    let device = json!({"data": {"default_payload": {"cs": "x"}}});
    let request = matrix::decode(notification(event(), &device).into()).unwrap();
    let push = Push::new(request.into(), 0).unwrap();
    let built = build(&sygnal(), &push.view(WHOLE), SystemTime::now()).unwrap();
    let built = String::from_utf8(built.to_vec()).unwrap();
    let data = raw::get(raw::get(&built, "message").unwrap().get(), "data").unwrap();
    let keys: Vec<String> = raw::members(data.get()).iter().map(|(k, _)| k.to_string()).collect();
    assert_eq!(
        keys.join(" "),
        "cs event_id type sender room_name room_alias sender_display_name room_id \
         content_body content_msgtype prio unread missed_calls"
    );
}
