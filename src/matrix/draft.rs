//! What has been read of a body so far, and how each field is read.
//!
//! Everything optional may be `null` (absent) or of the wrong type (absent, and named in
//! [`NotifyRequest::ignored`](super::NotifyRequest::ignored)).

use std::borrow::Cow;

use super::scan::{NotJson, Quoted, Scan, Value};
use super::{
    Counts, DecodeError, IgnoredField, Json, NotifyRequest, Priority, PusherData, Text, Tweaks,
};

/// The largest integer Matrix allows in JSON: 2^53 - 1
/// (<https://spec.matrix.org/latest/appendices/#canonical-json>).
const MAX_INTEGER: u64 = (1 << 53) - 1;

/// A `pushkey_ts` above this (the year 5138 in seconds) is in milliseconds.
const MILLISECONDS_FROM: u64 = 100_000_000_000;

/// What a device plays for a sound without a name.
const DEFAULT_SOUND: Text = Text::from_static("default");

/// What has been read so far.
pub(super) struct Draft<'a> {
    body: &'a Text,
    /// Filled where it stays: it is too large to be moved about.
    pub(super) request: NotifyRequest,
    pub(super) has_notification: bool,
    pub(super) has_devices: bool,
    /// The first device that lacks something, and what.
    pub(super) missing: Option<(usize, &'static str)>,
}

impl<'a> Draft<'a> {
    pub(super) fn new(body: &'a Text) -> Self {
        Self {
            body,
            request: NotifyRequest::default(),
            has_notification: false,
            has_devices: false,
            missing: None,
        }
    }

    pub(super) fn finish(self) -> Result<NotifyRequest, DecodeError> {
        let missing = |name: &str| Err(DecodeError::MissingParam(name.to_owned()));
        if !self.has_notification {
            return missing("notification");
        }
        if !self.has_devices {
            return missing("notification.devices");
        }
        if self.request.devices.is_empty() {
            return Err(DecodeError::InvalidParam(
                "`notification.devices` is empty: name at least one device".to_owned(),
            ));
        }
        if let Some((i, name)) = self.missing {
            return missing(&format!("notification.devices[{i}].{name}"));
        }
        Ok(self.request)
    }

    /// Shares the body's bytes where the JSON had no escapes.
    pub(super) fn keep(&self, text: Quoted<'_>) -> Text {
        match text.text() {
            Cow::Borrowed(slice) => self.body.slice_ref(slice),
            Cow::Owned(text) => text.into(),
        }
    }

    pub(super) fn keep_json(&self, json: &str) -> Json {
        Json::from_text(self.body.slice_ref(json))
    }

    /// Takes a value of the wrong type as absent.
    fn ignore<T>(&mut self, field: &'static str, value: Value<'_>) -> Option<T> {
        let field = IgnoredField(field);
        let ignored = &mut self.request.ignored;
        if value != Value::Null && !ignored.contains(&field) {
            ignored.push(field);
        }
        None
    }

    pub(super) fn text(&mut self, field: &'static str, value: Value<'_>) -> Option<Text> {
        match value {
            Value::Text(text) => Some(self.keep(text)),
            other => self.ignore(field, other),
        }
    }

    /// Like `text`, with the empty string as absent: Synapse's badge pushes have `"id": ""`.
    pub(super) fn id(&mut self, field: &'static str, value: Value<'_>) -> Option<Text> {
        self.text(field, value).filter(|text| !text.is_empty())
    }

    pub(super) fn boolean(&mut self, field: &'static str, value: Value<'_>) -> Option<bool> {
        match value {
            Value::Bool(value) => Some(value),
            other => self.ignore(field, other),
        }
    }

    pub(super) fn object(&mut self, field: &'static str, value: Value<'_>) -> Option<Json> {
        match value {
            Value::Object(json) => Some(self.keep_json(json)),
            other => self.ignore(field, other),
        }
    }

    fn integer(&mut self, field: &'static str, value: Value<'_>) -> Option<u64> {
        match value {
            Value::Number(number) => integer(number).or_else(|| self.ignore(field, value)),
            other => self.ignore(field, other),
        }
    }

    /// Reads a time in seconds since the epoch; some clients send milliseconds.
    pub(super) fn seconds(&mut self, field: &'static str, value: Value<'_>) -> Option<u64> {
        match self.integer(field, value)? {
            0 => None,
            ts if ts >= MILLISECONDS_FROM => Some(ts / 1000),
            ts => Some(ts),
        }
    }

    /// Begins an object whose members are read; any other value is passed.
    fn begins(&mut self, field: &'static str, scan: &mut Scan<'_>) -> Result<bool, NotJson> {
        let begins = scan.begin_object();
        if !begins {
            let _: Option<()> = self.ignore(field, scan.value()?);
        }
        Ok(begins)
    }

    pub(super) fn counts(&mut self, scan: &mut Scan<'_>) -> Result<Option<Counts>, NotJson> {
        if !self.begins("counts", scan)? {
            return Ok(None);
        }
        let mut counts = Counts::default();
        while let Some(key) = scan.next_key()? {
            let value = scan.value()?;
            match &*key.text() {
                "unread" => counts.unread = self.integer("counts.unread", value),
                "missed_calls" => counts.missed_calls = self.integer("counts.missed_calls", value),
                _ => {}
            }
        }
        Ok((counts != Counts::default()).then_some(counts))
    }

    pub(super) fn data(&mut self, scan: &mut Scan<'_>) -> Result<PusherData, NotJson> {
        let mut data = PusherData::default();
        let start = scan.token();
        if !self.begins("devices.data", scan)? {
            return Ok(data);
        }
        while let Some(key) = scan.next_key()? {
            let value = scan.value()?;
            match &*key.text() {
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
        data.raw = Some(self.keep_json(scan.since(start)));
        Ok(data)
    }

    pub(super) fn tweaks(&mut self, scan: &mut Scan<'_>) -> Result<Tweaks, NotJson> {
        let mut tweaks = Tweaks::default();
        if !self.begins("devices.tweaks", scan)? {
            return Ok(tweaks);
        }
        while let Some(key) = scan.next_key()? {
            let value = scan.value()?;
            match &*key.text() {
                // Synapse makes a tweak without a value `true`.
                "sound" if value == Value::Bool(true) => tweaks.sound = Some(DEFAULT_SOUND),
                "sound" => tweaks.sound = self.text("devices.tweaks.sound", value),
                "highlight" => {
                    let highlight = self.boolean("devices.tweaks.highlight", value);
                    tweaks.highlight = highlight.unwrap_or(false);
                }
                _ => {}
            }
        }
        Ok(tweaks)
    }

    pub(super) fn priority(&mut self, value: Value<'_>) -> Priority {
        match self.text("prio", value).as_deref() {
            Some("low") => Priority::Low,
            _ => Priority::High,
        }
    }
}

/// Reads a count: integers, integral floats, and what is too large as the largest.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "range checked")]
fn integer(json: &str) -> Option<u64> {
    if let Ok(integer) = json.parse::<u64>() {
        return Some(integer.min(MAX_INTEGER));
    }
    let float: f64 = json.parse().ok()?;
    if float >= 9_007_199_254_740_991.0 {
        return Some(MAX_INTEGER);
    }
    (float >= 0.0 && float.fract() == 0.0).then_some(float as u64)
}
