//! The messages that hedwig would send: data for Android, a notification for the rest, more for
//! Apple.

use serde_json::json;

use super::{Storage, TOKEN, Template, event, hedwig, message_of, notification, options};
use crate::providers::testing::WHOLE;

#[test]
fn hedwig_forms() {
    let rows = [
        (json!({"data": {"data_message": true}}), "data"),
        (json!({"data": {"data_message": "android"}}), "data"),
        (json!({"data": {"data_message": "ios"}}), "data+notification+apns"),
        (json!({"data": {"data_message": false}}), "data+notification+apns"),
        (json!({"data": {"data_message": "web"}}), "notification"),
        (json!({"data": {"data_message": null}}), "notification"),
        (json!({}), "notification"),
        (json!({"app_id": "chat.fluffy.data_message"}), "data"),
        (
            json!({"app_id": "chat.fluffy.data_message", "data": {"data_message": "ios"}}),
            "data+notification+apns",
        ),
    ];
    for (device, expected) in rows {
        let template = hedwig(&json!({}));
        let message = message_of(&template, &notification(event(), &device), WHOLE).unwrap();
        let parts: Vec<&str> = ["data", "notification", "apns"]
            .into_iter()
            .filter(|part| message.get(part).is_some())
            .collect();
        assert_eq!(parts.join("+"), expected, "{device}");
        assert_eq!(message["android"], json!({"priority": "HIGH"}), "{device}");
    }
}

#[test]
fn hedwig_data() {
    let android = json!({"data": {"data_message": true, "client_name": "me"}});
    let mut event = event();
    event["user_is_target"] = json!(true);
    event["prio"] = json!("low");
    event["content"] = json!({"body": "floating"});
    let message = message_of(&hedwig(&json!({})), &notification(event, &android), WHOLE).unwrap();
    let device = json!({"app_id": "im.example", "pushkey": TOKEN, "data": android["data"]});
    assert_eq!(
        message["data"],
        json!({
            "event_id": "$event", "room_id": "!room", "type": "m.room.message",
            "sender": "@major:tom", "sender_display_name": "Major Tom",
            "room_name": "Mission Control", "room_alias": "#exile:tom", "user_is_target": "true",
            "content": "{\"body\":\"floating\"}", "counts": "{\"unread\":2,\"missed_calls\":1}",
            "devices": json!([device]).to_string(), "prio": "\"low\""
        })
    );
    let rows = [
        (json!({"counts": {"unread": 0}}), WHOLE, json!("{\"unread\":0}")),
        (json!({}), WHOLE, json!("{\"unread\":0}")),
        (json!({"counts": {"missed_calls": 4}}), WHOLE, json!("{\"missed_calls\":4}")),
        (json!({"event_id": "$e"}), WHOLE, json!("null")),
        (json!({"ciphertext": "c"}), WHOLE, json!("null")),
    ];
    for (event, view, counts) in rows {
        let message =
            message_of(&hedwig(&json!({})), &notification(event, &android), view).unwrap();
        assert_eq!(message["data"]["counts"], counts);
        assert_eq!(message["data"]["content"], "null");
        assert_eq!(message["data"]["prio"], "\"high\"");
    }
}

#[test]
fn hedwig_for_apple() {
    let ios = json!({"data": {"data_message": "ios"}});
    let fcm_options = json!({
        "notification": {"title": "no", "image": "https://example.org/i.png"},
        "android": {"notification": {"sound": "x"}},
        "apns": {"headers": {"apns-push-type": "alert"}, "fcm_options": {"analytics_label": "l"},
                 "payload": {"aps": {"sound": "ping", "badge": 9}, "extra": 1}}
    });
    let storage = Storage { ttl_seconds: Some(60), collapse_per_room: true };
    let template =
        Template::hedwig(&options(&fcm_options), storage, "T <count>".into(), "B".into());
    let message = message_of(&template, &notification(event(), &ios), WHOLE).unwrap();
    let room = &message["android"]["collapse_key"];
    assert_eq!(
        message["notification"],
        json!({"title": "T 2", "body": "B", "image": "https://example.org/i.png"})
    );
    assert_eq!(
        message["apns"],
        json!({
            "headers": {"apns-push-type": "alert", "apns-priority": "10",
                        "apns-expiration": "1060", "apns-collapse-id": room},
            "fcm_options": {"analytics_label": "l"},
            "payload": {"aps": {"mutable-content": 1, "sound": "ping", "badge": 2}, "extra": 1}
        })
    );
    assert_eq!(message["android"].get("notification"), None);

    let badge = json!({"counts": {"unread": 0}, "prio": "low"});
    let message = message_of(&hedwig(&fcm_options), &notification(badge, &ios), WHOLE).unwrap();
    assert_eq!(message.get("notification"), None);
    assert_eq!(message["apns"]["payload"], json!({"aps": {"badge": 0}}));
    assert_eq!(message["apns"]["headers"]["apns-priority"], "5");

    let uncounted = json!({"event_id": "$e", "room_id": "!r"});
    let message = message_of(&hedwig(&json!({})), &notification(uncounted, &ios), WHOLE).unwrap();
    assert_eq!(message["notification"], json!({"title": "1 unread", "body": "1 of 1"}));
    let aps = json!({"mutable-content": 1, "sound": "default"});
    assert_eq!(message["apns"]["payload"]["aps"], aps);
}
