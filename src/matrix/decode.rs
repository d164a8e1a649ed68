//! From a request body to a [`NotifyRequest`]: one pass, linear in the body, forgiving where the
//! contract says so.
//!
//! A homeserver repeats a refused request for 24 hours and holds that user's later pushes back
//! meanwhile, so only what no homeserver sends is refused. Everything optional may be `null`
//! (absent) or of the wrong type (absent, and named in [`NotifyRequest::ignored`]); of duplicate
//! keys the last counts.

use serde_json::value::RawValue;

use super::draft::Draft;
use super::scan::{NotJson, Scan, Value};
use super::{Device, Notification, NotifyRequest, Text};

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
    let mut scan = Scan::new(&text);
    body_of(&mut draft, &mut scan).map_err(|fault| refusal(&text, fault))?;
    draft.finish()
}

/// Why reading stopped.
enum Fault {
    NotJson,
    /// What should be there, and where.
    Shape(String, usize),
}

impl From<NotJson> for Fault {
    fn from(_: NotJson) -> Self {
        Self::NotJson
    }
}

/// Tells what is not JSON from what only has the wrong shape: reading stops at the first fault, and
/// behind a wrong shape there may be no JSON.
fn refusal(body: &str, fault: Fault) -> DecodeError {
    match (serde_json::from_str::<&RawValue>(body), fault) {
        (Err(error), _) => DecodeError::NotJson(error.to_string()),
        (Ok(_), Fault::Shape(expected, at)) => {
            let before = &body[..at];
            let line = before.matches('\n').count() + 1;
            let column = before.rfind('\n').map_or(at, |end| at - end - 1) + 1;
            DecodeError::BadJson(format!("{expected} at line {line} column {column}"))
        }
        (Ok(_), Fault::NotJson) => DecodeError::NotJson("it cannot be read".to_owned()),
    }
}

fn body_of(draft: &mut Draft<'_>, scan: &mut Scan<'_>) -> Result<(), Fault> {
    let start = scan.token();
    if !scan.begin_object() {
        let expected = "an object with `notification` is expected".to_owned();
        return Err(Fault::Shape(expected, start));
    }
    while let Some(key) = scan.next_key()? {
        if key.text() == "notification" {
            notification(draft, scan)?;
        } else {
            scan.value()?;
        }
    }
    Ok(scan.end()?)
}

fn notification(draft: &mut Draft<'_>, scan: &mut Scan<'_>) -> Result<(), Fault> {
    (draft.has_notification, draft.has_devices) = (false, false);
    let start = scan.token();
    if !scan.begin_object() {
        return null_or(scan, start, || "an object in `notification` is expected".to_owned());
    }
    let mut it = Notification::default();
    while let Some(key) = scan.next_key()? {
        match &*key.text() {
            "devices" => devices(draft, scan)?,
            "event_id" => it.event_id = draft.id("event_id", scan.value()?),
            "room_id" => it.room_id = draft.id("room_id", scan.value()?),
            "type" => it.event_type = draft.id("type", scan.value()?),
            "sender" => it.sender = draft.text("sender", scan.value()?),
            "sender_display_name" => {
                it.sender_display_name = draft.text("sender_display_name", scan.value()?);
            }
            "room_name" => it.room_name = draft.text("room_name", scan.value()?),
            "room_alias" => it.room_alias = draft.text("room_alias", scan.value()?),
            "membership" => it.membership = draft.text("membership", scan.value()?),
            "user_is_target" => {
                it.user_is_target = draft.boolean("user_is_target", scan.value()?);
            }
            "prio" => it.prio = draft.priority(scan.value()?),
            "content" => it.content = draft.object("content", scan.value()?),
            "counts" => it.counts = draft.counts(scan)?,
            "ciphertext" => it.encrypted.ciphertext = draft.text("ciphertext", scan.value()?),
            "ephemeral" => it.encrypted.ephemeral = draft.text("ephemeral", scan.value()?),
            "mac" => it.encrypted.mac = draft.text("mac", scan.value()?),
            _ => drop(scan.value()?),
        }
    }
    draft.request.notification = it;
    draft.has_notification = true;
    Ok(())
}

fn devices(draft: &mut Draft<'_>, scan: &mut Scan<'_>) -> Result<(), Fault> {
    draft.request.devices.clear();
    (draft.has_devices, draft.missing) = (false, None);
    let start = scan.token();
    if !scan.begin_list() {
        return null_or(scan, start, || "a list in `notification.devices` is expected".to_owned());
    }
    // Homeservers send one.
    draft.request.devices.reserve_exact(1);
    while scan.next_element()? {
        device(draft, scan)?;
    }
    draft.has_devices = true;
    Ok(())
}

fn device(draft: &mut Draft<'_>, scan: &mut Scan<'_>) -> Result<(), Fault> {
    let i = draft.request.devices.len();
    let start = scan.token();
    if !scan.begin_object() {
        let wrong = format!("`notification.devices[{i}]` is not an object");
        return Err(Fault::Shape(wrong, start));
    }
    // A later member of the same name may be a better one.
    let (mut app_id, mut pushkey) = (Ok(None), Ok(None));
    let mut it = Device::default();
    while let Some(key) = scan.next_key()? {
        match &*key.text() {
            "app_id" => app_id = required(draft, i, "app_id", scan)?,
            "pushkey" => pushkey = required(draft, i, "pushkey", scan)?,
            "pushkey_ts" => it.pushkey_ts = draft.seconds("devices.pushkey_ts", scan.value()?),
            "data" => it.data = draft.data(scan)?,
            "tweaks" => it.tweaks = draft.tweaks(scan)?,
            _ => drop(scan.value()?),
        }
    }
    it.raw = draft.keep_json(scan.since(start));
    for (name, text, place) in
        [("app_id", app_id?, &mut it.app_id), ("pushkey", pushkey?, &mut it.pushkey)]
    {
        match text {
            Some(text) => *place = text,
            None => drop(draft.missing.get_or_insert((i, name))),
        }
    }
    draft.request.devices.push(it);
    Ok(())
}

/// Reads a member that has to be there; what it is instead of a string is told later.
fn required(
    draft: &Draft<'_>,
    i: usize,
    name: &str,
    scan: &mut Scan<'_>,
) -> Result<Result<Option<Text>, Fault>, NotJson> {
    let start = scan.token();
    Ok(match scan.value()? {
        Value::Text(text) => Ok(Some(draft.keep(text))),
        Value::Null => Ok(None),
        _ => {
            let wrong = format!("`notification.devices[{i}].{name}` is not a string");
            Err(Fault::Shape(wrong, start))
        }
    })
}

/// Takes `null` for a member that is not there.
fn null_or(
    scan: &mut Scan<'_>,
    start: usize,
    expected: impl FnOnce() -> String,
) -> Result<(), Fault> {
    match scan.value()? {
        Value::Null => Ok(()),
        _ => Err(Fault::Shape(expected(), start)),
    }
}
