//! What has been read of a body so far, and how each field is read.
//!
//! Everything optional may be `null` (absent) or of the wrong type (absent, and named in
//! [`NotifyRequest::ignored`](super::NotifyRequest::ignored)).

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::{
    Counts, DecodeError, Device, IgnoredField, Json, Notification, NotifyRequest, Priority,
    PusherData, Text, Tweaks, json,
};

/// The largest integer Matrix allows in JSON: 2^53 - 1
/// (<https://spec.matrix.org/latest/appendices/#canonical-json>).
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A `pushkey_ts` above this (the year 5138 in seconds) is in milliseconds.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// What has been read so far.
pub(super) struct Draft<'a> {
    body: &'a Text,
    pub(super) notification: Option<Notification>,
    pub(super) devices: Option<Vec<DraftDevice>>,
    pub(super) ignored: Vec<IgnoredField>,
}

#[derive(Default)]
pub(super) struct DraftDevice {
    pub(super) app_id: Option<Text>,
    pub(super) pushkey: Option<Text>,
    pub(super) device: Device,
}

impl<'a> Draft<'a> {
    pub(super) fn new(body: &'a Text) -> Self {
        Self {
            body,
            notification: None,
            devices: None,
            ignored: Vec::new(),
        }
    }

    pub(super) fn finish(self) -> Result<NotifyRequest, DecodeError> {
        let missing = |name: &str| DecodeError::MissingParam(name.to_owned());
        let notification = self.notification.ok_or_else(|| missing("notification"))?;
        let drafts = self
            .devices
            .ok_or_else(|| missing("notification.devices"))?;
        if drafts.is_empty() {
            return Err(DecodeError::InvalidParam(
                "`notification.devices` is empty: name at least one device".to_owned(),
            ));
        }
        let mut devices = Vec::with_capacity(drafts.len());
        for (i, draft) in drafts.into_iter().enumerate() {
            let mut device = draft.device;
            device.app_id = draft
                .app_id
                .ok_or_else(|| missing(&format!("notification.devices[{i}].app_id")))?;
            device.pushkey = draft
                .pushkey
                .ok_or_else(|| missing(&format!("notification.devices[{i}].pushkey")))?;
            devices.push(device);
        }
        Ok(NotifyRequest {
            notification,
            devices,
            ignored: self.ignored,
        })
    }

    /// Shares the body's bytes where the JSON had no escapes.
    pub(super) fn keep(&self, text: Cow<'_, str>) -> Text {
        match text {
            Cow::Borrowed(slice) => self.body.slice_ref(slice),
            Cow::Owned(text) => text.into(),
        }
    }

    pub(super) fn keep_json(&self, value: &RawValue) -> Json {
        Json::from_text(self.body.slice_ref(value.get()))
    }

    fn ignore<T>(&mut self, field: &'static str) -> Option<T> {
        let field = IgnoredField(field);
        if !self.ignored.contains(&field) {
            self.ignored.push(field);
        }
        None
    }

    pub(super) fn text(&mut self, field: &'static str, value: &RawValue) -> Option<Text> {
        match json::text(value) {
            Some(text) => Some(self.keep(text)),
            None if is_null(value) => None,
            None => self.ignore(field),
        }
    }

    /// Like `text`, with the empty string as absent: Synapse's badge pushes have `"id": ""`.
    pub(super) fn id(&mut self, field: &'static str, value: &RawValue) -> Option<Text> {
        self.text(field, value).filter(|text| !text.is_empty())
    }

    pub(super) fn boolean(&mut self, field: &'static str, value: &RawValue) -> Option<bool> {
        match value.get() {
            "true" => Some(true),
            "false" => Some(false),
            "null" => None,
            _ => self.ignore(field),
        }
    }

    pub(super) fn object(&mut self, field: &'static str, value: &RawValue) -> Option<Json> {
        match value.get().as_bytes().first() {
            Some(b'{') => Some(self.keep_json(value)),
            _ if is_null(value) => None,
            _ => self.ignore(field),
        }
    }

    pub(super) fn integer(&mut self, field: &'static str, value: &RawValue) -> Option<u64> {
        if is_null(value) {
            return None;
        }
        integer(value.get()).or_else(|| self.ignore(field))
    }

    pub(super) fn counts(&mut self, value: &RawValue) -> Option<Counts> {
        let object = self.object("counts", value)?;
        let mut counts = Counts::default();
        for (key, value) in object.members() {
            match key.as_ref() {
                "unread" => counts.unread = self.integer("counts.unread", value),
                "missed_calls" => counts.missed_calls = self.integer("counts.missed_calls", value),
                _ => {}
            }
        }
        (counts != Counts::default()).then_some(counts)
    }

    pub(super) fn data(&mut self, value: &RawValue) -> PusherData {
        let Some(raw) = self.object("devices.data", value) else {
            return PusherData::default();
        };
        let mut data = PusherData::default();
        for (key, value) in raw.members() {
            match key.as_ref() {
                "default_payload" => {
                    data.default_payload = self.object("devices.data.default_payload", value);
                }
                "org.matrix.msc4076.disable_badge_count" => {
                    let field = "devices.data.org.matrix.msc4076.disable_badge_count";
                    data.disable_badge_count = self.boolean(field, value).unwrap_or(false);
                }
                _ => {}
            }
        }
        data.raw = Some(raw);
        data
    }

    pub(super) fn tweaks(&mut self, value: &RawValue) -> Tweaks {
        let Some(raw) = self.object("devices.tweaks", value) else {
            return Tweaks::default();
        };
        let mut tweaks = Tweaks::default();
        for (key, value) in raw.members() {
            match key.as_ref() {
                // Synapse makes a tweak without a value `true`.
                "sound" if value.get() == "true" => tweaks.sound = Some("default".into()),
                "sound" => tweaks.sound = self.text("devices.tweaks.sound", value),
                "highlight" => {
                    tweaks.highlight = self
                        .boolean("devices.tweaks.highlight", value)
                        .unwrap_or(false);
                }
                _ => {}
            }
        }
        tweaks
    }

    pub(super) fn priority(&mut self, value: &RawValue) -> Priority {
        match self.text("prio", value).as_deref() {
            Some("low") => Priority::Low,
            _ => Priority::High,
        }
    }
}

pub(super) fn is_null(value: &RawValue) -> bool {
    value.get() == "null"
}

/// Reads a count: integers, integral floats, and what is too large as the largest.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "range checked"
)]
fn integer(json: &str) -> Option<u64> {
    if let Ok(integer) = json.parse::<u64>() {
        return Some(integer.min(MAX_INTEGER));
    }
    let first = json.bytes().next()?;
    if !first.is_ascii_digit() && first != b'-' {
        return None;
    }
    let float: f64 = json.parse().ok()?;
    if float >= 9_007_199_254_740_991.0 {
        return Some(MAX_INTEGER);
    }
    (float >= 0.0 && float.fract() == 0.0).then_some(float as u64)
}

pub(super) fn seconds(pushkey_ts: u64) -> Option<u64> {
    match pushkey_ts {
        0 => None,
        ts if ts >= MILLISECONDS_FROM => Some(ts / 1000),
        ts => Some(ts),
    }
}
