//! What holds for every body.

use proptest::prelude::*;
use proptest::sample::select;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::oracle;
use crate::matrix::{DecodeError, decode};

/// Any JSON: small, nested, with odd numbers and odd text.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        (0..20_u8).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (0..1000_u32).prop_map(|it| Value::from(f64::from(it))),
        select(vec!["", "low", "high", "true", "5", "default"]).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 32, 6, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            prop::collection::vec((any_key(), inner), 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Keys that mean something somewhere, and others.
fn any_key() -> impl Strategy<Value = String> {
    let known = select(vec![
        "unread",
        "missed_calls",
        "default_payload",
        "org.matrix.msc4076.disable_badge_count",
        "sound",
        "highlight",
        "aps",
    ]);
    prop_oneof![known.prop_map(str::to_owned), any::<String>()]
}

const OF_A_NOTIFICATION: [&str; 18] = [
    "event_id",
    "room_id",
    "id",
    "type",
    "sender",
    "sender_display_name",
    "room_name",
    "room_alias",
    "membership",
    "user_is_target",
    "prio",
    "content",
    "counts",
    "ciphertext",
    "ephemeral",
    "mac",
    "unheard.of",
    "",
];

const OF_A_DEVICE: [&str; 5] = ["pushkey_ts", "data", "tweaks", "unheard.of", ""];

fn members_of(keys: &'static [&'static str]) -> impl Strategy<Value = Map<String, Value>> {
    prop::collection::vec((select(keys), any_json()), 0..8).prop_map(|members| {
        let owned = members.into_iter().map(|(key, value)| (key.to_owned(), value));
        owned.collect()
    })
}

fn any_device() -> impl Strategy<Value = Value> {
    let ids = (any::<String>(), any::<String>());
    (members_of(&OF_A_DEVICE), ids).prop_map(|(mut device, (app_id, pushkey))| {
        device.insert("app_id".to_owned(), app_id.into());
        device.insert("pushkey".to_owned(), pushkey.into());
        device.into()
    })
}

/// A body with all that is required, and anything at all in what is optional.
fn any_valid_body() -> impl Strategy<Value = Value> {
    let devices = prop::collection::vec(any_device(), 1..4);
    (members_of(&OF_A_NOTIFICATION), devices).prop_map(|(mut notification, devices)| {
        notification.insert("devices".to_owned(), devices.into());
        json!({ "notification": notification })
    })
}

/// Text that is nearly JSON.
fn nearly_json() -> impl Strategy<Value = String> {
    let token = select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "null",
        "true",
        "1",
        "-1.5e3",
        "\"a\"",
        "\\ud800",
        "\"notification\":{",
        "\"devices\":[",
        "\"app_id\":\"a\"",
        "\"pushkey\":\"k\"",
        " ",
        "\"content\":",
        "\"data\":",
        "é",
        "\u{0}",
    ]);
    prop::collection::vec(token, 0..24).prop_map(|tokens| tokens.concat())
}

proptest! {
    #[test]
    fn no_bytes_do_harm(body in prop::collection::vec(any::<u8>(), 0..256)) {
        let _ = decode(body.into());
    }

    #[test]
    fn a_damaged_body_does_no_harm(
        body in any_valid_body(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
        cut in any::<bool>(),
    ) {
        let mut body = body.to_string().into_bytes();
        let place = place.index(body.len());
        body[place] = byte;
        if cut {
            body.truncate(place);
        }
        let _ = decode(body.into());
    }

    /// No homeserver's request is refused for what is optional, and every value arrives.
    #[test]
    fn what_is_optional_never_spoils_a_request(body in any_valid_body()) {
        let request = decode(body.to_string().into()).unwrap();
        oracle::assert_same(&request, &body, "random");
    }

    /// Spaces and line ends between tokens mean nothing.
    #[test]
    fn layout_means_nothing(body in any_valid_body()) {
        let pretty = serde_json::to_string_pretty(&body).unwrap();
        let request = decode(format!("\n\t {pretty}\r\n").into()).unwrap();
        oracle::assert_same(&request, &body, "pretty");
    }

    /// "Not JSON" is said of what is not JSON, and of nothing else.
    #[test]
    fn not_json_means_not_json(body in nearly_json()) {
        let is_json = serde_json::from_str::<&RawValue>(&body).is_ok();
        let refused = decode(body.into());
        prop_assert_eq!(matches!(refused, Err(DecodeError::NotJson(_))), !is_json);
    }
}
