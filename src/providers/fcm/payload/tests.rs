//! Notifications in, messages out: what holds for both templates.

mod fit;
mod hedwig;
mod sygnal;

use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::{Storage, Template, build};
use crate::matrix;
use crate::providers::push::{Push, ViewOptions};
use crate::providers::testing::WHOLE;

const PLAIN: Storage = Storage { ttl_seconds: None, collapse_per_room: false };

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
    let built = built
        .map_err(|outcome| format!("{} {}", outcome.as_str(), outcome.cause().unwrap().reason))?;
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
fn nothing_to_send() {
    let no_counts = ViewOptions { send_badge_counts: false, ..WHOLE };
    let badge = json!({"sender": "", "counts": {"unread": 2}});
    let disabled = json!({"data": {"org.matrix.msc4076.disable_badge_count": true}});
    let none = json!({});
    let rows = [
        ("type alone", sygnal(), json!({"type": "m.room.message"}), &none, WHOLE),
        ("nothing unread", sygnal(), json!({"counts": {"unread": 0}}), &none, WHOLE),
        ("counts stay here", sygnal(), badge.clone(), &none, no_counts),
        ("counts not wanted", sygnal(), badge.clone(), &disabled, WHOLE),
        ("no counts for hedwig", hedwig(&none), badge.clone(), &disabled, WHOLE),
        ("nothing to show", hedwig(&none), badge, &none, WHOLE),
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
        match (message_of(&sygnal(), &body, WHOLE), field) {
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
        message_of(&template, &body, WHOLE).unwrap(),
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
    let message = message_of(&template, &body, WHOLE).unwrap();
    let android =
        json!({"priority": "high", "ttl": "5s", "collapseKey": "all", "direct_boot_ok": true});
    assert_eq!(message["android"], android);
}
