//! One row for each payload that clients know.

mod fit;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};

use super::{Shape, build};
use crate::matrix::decode;
use crate::providers::outcome::Outcome;
use crate::providers::push::{Push, ViewOptions};
use crate::providers::testing::WHOLE;

const R: &str = "!slw48wfj34rtnrf:example.com";
const E: &str = "$qTOWWTEL48yPm3uT-gdNhFcoHxfKbZuqRVnnWWSkGBs";

const SHAPE: Shape = Shape { limit: 4096, sound_from_tweaks: false };

/// Builds the payload of a notification for a device with `data` and `tweaks`, JSON both.
fn build_with(
    notification: &Value,
    data: &str,
    tweaks: &str,
    options: ViewOptions,
    shape: Shape,
) -> Result<String, &'static str> {
    let mut notification = notification.clone();
    notification["devices"] = json!(["DEVICE"]);
    let device = format!(r#"{{"app_id":"a","pushkey":"AQID","data":{data},"tweaks":{tweaks}}}"#);
    let body = json!({ "notification": notification }).to_string();
    let body = body.replace(r#""DEVICE""#, &device);
    let request = decode(Bytes::from(body)).unwrap();
    let push = Push::new(Arc::new(request), 0).unwrap();
    match build(&push.view(options), shape) {
        Ok(json) => Ok(String::from_utf8(json.to_vec()).unwrap()),
        Err(Outcome::Permanent(cause)) => Err(cause.reason),
        Err(other) => panic!("{other:?}"),
    }
}

/// Builds the payload of a notification with a client's `default_payload`, as JSON.
fn built(notification: &Value, default_payload: &str) -> Result<String, &'static str> {
    let data = format!(r#"{{"default_payload":{default_payload}}}"#);
    build_with(notification, &data, "null", WHOLE, SHAPE)
}

const CLIENT_DEFAULT: &str =
    r#"{"aps": {"mutable-content": 1, "alert": {"loc-key": "SINGLE_UNREAD", "loc-args": []}}}"#;

fn text_event() -> Value {
    json!({
        "event_id": E, "room_id": R, "type": "m.room.message", "sender": "@major:example.com",
        "sender_display_name": "Major Tom", "room_name": "Mission Control",
        "content": {"msgtype": "m.text", "body": "I'm floating in a most peculiar way."},
        "counts": {"unread": 2, "missed_calls": 1},
    })
}

/// Replaces `{R}` and `{E}`, which would make the rows too long.
fn filled(expected: &str) -> String {
    expected.replace("{R}", R).replace("{E}", E)
}

#[test]
fn ids() {
    let ids = |counts: Value| json!({"event_id": E, "room_id": R, "counts": counts});
    let unread = || ids(json!({"unread": 2}));
    for (notification, default_payload, expected) in [
        (
            unread(),
            CLIENT_DEFAULT,
            r#"{"aps":{"mutable-content":1,"alert":{"loc-key":"SINGLE_UNREAD","loc-args":[]}},"room_id":"{R}","event_id":"{E}","unread_count":2}"#,
        ),
        (unread(), "null", r#"{"room_id":"{R}","event_id":"{E}","unread_count":2}"#),
        (
            ids(json!({"unread": 0, "missed_calls": 3})),
            "null",
            r#"{"room_id":"{R}","event_id":"{E}","unread_count":0,"missed_calls":3}"#,
        ),
        (ids(Value::Null), "{}", r#"{"room_id":"{R}","event_id":"{E}"}"#),
        (json!({"event_id": E}), "null", r#"{"event_id":"{E}"}"#),
        // what the client wrote under our names gives way; the rest stays as it is
        (
            unread(),
            r#"{"event_id": 1, "cs": {"a": [1.50, null]}, "unread_count": "x", "room_id": []}"#,
            r#"{"cs":{"a":[1.50,null]},"room_id":"{R}","event_id":"{E}","unread_count":2}"#,
        ),
        (
            json!({"event_id": E}),
            r#"{"room_id": "mine"}"#,
            r#"{"room_id":"mine","event_id":"{E}"}"#,
        ),
        // wrong types: an `aps` Apple would refuse goes, an alert is the client's own business
        (json!({"event_id": E}), r#"{"aps": "x"}"#, r#"{"event_id":"{E}"}"#),
        (json!({"event_id": E}), r#"{"aps": null}"#, r#"{"event_id":"{E}"}"#),
        (
            json!({"event_id": E}),
            r#"{"aps": {"alert": 7, "badge": "x"}}"#,
            r#"{"aps":{"alert":7,"badge":"x"},"event_id":"{E}"}"#,
        ),
        (
            json!({"event_id": E}),
            r#"{"aps": {"alert": "New message"}}"#,
            r#"{"aps":{"alert":"New message"},"event_id":"{E}"}"#,
        ),
        (json!({"event_id": E}), r#"["x"]"#, r#"{"event_id":"{E}"}"#),
        // MSC3013: the sealed notification goes through
        (
            json!({"ciphertext": "c", "ephemeral": "e", "mac": "m", "counts": {"unread": 1}}),
            CLIENT_DEFAULT,
            r#"{"aps":{"mutable-content":1,"alert":{"loc-key":"SINGLE_UNREAD","loc-args":[]}},"ciphertext":"c","ephemeral":"e","mac":"m","unread_count":1}"#,
        ),
    ] {
        let payload = built(&notification, default_payload);
        assert_eq!(payload, Ok(filled(expected)), "{notification}");
    }
}

#[test]
fn full() {
    let text = r#""alert":{"loc-key":"MSG_FROM_USER_IN_ROOM_WITH_CONTENT","loc-args":["Major Tom","Mission Control","I'm floating in a most peculiar way."]}"#;
    let ids = r#""room_id":"{R}","event_id":"{E}""#;
    for (default_payload, expected) in [
        ("null", format!(r#"{{"aps":{{{text},"badge":3}},{ids}}}"#)),
        (CLIENT_DEFAULT, format!(r#"{{"aps":{{"mutable-content":1,{text},"badge":3}},{ids}}}"#)),
        (
            r#"{"cs": "secret", "aps": {"badge": 9, "sound": "x", "category": "c"}}"#,
            format!(
                r#"{{"cs":"secret","aps":{{"sound":"x","category":"c",{text},"badge":3}},{ids}}}"#
            ),
        ),
        // wrong types give way to right ones
        (r#"{"aps": "x"}"#, format!(r#"{{"aps":{{{text},"badge":3}},{ids}}}"#)),
        (r#"{"aps": null}"#, format!(r#"{{"aps":{{{text},"badge":3}},{ids}}}"#)),
        (r#"{"aps": {"alert": [1]}}"#, format!(r#"{{"aps":{{{text},"badge":3}},{ids}}}"#)),
        // a client's alert in one string is a body; in an object it keeps what we do not set
        (
            r#"{"aps": {"alert": "New"}}"#,
            format!(
                r#"{{"aps":{{{},"badge":3}},{ids}}}"#,
                text.replace(r#"{"loc-key"#, r#"{"body":"New","loc-key"#)
            ),
        ),
        (
            r#"{"aps": {"alert": {"loc-args": [1], "title": "T", "loc-key": 2, "x": {}}}}"#,
            format!(
                r#"{{"aps":{{{},"badge":3}},{ids}}}"#,
                text.replace(r#"{"loc-key"#, r#"{"title":"T","x":{},"loc-key"#)
            ),
        ),
    ] {
        let payload = built(&text_event(), default_payload);
        assert_eq!(payload, Ok(filled(&expected)), "{default_payload}");
    }

    let mut without_id = text_event();
    without_id["event_id"] = Value::Null;
    let expected = format!(r#"{{"aps":{{{text},"badge":3}},"room_id":"{{R}}"}}"#);
    assert_eq!(built(&without_id, "null"), Ok(filled(&expected)));
}

fn aps(event: &Value) -> Value {
    let payload = built(event, "null").unwrap();
    serde_json::from_str::<Value>(&payload).unwrap()["aps"].take()
}

#[test]
fn every_sentence() {
    let from = "Major Tom";
    let room = "Mission Control";
    let message = |content: Value| json!({"type": "m.room.message", "content": content});
    let said = |kind: &str, body: &str| message(json!({"msgtype": kind, "body": body}));
    let video = json!({"offer": {"sdp": "v=0\r\nm=video 9 UDP"}});
    let voice = json!({"offer": {"sdp": "v=0\r\nm=audio 9 UDP"}});
    let invite = json!({"type": "m.room.member", "user_is_target": true, "membership": "invite"});
    for (event, in_room, key, args) in [
        (said("m.image", "b"), true, "IMAGE_FROM_USER_IN_ROOM", vec![from, "b", room]),
        (said("m.image", "b"), false, "IMAGE_FROM_USER", vec![from, "b"]),
        (message(json!({"msgtype": "m.image"})), false, "MSG_FROM_USER", vec![from]),
        (said("m.text", "b"), true, "MSG_FROM_USER_IN_ROOM_WITH_CONTENT", vec![from, room, "b"]),
        (said("m.text", "b"), false, "MSG_FROM_USER_WITH_CONTENT", vec![from, "b"]),
        (said("m.file", "b"), true, "MSG_FROM_USER_IN_ROOM_WITH_CONTENT", vec![from, room, "b"]),
        (said("m.emote", "b"), true, "ACTION_FROM_USER_IN_ROOM", vec![room, from, "b"]),
        (said("m.emote", "b"), false, "ACTION_FROM_USER", vec![from, "b"]),
        (said("m.emote", ""), true, "MSG_FROM_USER_IN_ROOM", vec![from, room]),
        (said("m.text", ""), true, "MSG_FROM_USER_IN_ROOM", vec![from, room]),
        (
            message(json!({"msgtype": "m.text", "body": 5})),
            true,
            "MSG_FROM_USER_IN_ROOM",
            vec![from, room],
        ),
        (message(json!({"body": "b"})), true, "MSG_FROM_USER_IN_ROOM", vec![from, room]),
        (message(json!("text")), false, "MSG_FROM_USER", vec![from]),
        (
            json!({"type": "m.room.encrypted", "content": {"ciphertext": "x"}}),
            true,
            "MSG_FROM_USER_IN_ROOM",
            vec![from, room],
        ),
        (json!({"type": "m.room.encrypted"}), false, "MSG_FROM_USER", vec![from]),
        (
            json!({"type": "m.call.invite", "content": video}),
            true,
            "VIDEO_CALL_FROM_USER",
            vec![from],
        ),
        (
            json!({"type": "m.call.invite", "content": voice}),
            true,
            "VOICE_CALL_FROM_USER",
            vec![from],
        ),
        (
            json!({"type": "m.call.invite", "content": {"offer": "m=video"}}),
            true,
            "VOICE_CALL_FROM_USER",
            vec![from],
        ),
        (json!({"type": "m.call.invite"}), false, "VOICE_CALL_FROM_USER", vec![from]),
        (invite.clone(), true, "USER_INVITE_TO_NAMED_ROOM", vec![from, room]),
        (invite, false, "USER_INVITE_TO_CHAT", vec![from]),
        (json!({"type": "m.sticker"}), true, "MSG_FROM_USER", vec![from]),
        (json!({"type": "org.matrix.msc4075.rtc.notification"}), true, "MSG_FROM_USER", vec![from]),
    ] {
        let mut event = event;
        event["event_id"] = E.into();
        event["sender_display_name"] = from.into();
        if in_room {
            event["room_name"] = room.into();
        }
        let expected = json!({"alert": {"loc-key": key, "loc-args": args}});
        assert_eq!(aps(&event), expected, "{event}");
    }
}

/// The first of display name, id and a space; the room's name or its alias.
#[test]
fn every_name() {
    for (names, args) in [
        (json!({"sender_display_name": "A", "sender": "@a:x"}), json!(["A"])),
        (json!({"sender_display_name": "", "sender": "@a:x"}), json!([""])),
        (json!({"sender": "@a:x"}), json!(["@a:x"])),
        (json!({"sender": ""}), json!([" "])),
        (json!({}), json!([" "])),
        (json!({"sender": "@a:x", "room_alias": "#r:x"}), json!(["@a:x", "#r:x"])),
        (json!({"sender": "@a:x", "room_name": "", "room_alias": "#r:x"}), json!(["@a:x", "#r:x"])),
    ] {
        let mut event = names;
        event["event_id"] = E.into();
        event["type"] = "m.room.message".into();
        assert_eq!(aps(&event)["alert"]["loc-args"], args, "{event}");
    }
}

#[test]
fn badges_and_nothing() {
    let badge = |counts: Value| json!({"id": "", "type": null, "sender": "", "counts": counts});
    let leave = json!({"type": "m.room.member", "event_id": E, "membership": "leave"});
    let mut leave_with_badge = leave.clone();
    leave_with_badge["counts"] = json!({"unread": 1});
    for (notification, expected) in [
        (badge(json!({"unread": 2})), Ok(r#"{"aps":{"badge":2}}"#)),
        (badge(json!({"unread": 0})), Ok(r#"{"aps":{"badge":0}}"#)),
        (badge(json!({"missed_calls": 4})), Ok(r#"{"aps":{"badge":4}}"#)),
        // ruma's homeservers leave zeros out
        (badge(Value::Null), Ok(r#"{"aps":{"badge":0}}"#)),
        (
            badge(json!({"unread": 9_007_199_254_740_991_u64, "missed_calls": 1})),
            Ok(r#"{"aps":{"badge":9007199254740992}}"#),
        ),
        (leave, Err("nothing_to_send")),
        (
            leave_with_badge,
            Ok(
                r#"{"aps":{"mutable-content":1,"alert":{"loc-key":"SINGLE_UNREAD","loc-args":[]},"badge":1}}"#,
            ),
        ),
    ] {
        let payload = built(&notification, CLIENT_DEFAULT);
        assert_eq!(payload.as_deref(), expected.as_ref().map(|it| *it), "{notification}");
    }
}

#[test]
fn switches() {
    let no_badges = ViewOptions { send_badge_counts: false, ..WHOLE };
    let ids_only = ViewOptions { event_id_only: true, ..WHOLE };
    let msc4076 = r#"{"org.matrix.msc4076.disable_badge_count": true}"#;
    let badge = json!({"counts": {"unread": 2}});
    let ids = json!({"event_id": E, "room_id": R, "counts": {"unread": 2}});
    let bare_ids = r#"{"room_id":"{R}","event_id":"{E}"}"#;
    for (notification, data, options, expected) in [
        (&badge, "null", no_badges, Err("nothing_to_send")),
        (&badge, msc4076, WHOLE, Err("nothing_to_send")),
        (&ids, "null", no_badges, Ok(bare_ids)),
        (&ids, msc4076, WHOLE, Ok(bare_ids)),
        (
            &text_event(),
            "null",
            ids_only,
            Ok(r#"{"room_id":"{R}","event_id":"{E}","unread_count":2,"missed_calls":1}"#),
        ),
        (&text_event(), msc4076, ids_only, Ok(bare_ids)),
    ] {
        let payload = build_with(notification, data, "null", options, SHAPE);
        assert_eq!(payload, expected.map(filled), "{notification} {data}");
    }
    let payload = build_with(&text_event(), "null", "null", no_badges, SHAPE).unwrap();
    assert!(!payload.contains("badge"), "{payload}");
}

#[test]
fn sound_from_tweaks() {
    let shape = Shape { sound_from_tweaks: true, ..SHAPE };
    let ids = json!({"event_id": E});
    let badge = json!({"counts": {"unread": 2}});
    let with_sound = r#"{"default_payload":{"aps":{"sound":"mine","alert":{}}}}"#;
    for (notification, data, tweaks, expected) in [
        (&text_event(), "null", r#"{"sound":"ring"}"#, Some("ring")),
        (&text_event(), with_sound, r#"{"sound":"ring"}"#, Some("ring")),
        (&text_event(), with_sound, r#"{"sound":true}"#, Some("default")),
        (&text_event(), with_sound, r#"{"sound":""}"#, Some("mine")),
        (&text_event(), with_sound, r#"{"highlight":true}"#, Some("mine")),
        (&text_event(), "null", "null", None),
        (&ids, with_sound, r#"{"sound":"ring"}"#, Some("ring")),
        // nothing is shown: nothing is heard
        (&ids, "null", r#"{"sound":"ring"}"#, None),
        (&badge, with_sound, r#"{"sound":"ring"}"#, None),
    ] {
        let payload = build_with(notification, data, tweaks, WHOLE, shape).unwrap();
        let payload: Value = serde_json::from_str(&payload).unwrap();
        assert_eq!(payload["aps"]["sound"].as_str(), expected, "{notification} {tweaks}");
    }
    let tweaks = r#"{"sound":"ring"}"#;
    let payload = build_with(&text_event(), with_sound, tweaks, WHOLE, SHAPE).unwrap();
    assert!(payload.contains(r#""sound":"mine""#), "{payload}");
}
