//! What each of an app's keys changes of the message.

use serde_json::{Value, json};

use super::TOKEN;
use crate::helpers::bodies::with;
use crate::helpers::{Setup, badge, event, fcm};

/// Makes a notification for an app id.
type Make = fn(&str) -> Value;

fn ids(app_id: &str) -> Value {
    event(app_id, TOKEN, "$e")
}

fn two_unread(app_id: &str) -> Value {
    badge(app_id, TOKEN, 2)
}

fn message(app_id: &str) -> Value {
    with(
        event(app_id, TOKEN, "$message"),
        &json!({
            "type": "m.room.message", "sender": "@bob:example.org", "prio": "low",
            "content": {"msgtype": "m.text", "body": "hello"},
        }),
    )
}

/// Sends a notification to an app with these keys; returns the message that arrives, null if none.
async fn sent(keys: &str, notification: impl Fn(&str) -> Value) -> Value {
    let google = fcm();
    let gateway = Setup::new().fcm("app.android", &google, keys).start();
    gateway.notify(&notification("app.android")).await.assert_rejects(&[]);
    assert_eq!(google.refused(), 0, "{keys}");
    // The gateway has answered, so what was to arrive has arrived.
    google.received().pop().map_or(Value::Null, |request| request.json["message"].clone())
}

#[tokio::test]
async fn parts_of_the_message() {
    let (room, counts) = ("!room:example.org", "send_badge_counts: false");
    let options = "fcm_options: {android: {direct_boot_ok: true, priority: normal}, \
                   fcm_options: {analytics_label: matrix}}";
    let ids_only =
        |id: &str| json!({"event_id": id, "room_id": room, "prio": "normal", "unread": "2"});
    let rows: [(&str, Make, &str, Value); 11] = [
        ("", ids, "/android", json!({"priority": "high"})),
        ("", message, "/android", json!({"priority": "normal"})),
        ("ttl_seconds: 60", ids, "/android", json!({"priority": "high", "ttl": "60s"})),
        ("ttl_seconds: 0", ids, "/android/ttl", json!("0s")),
        (options, ids, "/android", json!({"priority": "high", "direct_boot_ok": true})),
        (options, ids, "/fcm_options", json!({"analytics_label": "matrix"})),
        (counts, ids, "/data", json!({"event_id": "$e", "room_id": room, "prio": "high"})),
        (counts, two_unread, "", Value::Null),
        ("event_id_only: true", message, "/data", ids_only("$message")),
        ("max_connections: 20", two_unread, "/data/unread", json!("2")),
        ("", two_unread, "/data/prio", json!("high")),
    ];
    for (keys, notification, part, expected) in rows {
        let message = sent(keys, notification).await;
        assert_eq!(message.pointer(part), Some(&expected), "{keys} {part}");
    }
}

#[tokio::test]
async fn rooms_collapse_apart_from_each_other() {
    let google = fcm();
    let gateway = Setup::new().fcm("app.android", &google, "collapse_per_room: true").start();
    for (room, event_id) in [("!a:x", "$1"), ("!b:x", "$2"), ("!a:x", "$3")] {
        let notification = with(event("app.android", TOKEN, event_id), &json!({"room_id": room}));
        gateway.notify(&notification).await.assert_rejects(&[]);
    }
    gateway.notify(&two_unread("app.android")).await.assert_rejects(&[]);
    let received = google.received();
    let key = |at: usize| &received[at].json["message"]["android"]["collapse_key"];
    assert!(key(0).is_string());
    assert_eq!((key(0) == key(1), key(0) == key(2)), (false, true));
    assert_eq!(key(3), &Value::Null);
    assert_eq!(google.refused(), 0);
}
