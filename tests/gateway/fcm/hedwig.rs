//! What FluffyChat gets, in Hedwig's layout.

use serde_json::{Map, Value, json};

use super::TOKEN;
use crate::helpers::bodies::Sent;
use crate::helpers::{Setup, badge, event, fcm};

/// FluffyChat's app id, as it registers: with the device's id, cut to 64 characters.
const APP: &str = "chat.fluffy.fluffychat.GHTYAJCE";
const PATTERN: &str = "chat.fluffy.fluffychat.*";
const HEDWIG: &str = "layout: hedwig";

fn token(number: usize) -> String {
    format!("{TOKEN}{number:03}")
}

/// Returns the data map that FluffyChat reads; `None` if there is to be no push.
fn data(sent: &Sent) -> Option<Value> {
    let disabled = &sent.device()["data"]["org.matrix.msc4076.disable_badge_count"];
    let counts = if *disabled == true { Value::Null } else { sent.get("counts") };
    if counts.is_null() && sent.get("event_id").is_null() {
        return None;
    }
    let mut data = Map::new();
    for key in ["event_id", "room_id", "type", "sender", "sender_display_name", "room_name"] {
        let text = sent.get(key);
        if text.is_string() {
            data.insert(key.to_owned(), text);
        }
    }
    if let Value::Bool(target) = sent.get("user_is_target") {
        data.insert("user_is_target".to_owned(), target.to_string().into());
    }
    let in_text = [
        ("content", sent.get("content")),
        ("counts", counts),
        ("devices", json!([sent.device()])),
        ("prio", if sent.get("prio") == "low" { json!("low") } else { json!("high") }),
    ];
    for (key, value) in in_text {
        data.insert(key.to_owned(), value.to_string().into());
    }
    Some(data.into())
}

#[tokio::test]
async fn what_synapse_sends_arrives() {
    let google = fcm();
    let gateway = Setup::new().fcm(PATTERN, &google, HEDWIG).start();
    let mut arrived = 0;
    for (number, mut sent) in Sent::all(APP, token).into_iter().enumerate() {
        let pusher = &mut sent.device_mut()["data"];
        pusher["data_message"] = true.into();
        pusher["client_name"] = "FluffyChat".into();
        gateway.notify(&sent.body).await.assert_rejects(&[]);
        let name = &sent.name;
        let Some(mut expected) = data(&sent) else {
            assert_eq!(google.count(), arrived, "{name}");
            continue;
        };
        arrived += 1;
        let push = google.next().await;
        if name == "full_large_message" {
            // The content stays an object, with as much of the body as fits.
            let text = push.json["message"]["data"]["content"].as_str().unwrap();
            let content: Value = serde_json::from_str(text).unwrap();
            let body = content["body"].as_str().unwrap().strip_suffix('…').unwrap();
            assert!(body.len() > 2000 && body.bytes().all(|byte| byte == b'x'), "{body}");
            assert_eq!(content["msgtype"], "m.text");
            expected["content"] = text.into();
        }
        let message = json!({
            "data": expected, "android": {"priority": "HIGH"}, "token": token(number),
        });
        assert_eq!(push.json, json!({"message": message}), "{name}");
    }
    assert_eq!((google.count(), google.refused()), (arrived, 0));
    // All but the badge of MSC4076: a count of zero clears what is shown.
    assert_eq!(arrived, 30);
}

#[tokio::test]
async fn the_pusher_chooses_what_is_visible() {
    let google = fcm();
    let texts = "layout: hedwig\nnotification_title: '<count> new'\nnotification_body: Open the app\n\
                 fcm_options: {notification: {image: 'https://example.org/i.png'}, apns: {payload: {aps: {category: c}}}}";
    let gateway = Setup::new().fcm(PATTERN, &google, texts).start();
    let shown = json!({
        "title": "2 new", "body": "Open the app", "image": "https://example.org/i.png",
    });
    let dictionary = json!({"badge": 2, "category": "c", "mutable-content": 1, "sound": "default"});
    let apns = json!({"headers": {"apns-priority": "10"}, "payload": {"aps": dictionary}});
    let null = Value::Null;
    let rows = [
        (json!(true), true, &null, &null),
        (json!("android"), true, &null, &null),
        (json!("ios"), true, &shown, &apns),
        (json!(false), true, &shown, &apns),
        (json!("web"), false, &shown, &null),
        (json!(null), false, &shown, &null),
    ];
    for (number, (wish, has_data, notification, apns)) in rows.into_iter().enumerate() {
        let mut request = event(APP, TOKEN, &format!("${number}"));
        request["notification"]["devices"][0]["data"] = json!({"data_message": wish});
        gateway.notify(&request).await.assert_rejects(&[]);
        let message = &google.next().await.json["message"];
        assert_eq!(message["data"].is_object(), has_data, "{wish}");
        assert_eq!(&message["notification"], notification, "{wish}");
        if apns.is_object() {
            assert_eq!(&message["apns"], apns, "{wish}");
        }
        assert_eq!(message["android"]["priority"], "HIGH", "{wish}");
    }
    assert_eq!(google.refused(), 0);
}

#[tokio::test]
async fn nothing_unread_clears_what_is_shown() {
    let google = fcm();
    let gateway = Setup::new().fcm(PATTERN, &google, HEDWIG).start();
    for (wish, aps) in [("true", json!(null)), (r#""ios""#, json!({"badge": 0}))] {
        let mut request = badge(APP, TOKEN, 0);
        let wish: Value = serde_json::from_str(wish).unwrap();
        request["notification"]["devices"][0]["data"] = json!({"data_message": wish});
        gateway.notify(&request).await.assert_rejects(&[]);
        let message = &google.next().await.json["message"];
        assert_eq!(message["data"]["counts"], r#"{"unread":0}"#);
        assert_eq!(message["notification"], Value::Null);
        assert_eq!(message["apns"]["payload"]["aps"], aps);
    }
    // A notification alone has nothing to show for it.
    gateway.notify(&badge(APP, TOKEN, 0)).await.assert_rejects(&[]);
    assert_eq!((google.count(), google.refused()), (2, 0));
}
