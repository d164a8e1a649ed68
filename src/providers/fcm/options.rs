//! `fcm_options`, checked at start against Google's own schema of a message.
//!
//! A mistake is told with its path, instead of becoming a 400 for every push. What Sygnal
//! overwrites is let through, since `payload` overwrites it as well; what could never work is an
//! error.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use crate::fault::Fault;
use crate::schema::{self, Kind, Violation};

/// Google's `Message`.
const SCHEMA: &str = include_str!("message.schema.json");

/// The most that texts of the operator may take of FCM's 4096 bytes: ids need the rest.
const MAX_STATIC_BYTES: usize = 3072;

/// Members that each push has of its own: Sygnal overwrites them, and so do we.
const OVERWRITTEN: [&str; 2] = ["data", "token"];

/// Keys that could never work, with the reason and what to write instead.
const USELESS: [(&str, &str, &str); 6] = [
    ("fid", "the pushkey names the device", "remove it"),
    ("topic", "a push goes to one device, not to a topic", "remove it"),
    ("condition", "a push goes to one device, not to topics", "remove it"),
    (
        "android_v2",
        "cannot stand beside `android`, which peregrine writes",
        "use fcm_options.android",
    ),
    (
        "androidV2",
        "cannot stand beside `android`, which peregrine writes",
        "use fcm_options.android",
    ),
    ("android.data", "would replace the data of every push on Android", "remove it"),
];

/// Old names and the places of their kin in a message of HTTP v1.
const MOVED: [(&[&str], &str); 4] = [
    (
        &[
            "aps",
            "alert",
            "badge",
            "sound",
            "category",
            "thread_id",
            "thread-id",
            "content_available",
            "content-available",
            "mutable_content",
            "mutable-content",
        ],
        "write it as Apple spells it under fcm_options.apns.payload.aps",
    ),
    (&["time_to_live", "ttl"], "write `ttl_seconds` beside fcm_options"),
    (
        &["collapse_key", "restricted_package_name", "priority"],
        "write it under fcm_options.android",
    ),
    (&["title", "body", "image"], "write it under fcm_options.notification"),
];

/// Returns what is wrong with the options.
pub(super) fn check(options: &Map<String, Value>) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut message = Value::Object(options.clone());
    for (key, what, instead) in USELESS {
        if remove(&mut message, key) {
            faults.push(Fault::new(format!("fcm_options.{key}"), what, instead));
        }
    }
    for key in OVERWRITTEN {
        remove(&mut message, key);
    }
    faults.extend(too_large(&message));
    message["token"] = json!("device");
    match serde_json::from_str(SCHEMA) {
        Ok(schema) => faults.extend(schema::violations(&schema, &message).iter().map(fault)),
        Err(error) => faults.push(Fault::new("fcm_options", error.to_string(), "")),
    }
    faults
}

/// Removes `key` or `object.key`; false if it is not there.
fn remove(message: &mut Value, key: &str) -> bool {
    let (parent, key) = match key.split_once('.') {
        Some((object, key)) => (message.get_mut(object), key),
        None => (Some(message), key),
    };
    let parent = parent.and_then(Value::as_object_mut);
    parent.and_then(|parent| parent.remove(key)).is_some()
}

fn too_large(message: &Value) -> Option<Fault> {
    const VISIBLE: [&str; 3] = ["/notification", "/android/notification", "/apns/payload"];
    let size = |pointer| message.pointer(pointer).map_or(0, |value| value.to_string().len());
    let taken: usize = VISIBLE.into_iter().map(size).sum();
    (taken > MAX_STATIC_BYTES).then(|| {
        Fault::new(
            "fcm_options",
            format!("its texts take {taken} of the 4096 bytes that a message may have"),
            format!("shorten them to {MAX_STATIC_BYTES} bytes"),
        )
    })
}

fn fault(violation: &Violation<'_>) -> Fault {
    let place: Vec<&str> = violation.at.iter().map(String::as_str).collect();
    let key = [&["fcm_options"], place.as_slice()].concat().join(".");
    match violation.kind {
        Kind::Unknown(name) => {
            let instead = instead_of(name, &siblings(violation.schema));
            Fault::new(format!("{key}.{name}"), "FCM knows no such key", instead)
        }
        _ => Fault::new(key, "FCM does not take this value", wanted(violation)),
    }
}

/// Returns what to write where a value does not fit.
fn wanted(violation: &Violation<'_>) -> String {
    if let Kind::Pattern(_) = violation.kind {
        return "write seconds with an `s`, like \"3600s\"".to_owned();
    }
    let schema = violation.schema;
    match (&schema["enum"], schema["type"].as_str()) {
        (Value::Array(words), _) => format!("write one of {}", Value::from(words.clone())),
        (_, Some("boolean")) => "write `true` or `false`".to_owned(),
        (_, Some("integer" | "number")) => "write a number within Google's bounds".to_owned(),
        (_, Some("string")) => "write text".to_owned(),
        (_, Some("array")) => "write a list".to_owned(),
        (_, Some("object")) => "write a mapping of keys and values".to_owned(),
        _ => String::new(),
    }
}

/// Returns the keys that an object can have, in their usual spelling.
fn siblings(schema: &Value) -> BTreeSet<&str> {
    let properties = schema["properties"].as_object();
    let names = properties.into_iter().flat_map(Map::keys).map(String::as_str);
    let refused =
        |name: &str| USELESS.iter().any(|(key, ..)| *key == name) || OVERWRITTEN.contains(&name);
    names.filter(|name| !name.contains(char::is_uppercase) && !refused(name)).collect()
}

fn instead_of(name: &str, allowed: &BTreeSet<&str>) -> String {
    let moved = MOVED.iter().find(|(names, _)| names.contains(&name));
    if let Some((_, place)) = moved {
        return (*place).to_owned();
    }
    let near = allowed.iter().find(|known| strsim::jaro_winkler(name, known) > 0.88);
    if let Some(near) = near {
        return format!("did you mean `{near}`?");
    }
    let allowed: Vec<&str> = allowed.iter().copied().collect();
    format!("known here: {}", allowed.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_and_where() {
        let rows: Vec<(Value, &[&str])> = vec![
            (json!({}), &[]),
            (
                json!({"notification": {"title": "t"}, "android": {"ttl": "3.5s", "priority": "HIGH"},
                       "apns": {"headers": {"apns-priority": "5"}, "payload": {"aps": {"content-available": 1}}},
                       "webpush": {"fcm_options": {"link": "https://example.org"}},
                       "fcmOptions": {"analyticsLabel": "x"}}),
                &[],
            ),
            (json!({"data": {"n": 1}, "token": 7}), &[]),
            (
                json!({"content_available": true}),
                &[
                    "fcm_options.content_available: FCM knows no such key; write it as Apple spells it under fcm_options.apns.payload.aps",
                ],
            ),
            (
                json!({"apns": {"aps": {}}}),
                &[
                    "fcm_options.apns.aps: FCM knows no such key; write it as Apple spells it under fcm_options.apns.payload.aps",
                ],
            ),
            (
                json!({"time_to_live": 5}),
                &[
                    "fcm_options.time_to_live: FCM knows no such key; write `ttl_seconds` beside fcm_options",
                ],
            ),
            (
                json!({"androd": {}}),
                &["fcm_options.androd: FCM knows no such key; did you mean `android`?"],
            ),
            (
                json!({"qqq": {}}),
                &[
                    "fcm_options.qqq: FCM knows no such key; known here: android, apns, fcm_options, notification, webpush",
                ],
            ),
            (
                json!({"android": {"priority": "urgent"}}),
                &[
                    "fcm_options.android.priority: FCM does not take this value; write one of [\"NORMAL\",\"HIGH\",\"normal\",\"high\"]",
                ],
            ),
            (
                json!({"android": {"notification": {"chanel_id": "x", "sticky": "yes"}}}),
                &[
                    "fcm_options.android.notification.sticky: FCM does not take this value; write `true` or `false`",
                    "fcm_options.android.notification.chanel_id: FCM knows no such key; did you mean `channel_id`?",
                ],
            ),
            (
                json!({"android": {"ttl": "1h"}}),
                &[
                    "fcm_options.android.ttl: FCM does not take this value; write seconds with an `s`, like \"3600s\"",
                ],
            ),
            (
                json!({"topic": "news"}),
                &["fcm_options.topic: a push goes to one device, not to a topic; remove it"],
            ),
            (
                json!({"android_v2": {"background_sync": {}}}),
                &[
                    "fcm_options.android_v2: cannot stand beside `android`, which peregrine writes; use fcm_options.android",
                ],
            ),
            (
                json!({"android": {"data": {"a": "b"}}}),
                &[
                    "fcm_options.android.data: would replace the data of every push on Android; remove it",
                ],
            ),
            (
                json!({"notification": {"title": "x".repeat(3100)}}),
                &[
                    "fcm_options: its texts take 3112 of the 4096 bytes that a message may have; shorten them to 3072 bytes",
                ],
            ),
            (
                json!({"notification": []}),
                &[
                    "fcm_options.notification: FCM does not take this value; write a mapping of keys and values",
                ],
            ),
        ];
        for (options, expected) in rows {
            let faults = check(options.as_object().unwrap());
            let faults: BTreeSet<String> = faults.iter().map(ToString::to_string).collect();
            let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(faults, expected, "{options}");
        }
    }
}
