//! What each of an app's keys changes of the request.

use std::time::SystemTime;

use loadtest::peers::Received;
use serde_json::{Value, json};

use crate::helpers::bodies::{device, with};
use crate::helpers::{Setup, TOKEN, TOKEN_HEX, TOPIC, apns, badge, event};

const ROOM: &str = "!room:example.org";

/// Makes a notification for an app id.
type Make = fn(&str) -> Value;

/// Two headers; an empty value for one that is to be missing.
type Headers = [(&'static str, &'static str); 2];

/// A message of full format with a tweak, as Synapse sends it.
fn message(app_id: &str) -> Value {
    let mut message = with(
        event(app_id, TOKEN, "$message"),
        &json!({
            "type": "m.room.message", "sender": "@bob:example.org", "room_name": "Room",
            "content": {"msgtype": "m.text", "body": "hello"},
        }),
    );
    message["notification"]["devices"][0]["tweaks"] = json!({"sound": "ring"});
    message
}

/// Sends a notification to an app with these keys; `None` if nothing arrives.
async fn sent(keys: &str, notification: impl Fn(&str) -> Value) -> Option<Received> {
    let (apple, key) = apns();
    let gateway = Setup::new().apns("app.ios", &apple, &key, keys).start();
    gateway.notify(&notification("app.ios")).await.assert_rejects(&[]);
    assert_eq!(apple.refused(), 0, "{keys}");
    // The gateway has answered, so what was to arrive has arrived.
    apple.received().pop()
}

async fn request(keys: &str, notification: impl Fn(&str) -> Value) -> Received {
    sent(keys, notification).await.expect("a push arrives")
}

fn ids(app_id: &str) -> Value {
    event(app_id, TOKEN, "$e")
}

/// New counts, of a homeserver that says in which room.
fn two_unread(app_id: &str) -> Value {
    with(badge(app_id, TOKEN, 2), &json!({"room_id": ROOM}))
}

fn full(badge: Value, sound: Value) -> Value {
    let mut aps = json!({"alert": {
        "loc-key": "MSG_FROM_USER_IN_ROOM_WITH_CONTENT",
        "loc-args": ["@bob:example.org", "Room", "hello"],
    }});
    for (key, value) in [("badge", badge), ("sound", sound)] {
        if !value.is_null() {
            aps[key] = value;
        }
    }
    json!({"room_id": ROOM, "event_id": "$message", "aps": aps})
}

#[tokio::test]
async fn headers() {
    let voip = "push_type: voip\ntopic_suffix: .voip";
    let collapse = "collapse_per_room: true";
    let rows: [(&str, Make, Headers); 8] = [
        ("", ids, [("apns-push-type", ""), ("apns-expiration", "")]),
        ("push_type: alert", ids, [("apns-push-type", "alert"), ("apns-topic", TOPIC)]),
        ("push_type: background", ids, [("apns-push-type", "background"), ("apns-priority", "5")]),
        (voip, ids, [("apns-push-type", "voip"), ("apns-topic", "org.example.app.voip")]),
        (collapse, ids, [("apns-collapse-id", ROOM), ("apns-priority", "10")]),
        (collapse, two_unread, [("apns-collapse-id", ""), ("apns-priority", "10")]),
        ("", message, [("apns-collapse-id", ""), ("apns-priority", "10")]),
        ("expiration_seconds: 0", ids, [("apns-expiration", "0"), ("apns-topic", TOPIC)]),
    ];
    for (keys, notification, expected) in rows {
        let request = request(keys, notification).await;
        for (name, value) in expected {
            assert_eq!(request.header(name), value, "{keys}: {name}");
        }
    }
}

#[tokio::test]
async fn expiration_seconds_count_from_now() {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let request = request("expiration_seconds: 3600", ids).await;
    let expires: u64 = request.header("apns-expiration").parse().unwrap();
    let wait = expires - now.as_secs();
    assert!((3600..3700).contains(&wait), "{wait}");
}

#[tokio::test]
async fn payloads() {
    let only_ids = |id: &str| json!({"room_id": ROOM, "event_id": id, "unread_count": 2});
    let without_counts = |id: &str| json!({"room_id": ROOM, "event_id": id});
    let badge = json!({"aps": {"badge": 2}});
    let calls = "only_event_types: [m.call.invite]";
    let (no_counts, event_id_only) = ("send_badge_counts: false", "event_id_only: true");
    let rows: [(&str, Make, Option<Value>); 14] = [
        ("", message, Some(full(json!(2), json!(null)))),
        ("sound_from_tweaks: true", message, Some(full(json!(2), json!("ring")))),
        ("sound_from_tweaks: true", ids, Some(only_ids("$e"))),
        ("sound_from_tweaks: true", two_unread, Some(badge.clone())),
        (no_counts, message, Some(full(json!(null), json!(null)))),
        (no_counts, ids, Some(without_counts("$e"))),
        (no_counts, two_unread, None),
        (event_id_only, message, Some(only_ids("$message"))),
        (event_id_only, two_unread, Some(badge.clone())),
        (
            "event_id_only: true\nsend_badge_counts: false",
            message,
            Some(without_counts("$message")),
        ),
        (calls, message, None),
        (calls, ids, None),
        (calls, two_unread, Some(badge)),
        (
            "only_event_types: [m.call.invite, m.room.message]",
            message,
            Some(full(json!(2), json!(null))),
        ),
    ];
    for (keys, notification, expected) in rows {
        let body = notification("");
        let payload = sent(keys, notification).await.map(|request| request.json);
        assert_eq!(payload, expected, "{keys} {body}");
    }
}

#[tokio::test]
async fn device_tokens_in_hexadecimal_stay() {
    let hex = |app_id: &str| event(app_id, &TOKEN_HEX.to_uppercase(), "$e");
    let request = request("convert_device_token_to_hex: false", hex).await;
    assert_eq!(request.token, TOKEN_HEX);
}

#[tokio::test]
async fn apps_side_by_side_keep_their_keys() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .apns("app.ios", &apple, &key, "push_type: alert")
        .apns("app.ios.voip", &apple, &key, "push_type: voip\ntopic_suffix: .voip")
        .apns("app.ios.dev.*", &apple, &key, "event_id_only: true")
        .start();
    let (call, _) = device(1);
    let mut request = message("app.ios");
    request["notification"]["devices"] = json!([
        {"app_id": "app.ios", "pushkey": TOKEN},
        {"app_id": "app.ios.voip", "pushkey": call},
        {"app_id": "app.ios.dev.x", "pushkey": TOKEN},
    ]);
    gateway.notify(&request).await.assert_rejects(&[]);
    let mut kinds: Vec<_> = apple
        .received()
        .iter()
        .map(|it| (it.header("apns-push-type").to_owned(), it.json.get("aps").is_some()))
        .collect();
    kinds.sort();
    let expected = [("", false), ("alert", true), ("voip", true)];
    assert_eq!(kinds, expected.map(|(kind, aps)| (kind.to_owned(), aps)));
    assert_eq!(apple.refused(), 0);
}
