//! What Synapse sends, and what the phone gets of it in Sygnal's layout.

use serde_json::{Map, Value, json};

use super::TOKEN;
use crate::helpers::bodies::{Sent, with};
use crate::helpers::{Setup, event, fcm};

/// A token of its own for each body: two of them are about the same event.
fn token(number: usize) -> String {
    format!("{TOKEN}{number:03}")
}

/// Returns the data map that clients of Sygnal know; `None` if there is to be no push.
fn data(sent: &Sent) -> Option<Value> {
    let disabled = &sent.device()["data"]["org.matrix.msc4076.disable_badge_count"];
    let unread = sent.unread().filter(|&unread| unread > 0 && *disabled != true);
    if unread.is_none() && sent.get("event_id").is_null() {
        return None;
    }
    let mut data = Map::new();
    for (key, value) in sent.default_payload() {
        data.insert(key, value.to_string().into());
    }
    for key in
        ["event_id", "room_id", "type", "sender", "sender_display_name", "room_name", "membership"]
    {
        let text = sent.get(key);
        // A badge's sender is an empty string.
        if text.is_string() {
            data.insert(key.to_owned(), text);
        }
    }
    for (key, value) in sent.get("content").as_object().into_iter().flatten() {
        if value.is_string() {
            data.insert(format!("content_{key}"), value.clone());
        }
    }
    if let Some(unread) = unread {
        data.insert("unread".to_owned(), unread.to_string().into());
    }
    let prio = if sent.get("prio") == "low" { "normal" } else { "high" };
    data.insert("prio".to_owned(), prio.into());
    Some(data.into())
}

#[tokio::test]
async fn what_synapse_sends_arrives() {
    let google = fcm();
    let gateway = Setup::new().fcm("app.android", &google, "").start();
    let mut arrived = 0;
    for (number, sent) in Sent::all("app.android", token).iter().enumerate() {
        let name = &sent.name;
        gateway.notify(&sent.body).await.assert_rejects(&[]);
        let Some(mut expected) = data(sent) else {
            assert_eq!(google.count(), arrived, "{name}");
            continue;
        };
        arrived += 1;
        if name == "full_large_message" {
            // As Sygnal has it: 1024 bytes with the ellipsis.
            expected["content_body"] = ("x".repeat(1021) + "…").into();
        }
        let priority = expected["prio"].clone();
        let push = google.next().await;
        let message = json!({
            "data": expected, "android": {"priority": priority}, "token": token(number),
        });
        assert_eq!(push.json, json!({"message": message}), "{name}");
    }
    assert_eq!((google.count(), google.refused()), (arrived, 0));
    // All but the badges of zero and of MSC4076.
    assert_eq!(arrived, 29);
}

#[tokio::test]
async fn texts_are_cut_and_ids_are_not() {
    let google = fcm();
    let gateway = Setup::new().fcm("app.android", &google, "").start();
    let long: String = "aé🚀\"\n\u{1}".chars().cycle().take(4_500).collect();
    assert_eq!(long.len(), 7_500);
    let (room_id, sender) = (format!("!{}", "r".repeat(254)), format!("@{}", "s".repeat(254)));
    let content: Map<String, Value> = (0..8).map(|n| (format!("k{n}"), json!(long))).collect();
    let message = with(
        event("app.android", TOKEN, "$long"),
        &json!({
            "type": "m.room.message", "room_id": room_id, "sender": sender, "content": content,
            "room_name": "Room",
        }),
    );
    gateway.notify(&message).await.assert_rejects(&[]);

    let push = google.next().await;
    let data = push.json["message"]["data"].as_object().unwrap();
    let size: usize =
        data.iter().map(|(key, value)| key.len() + value.as_str().unwrap().len()).sum();
    assert!((4050..=4096).contains(&size), "{size}");
    assert_eq!((&data["room_id"], &data["sender"]), (&json!(room_id), &json!(sender)));
    assert_eq!((&data["room_name"], &data["unread"]), (&json!("Room"), &json!("2")));
    for number in 0..8 {
        let text = data[&format!("content_k{number}")].as_str().unwrap();
        assert!(long.starts_with(text.strip_suffix('…').unwrap()), "{text}");
    }
    assert_eq!(google.refused(), 0);
}

#[tokio::test]
async fn what_the_client_wants_beside_becomes_strings() {
    let google = fcm();
    let gateway = Setup::new().fcm("app.android", &google, "").start();
    let mut request = event("app.android", TOKEN, "$e");
    request["notification"]["devices"][0]["data"] = json!({"default_payload": {
        "cs": "A_SECRET", "n": 1, "yes": true, "nothing": null, "nested": {"a": [1]},
        "from": "FCM's own", "google.x": "FCM's own", "event_id": "$other",
    }});
    gateway.notify(&request).await.assert_rejects(&[]);
    assert_eq!(
        google.next().await.json["message"]["data"],
        json!({
            "cs": "A_SECRET", "n": "1", "yes": "true", "nested": r#"{"a":[1]}"#,
            "event_id": "$e", "room_id": "!room:example.org", "prio": "high", "unread": "2",
        })
    );
    assert_eq!(google.refused(), 0);
}
