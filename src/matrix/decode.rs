//! From a request body to a [`NotifyRequest`]: one pass, linear in the body, forgiving where the
//! contract says so.
//!
//! A homeserver repeats a refused request for 24 hours and holds that user's later pushes back
//! meanwhile, so only what no homeserver sends is refused. Everything optional may be `null`
//! (absent) or of the wrong type (absent, and named in [`NotifyRequest::ignored`]).

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use super::draft::{Draft, DraftDevice, is_null, seconds};
use super::json::{self, StringBytes};
use super::{Encrypted, Notification, NotifyRequest, Text};

/// The longest error text, in characters.
const MAX_ERROR_CHARS: usize = 160;

/// Why a body is refused. Each is one `errcode` of the specification.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Not UTF-8, or not JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// JSON of the wrong shape.
    #[error("{0}")]
    BadJson(String),
    /// A required member is missing.
    #[error("`{0}` is missing")]
    MissingParam(String),
    /// A value that is not allowed.
    #[error("{0}")]
    InvalidParam(String),
}

/// Parses the body of `POST /_matrix/push/v1/notify`.
///
/// # Errors
///
/// Returns what is wrong, and where, if the body is not JSON or lacks a required member.
pub fn decode(body: bytes::Bytes) -> Result<NotifyRequest, DecodeError> {
    let text = Text::try_from(body).map_err(|error| DecodeError::NotJson(error.to_string()))?;
    let mut draft = Draft::new(&text);
    let mut de = serde_json::Deserializer::from_str(&text);
    (&mut de)
        .deserialize_any(Top(&mut draft))
        .and_then(|()| de.end())
        .map_err(|error| refusal(&text, &error))?;
    draft.finish()
}

/// Tells what is not JSON from what only has the wrong shape: parsing stops at the first fault, and
/// behind a wrong shape there may be no JSON.
fn refusal(body: &str, error: &serde_json::Error) -> DecodeError {
    if error.classify() != Category::Data {
        return DecodeError::NotJson(told(error));
    }
    match serde_json::from_str::<&RawValue>(body) {
        Ok(_) => DecodeError::BadJson(told(error)),
        Err(error) => DecodeError::NotJson(told(&error)),
    }
}

/// Returns the error's text, short even where it quotes the body.
fn told(error: &serde_json::Error) -> String {
    let text = error.to_string();
    match text.char_indices().nth(MAX_ERROR_CHARS) {
        None => text,
        Some((end, _)) => {
            let (line, column) = (error.line(), error.column());
            format!("{}… at line {line} column {column}", &text[..end])
        }
    }
}

struct Top<'d, 'a>(&'d mut Draft<'a>);

impl<'de> Visitor<'de> for Top<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with `notification`")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key_seed(StringBytes)? {
            if key == "notification" {
                map.next_value_seed(NotificationSeed(self.0))?;
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        Ok(())
    }
}

struct NotificationSeed<'d, 'a>(&'d mut Draft<'a>);

impl<'de> DeserializeSeed<'de> for NotificationSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, de: D) -> Result<(), D::Error> {
        de.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for NotificationSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object in `notification`")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.notification = None;
        self.0.devices = None;
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let draft = self.0;
        draft.devices = None;
        let mut it = Notification::default();
        let mut encrypted = Encrypted::default();
        while let Some(key) = map.next_key_seed(StringBytes)? {
            if key == "devices" {
                map.next_value_seed(DevicesSeed(draft))?;
                continue;
            }
            let value: &RawValue = map.next_value()?;
            match key.as_ref() {
                "event_id" => it.event_id = draft.id("event_id", value),
                "room_id" => it.room_id = draft.id("room_id", value),
                "type" => it.event_type = draft.id("type", value),
                "sender" => it.sender = draft.text("sender", value),
                "sender_display_name" => {
                    it.sender_display_name = draft.text("sender_display_name", value);
                }
                "room_name" => it.room_name = draft.text("room_name", value),
                "room_alias" => it.room_alias = draft.text("room_alias", value),
                "membership" => it.membership = draft.text("membership", value),
                "user_is_target" => it.user_is_target = draft.boolean("user_is_target", value),
                "prio" => it.prio = draft.priority(value),
                "content" => it.content = draft.object("content", value),
                "counts" => it.counts = draft.counts(value),
                "ciphertext" => encrypted.ciphertext = draft.text("ciphertext", value),
                "ephemeral" => encrypted.ephemeral = draft.text("ephemeral", value),
                "mac" => encrypted.mac = draft.text("mac", value),
                _ => {}
            }
        }
        it.encrypted = encrypted;
        draft.notification = Some(it);
        Ok(())
    }
}

struct DevicesSeed<'d, 'a>(&'d mut Draft<'a>);

impl<'de> DeserializeSeed<'de> for DevicesSeed<'_, 'de> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, de: D) -> Result<(), D::Error> {
        de.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for DevicesSeed<'_, 'de> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list in `notification.devices`")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.devices = None;
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<(), A::Error> {
        let mut devices = Vec::with_capacity(1);
        while let Some(value) = seq.next_element::<&RawValue>()? {
            devices.push(device(self.0, devices.len(), value)?);
        }
        self.0.devices = Some(devices);
        Ok(())
    }
}

fn device<E: Error>(draft: &mut Draft<'_>, i: usize, value: &RawValue) -> Result<DraftDevice, E> {
    let raw = draft.keep_json(value);
    if !raw.is_object() {
        return Err(E::custom(format!(
            "`notification.devices[{i}]` is not an object"
        )));
    }
    let required = |draft: &Draft<'_>, name: &str, value: &RawValue| match json::text(value) {
        Some(text) => Ok(Some(draft.keep(text))),
        None if is_null(value) => Ok(None),
        None => Err(E::custom(format!(
            "`notification.devices[{i}].{name}` is not a string"
        ))),
    };
    let mut it = DraftDevice::default();
    for (key, value) in json::members(value.get()) {
        match key.as_ref() {
            "app_id" => it.app_id = required(draft, "app_id", value)?,
            "pushkey" => it.pushkey = required(draft, "pushkey", value)?,
            "pushkey_ts" => {
                it.device.pushkey_ts = draft.integer("devices.pushkey_ts", value).and_then(seconds);
            }
            "data" => it.device.data = draft.data(value),
            "tweaks" => it.device.tweaks = draft.tweaks(value),
            _ => {}
        }
    }
    it.device.raw = raw;
    Ok(it)
}
