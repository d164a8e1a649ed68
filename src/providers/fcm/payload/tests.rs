//! Notifications in, messages out: one row for each rule, and a search for what breaks the limits.

use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use serde_json::{Map, Value, json};

use super::{Storage, Template, build};
use crate::matrix::{self, json as raw};
use crate::providers::push::{Push, ViewOptions};

const ALL: ViewOptions = ViewOptions {
    send_badge_counts: true,
    event_id_only: false,
};

const PLAIN: Storage = Storage {
    ttl_seconds: None,
    collapse_per_room: false,
};

const TOKEN: &str = "fid:APA91token";

fn options(options: &Value) -> Map<String, Value> {
    options.as_object().unwrap().clone()
}

fn sygnal() -> Template {
    Template::sygnal(&Map::new(), PLAIN)
}

fn hedwig(fcm_options: &Value) -> Template {
    let (title, body) = ("<count> unread", "<count> of <count>");
    Template::hedwig(&options(fcm_options), PLAIN, title.into(), body.into())
}

/// Builds the message of a notification's only device, or says why there is none.
fn message_of(template: &Template, body: &str, view: ViewOptions) -> Result<Value, String> {
    let request = matrix::decode(body.to_owned().into()).unwrap();
    let push = Push::new(request.into(), 0).unwrap();
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1000);
    let built = build(template, &push.view(view), now);
    let built = built.map_err(|outcome| {
        format!("{} {}", outcome.as_str(), outcome.cause().unwrap().reason)
    })?;
    let bytes = built.len();
    let mut built: Value = serde_json::from_slice(&built).expect("valid JSON");
    assert_eq!(built.to_string().len(), bytes, "a key twice in {built}");
    let message = built["message"].take();
    assert_fits(&message);
    Ok(message)
}

/// Google's schema, and the limit on keys and values of data and notification.
fn assert_fits(message: &Value) {
    let schema = serde_json::from_str(include_str!("../message.schema.json")).unwrap();
    jsonschema::validate(&schema, message).unwrap_or_else(|error| panic!("{error}: {message}"));
    let texts = ["data", "notification"].map(|key| message[key].as_object());
    let texts = texts.into_iter().flatten().flatten();
    let size: usize = texts.map(|(key, text)| key.len() + text.as_str().unwrap().len()).sum();
    assert!(size <= 4096, "{size}");
}

fn notification(mut notification: Value, device: &Value) -> String {
    let mut whole = json!({"app_id": "im.example", "pushkey": TOKEN});
    whole.as_object_mut().unwrap().extend(options(device));
    notification["devices"] = json!([whole]);
    json!({ "notification": notification }).to_string()
}

fn event() -> Value {
    json!({
        "event_id": "$event", "room_id": "!room", "type": "m.room.message",
        "sender": "@major:tom", "sender_display_name": "Major Tom", "room_name": "Mission Control",
        "room_alias": "#exile:tom", "membership": null, "prio": "high",
        "content": {"msgtype": "m.text", "body": "floating", "n": 5, "m.relates_to": {"x": "y"}},
        "counts": {"unread": 2, "missed_calls": 1}
    })
}

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
        let message = message_of(&sygnal(), &notification(event, &device), ALL).unwrap();
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
    let built = build(&sygnal(), &push.view(ALL), SystemTime::now()).unwrap();
    let built = String::from_utf8(built.to_vec()).unwrap();
    let data = raw::get(raw::get(&built, "message").unwrap().get(), "data").unwrap();
    let keys: Vec<String> = raw::members(data.get()).iter().map(|(k, _)| k.to_string()).collect();
    assert_eq!(
        keys.join(" "),
        "cs event_id type sender room_name room_alias sender_display_name room_id \
         content_body content_msgtype prio unread missed_calls"
    );
}

#[test]
fn nothing_to_send() {
    let no_counts = ViewOptions { send_badge_counts: false, ..ALL };
    let badge = json!({"sender": "", "counts": {"unread": 2}});
    let disabled = json!({"data": {"org.matrix.msc4076.disable_badge_count": true}});
    let none = json!({});
    let rows = [
        ("type alone", sygnal(), json!({"type": "m.room.message"}), &none, ALL),
        ("nothing unread", sygnal(), json!({"counts": {"unread": 0}}), &none, ALL),
        ("counts stay here", sygnal(), badge.clone(), &none, no_counts),
        ("counts not wanted", sygnal(), badge.clone(), &disabled, ALL),
        ("no counts for hedwig", hedwig(&none), badge.clone(), &disabled, ALL),
        ("nothing to show", hedwig(&none), badge, &none, ALL),
    ];
    for (name, template, event, device, view) in rows {
        let built = message_of(&template, &notification(event, device), view);
        assert_eq!(built, Err("permanent nothing_to_send".to_owned()), "{name}");
    }
}

#[test]
fn what_names_the_device() {
    let rows = [
        (TOKEN, Ok("token")),
        ("cWkQ0-1_RKm9dJpX3vYh2A", Ok("fid")),
        ("cWkQ0-1_RKm9dJpX3vYh2", Ok("token")),
        ("cWkQ0:1_RKm9dJpX3vYh2A", Ok("token")),
        ("spqr", Ok("token")),
        ("", Err("rejected undecodable_pushkey")),
        ("a b", Err("rejected undecodable_pushkey")),
        ("a\n", Err("rejected undecodable_pushkey")),
        ("tøken", Err("rejected undecodable_pushkey")),
        ("a\u{0}", Err("rejected undecodable_pushkey")),
    ];
    for (pushkey, field) in rows {
        let body = notification(json!({"event_id": "$e"}), &json!({"pushkey": pushkey}));
        match (message_of(&sygnal(), &body, ALL), field) {
            (Ok(message), Ok(field)) => assert_eq!(message[field], pushkey),
            (built, field) => assert_eq!(built.err().as_deref(), field.err(), "{pushkey:?}"),
        }
    }
}

#[test]
fn options_under_ours() {
    let fcm_options = json!({
        "data": {"x": "y"}, "token": "no",
        "android": {"priority": "normal", "ttl": "5s", "collapseKey": "all", "direct_boot_ok": true},
        "notification": {"title": "Hi"},
        "apns": {"payload": {"aps": {"content-available": 1}}}
    });
    let storage = Storage { ttl_seconds: Some(3600), collapse_per_room: true };
    let template = Template::sygnal(&options(&fcm_options), storage);
    let body = notification(json!({"event_id": "$e", "room_id": "!r"}), &json!({}));
    assert_eq!(
        message_of(&template, &body, ALL).unwrap(),
        json!({
            "data": {"event_id": "$e", "room_id": "!r", "prio": "high"},
            "android": {"priority": "high", "ttl": "3600s", "collapse_key": "07c25407b48c0fda",
                        "direct_boot_ok": true},
            "notification": {"title": "Hi"},
            "apns": {"payload": {"aps": {"content-available": 1}}},
            "token": TOKEN
        })
    );
    let template = Template::sygnal(&options(&fcm_options), PLAIN);
    let message = message_of(&template, &body, ALL).unwrap();
    let android = json!({"priority": "high", "ttl": "5s", "collapseKey": "all", "direct_boot_ok": true});
    assert_eq!(message["android"], android);
}

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
        let message = message_of(&template, &notification(event(), &device), ALL).unwrap();
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
    let message = message_of(&hedwig(&json!({})), &notification(event, &android), ALL).unwrap();
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
        (json!({"counts": {"unread": 0}}), ALL, json!("{\"unread\":0}")),
        (json!({}), ALL, json!("{\"unread\":0}")),
        (json!({"counts": {"missed_calls": 4}}), ALL, json!("{\"missed_calls\":4}")),
        (json!({"event_id": "$e"}), ALL, json!("null")),
        (json!({"ciphertext": "c"}), ALL, json!("null")),
    ];
    for (event, view, counts) in rows {
        let message = message_of(&hedwig(&json!({})), &notification(event, &android), view).unwrap();
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
    let message = message_of(&template, &notification(event(), &ios), ALL).unwrap();
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
    let message = message_of(&hedwig(&fcm_options), &notification(badge, &ios), ALL).unwrap();
    assert_eq!(message.get("notification"), None);
    assert_eq!(message["apns"]["payload"], json!({"aps": {"badge": 0}}));
    assert_eq!(message["apns"]["headers"]["apns-priority"], "5");

    let uncounted = json!({"event_id": "$e", "room_id": "!r"});
    let message = message_of(&hedwig(&json!({})), &notification(uncounted, &ios), ALL).unwrap();
    assert_eq!(message["notification"], json!({"title": "1 unread", "body": "1 of 1"}));
    let aps = json!({"mutable-content": 1, "sound": "default"});
    assert_eq!(message["apns"]["payload"]["aps"], aps);
}

#[test]
fn what_gives_way() {
    let long = "x".repeat(60_000);
    let device = json!({"data": {"default_payload": {"cs": "secret", "big": "y".repeat(5000)}}});
    let mut event = event();
    event["content"] = json!({"body": long, "formatted_body": long, "url": "mxc://a/b"});
    event["room_name"] = json!(long);
    let message = message_of(&sygnal(), &notification(event.clone(), &device), ALL).unwrap();
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
    let message =
        message_of(&hedwig(&json!({})), &notification(event, &android), ALL).unwrap();
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
        let built = message_of(&template, &body, ALL);
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
            let message = message_of(&template, &body, ALL).unwrap();
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
