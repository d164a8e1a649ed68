//! `fcm_options`, checked at start against Google's own schema of a message.
//!
//! A mistake is told with its path, instead of becoming a 400 for every push. What Sygnal overwrites
//! is let through, since `payload` overwrites it as well; what could never work is an error.

use std::collections::BTreeSet;

use jsonschema::ValidationError;
use jsonschema::error::ValidationErrorKind;
use serde_json::{Map, Value, json};

use crate::fault::Fault;

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
    ("android_v2", "cannot stand beside `android`, which peregrine writes", "use fcm_options.android"),
    ("androidV2", "cannot stand beside `android`, which peregrine writes", "use fcm_options.android"),
    ("android.data", "would replace the data of every push on Android", "remove it"),
];

/// Old names and the places of their kin in a message of HTTP v1.
const MOVED: [(&[&str], &str); 4] = [
    (
        &["aps", "alert", "badge", "sound", "category", "thread_id", "thread-id", "content_available",
          "content-available", "mutable_content", "mutable-content"],
        "write it as Apple spells it under fcm_options.apns.payload.aps",
    ),
    (&["time_to_live", "ttl"], "write `ttl_seconds` beside fcm_options"),
    (&["collapse_key", "restricted_package_name", "priority"], "write it under fcm_options.android"),
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
    match violations(&message) {
        Ok(violations) => faults.extend(violations),
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

fn violations(message: &Value) -> Result<Vec<Fault>, Box<dyn std::error::Error>> {
    let schema: Value = serde_json::from_str(SCHEMA)?;
    let validator = jsonschema::validator_for(&schema)?;
    let errors = validator.iter_errors(message);
    Ok(errors.flat_map(|error| faults_of(&error, &schema)).collect())
}

fn faults_of(error: &ValidationError<'_>, schema: &Value) -> Vec<Fault> {
    let place: String = error.instance_path().as_str().replace('/', ".");
    let key = format!("fcm_options{place}");
    match error.kind() {
        ValidationErrorKind::AdditionalProperties { unexpected } => {
            let allowed = siblings(error, schema);
            let fault = |name: &String| {
                let instead = instead_of(name, &allowed);
                Fault::new(format!("{key}.{name}"), "FCM knows no such key", instead)
            };
            unexpected.iter().map(fault).collect()
        }
        ValidationErrorKind::Enum { options } => {
            vec![Fault::new(key, "FCM does not take this value", format!("write one of {options}"))]
        }
        ValidationErrorKind::Pattern { .. } => {
            let instead = "write seconds with an `s`, like \"3600s\"";
            vec![Fault::new(key, error.to_string(), instead)]
        }
        _ => vec![Fault::new(key, error.to_string(), "")],
    }
}

/// Returns the keys allowed where `error` found another, in their usual spelling.
fn siblings<'s>(error: &ValidationError<'_>, schema: &'s Value) -> BTreeSet<&'s str> {
    let keyword = error.schema_path().as_str();
    let object = keyword.rsplit_once('/').map_or("", |(object, _)| object);
    let properties = schema.pointer(&format!("{object}/properties"));
    let properties = properties.and_then(Value::as_object);
    let names = properties.into_iter().flat_map(Map::keys).map(String::as_str);
    let refused = |name: &str| {
        USELESS.iter().any(|(key, ..)| *key == name) || OVERWRITTEN.contains(&name)
    };
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
                &["fcm_options.content_available: FCM knows no such key; write it as Apple spells it under fcm_options.apns.payload.aps"],
            ),
            (
                json!({"apns": {"aps": {}}}),
                &["fcm_options.apns.aps: FCM knows no such key; write it as Apple spells it under fcm_options.apns.payload.aps"],
            ),
            (
                json!({"time_to_live": 5}),
                &["fcm_options.time_to_live: FCM knows no such key; write `ttl_seconds` beside fcm_options"],
            ),
            (
                json!({"androd": {}}),
                &["fcm_options.androd: FCM knows no such key; did you mean `android`?"],
            ),
            (
                json!({"qqq": {}}),
                &["fcm_options.qqq: FCM knows no such key; known here: android, apns, fcm_options, notification, webpush"],
            ),
            (
                json!({"android": {"priority": "urgent"}}),
                &["fcm_options.android.priority: FCM does not take this value; write one of [\"NORMAL\",\"HIGH\",\"normal\",\"high\"]"],
            ),
            (
                json!({"android": {"notification": {"chanel_id": "x", "sticky": "yes"}}}),
                &[
                    "fcm_options.android.notification.sticky: \"yes\" is not of type \"boolean\"",
                    "fcm_options.android.notification.chanel_id: FCM knows no such key; did you mean `channel_id`?",
                ],
            ),
            (
                json!({"android": {"ttl": "1h"}}),
                &["fcm_options.android.ttl: \"1h\" does not match \"^-?[0-9]{1,12}(\\.[0-9]{1,9})?s$\"; write seconds with an `s`, like \"3600s\""],
            ),
            (json!({"topic": "news"}), &["fcm_options.topic: a push goes to one device, not to a topic; remove it"]),
            (
                json!({"android_v2": {"background_sync": {}}}),
                &["fcm_options.android_v2: cannot stand beside `android`, which peregrine writes; use fcm_options.android"],
            ),
            (
                json!({"android": {"data": {"a": "b"}}}),
                &["fcm_options.android.data: would replace the data of every push on Android; remove it"],
            ),
            (
                json!({"notification": {"title": "x".repeat(3100)}}),
                &["fcm_options: its texts take 3112 of the 4096 bytes that a message may have; shorten them to 3072 bytes"],
            ),
            (json!({"notification": []}), &["fcm_options.notification: [] is not of type \"object\""]),
        ];
        for (options, expected) in rows {
            let faults = check(options.as_object().unwrap());
            let faults: BTreeSet<String> = faults.iter().map(ToString::to_string).collect();
            let expected: BTreeSet<String> = expected.iter().map(ToString::to_string).collect();
            assert_eq!(faults, expected, "{options}");
        }
    }
}
