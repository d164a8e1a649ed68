//! What becomes of messages that are too large, and a search for what breaks the limits.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{event, hedwig, message_of, notification, sygnal};
use crate::providers::testing::WHOLE;

#[test]
fn what_gives_way() {
    let long = "x".repeat(60_000);
    let device = json!({"data": {"default_payload": {"cs": "secret", "big": "y".repeat(5000)}}});
    let mut event = event();
    event["content"] = json!({"body": long, "formatted_body": long, "url": "mxc://a/b"});
    event["room_name"] = json!(long);
    let message = message_of(&sygnal(), &notification(event.clone(), &device), WHOLE).unwrap();
    let data = &message["data"];
    assert_eq!(data["event_id"], "$event");
    assert_eq!(data["cs"], "secret");
    assert_eq!(data["content_url"], "mxc://a/b");
    assert_eq!(data.get("big"), None);
    for key in ["content_body", "content_formatted_body", "room_name"] {
        let text = data[key].as_str().unwrap();
        assert_eq!(text.len(), 1024, "{key}");
        assert!(text.ends_with('…'));
    }

    let android = json!({"data": {"data_message": true}});
    let message = message_of(&hedwig(&json!({})), &notification(event, &android), WHOLE).unwrap();
    let content: Value =
        serde_json::from_str(message["data"]["content"].as_str().unwrap()).unwrap();
    assert_eq!(content["url"], "mxc://a/b");
    assert!(content["body"].as_str().unwrap().len() > 500);
    assert!(message["data"]["devices"].as_str().unwrap().starts_with('['));
}

#[test]
fn ids_that_cannot_fit() {
    let long = "x".repeat(4096);
    for template in [sygnal(), hedwig(&json!({}))] {
        let device = json!({"data": {"data_message": true}});
        let body = notification(json!({"event_id": long}), &device);
        let built = message_of(&template, &body, WHOLE);
        assert_eq!(built, Err("permanent payload_too_large".to_owned()));
    }
}

/// Notifications of every size with every kind of text.
fn notifications() -> impl Strategy<Value = (Value, Value)> {
    let text = prop_oneof!["[a-z]{0,20}", "(?s).{0,1500}", "[\"\\\\\n\u{1}é⚑]{0,900}"];
    let texts = proptest::collection::btree_map("[a-zé\"]{1,8}", text.clone(), 0..12);
    let ids = ("[!-~]{1,255}", "[!-~]{1,255}");
    let wish = prop_oneof![Just(json!(true)), Just(json!("ios")), Just(json!("android"))];
    (ids, texts.clone(), texts, text.clone(), text, wish).prop_map(
        |((event_id, room_id), content, default_payload, room_name, name, wish)| {
            let event = json!({
                "event_id": event_id, "room_id": room_id, "type": "m.room.message",
                "sender": "@a:b", "room_name": room_name, "sender_display_name": name,
                "content": content, "counts": {"unread": 7}
            });
            let data = json!({"default_payload": default_payload, "data_message": wish});
            (event, json!({ "data": data }))
        },
    )
}

proptest! {
    #[test]
    fn every_message_fits_and_keeps_its_ids((event, device) in notifications()) {
        let (event_id, room_id) = (event["event_id"].clone(), event["room_id"].clone());
        let body = notification(event, &device);
        for template in [sygnal(), hedwig(&json!({}))] {
            let message = message_of(&template, &body, WHOLE).unwrap();
            prop_assert_eq!(&message["data"]["event_id"], &event_id);
            prop_assert_eq!(&message["data"]["room_id"], &room_id);
            if let Some(apns) = message.get("apns") {
                // APNs counts the whole JSON: data, alert and aps.
                let mut payload = apns["payload"].clone();
                payload["aps"]["alert"] = message["notification"].clone();
                let payload = payload.to_string().len() + message["data"].to_string().len();
                prop_assert!(payload <= 4096 + 2, "{}", payload);
            }
            if let Some(Value::String(content)) = message["data"].get("content") {
                prop_assert!(content == "null" || serde_json::from_str::<Map<_, Value>>(content).is_ok());
            }
        }
    }
}
