//! The layout of Hedwig, which FluffyChat reads: structures as JSON in strings, and a form for each
//! kind of device.
//!
//! The pusher's `data.data_message` chooses the form: `true` or `"android"` is data alone,
//! `"ios"` or `false` (FluffyChat's value on iOS) adds a notification that its extension rewrites,
//! anything else is a notification alone. Counts of zero are sent: they clear what is shown.

use super::data::{Data, Role};
use crate::matrix::json::Raw;
use crate::matrix::{Counts, Device, Priority};
use crate::providers::push::View;

/// What a device is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// Data alone; the app shows what it likes.
    Android,
    /// Data and a notification; the app's extension rewrites it.
    Ios,
    /// A notification alone.
    Visible,
}

impl Form {
    /// Returns what the pusher asks for.
    pub(super) fn of(device: &Device) -> Self {
        let wish = device.data.raw.as_ref().and_then(|data| data.get("data_message"));
        match wish.map(Raw::get) {
            Some("true" | r#""android""#) => Self::Android,
            Some("false" | r#""ios""#) => Self::Ios,
            // The way of older versions.
            _ if device.app_id.ends_with(".data_message") => Self::Android,
            _ => Self::Visible,
        }
    }
}

/// Returns the data of a push; `None` if it has nothing to tell.
pub(super) fn data<'a>(view: &View<'a>) -> Option<Data<'a>> {
    let encrypted = view.encrypted;
    let about_event =
        view.event_id.is_some() || view.room_id.is_some() || encrypted.ciphertext.is_some();
    if !about_event && view.counts.is_none() {
        return None;
    }
    let mut data = Data::default();
    data.put(Role::Id, "event_id", view.event_id);
    data.put(Role::Id, "room_id", view.room_id);
    data.put(Role::Whole, "type", view.event_type);
    data.put(Role::Whole, "sender", view.sender);
    data.put(Role::Text, "sender_display_name", view.sender_display_name);
    data.put(Role::Text, "room_name", view.room_name);
    data.put(Role::Text, "room_alias", view.room_alias);
    let is_target = view.user_is_target;
    data.put(Role::Id, "user_is_target", is_target.map(|it| if it { "true" } else { "false" }));
    match view.content {
        Some(content) => data.put(Role::Object, "content", Some(content.as_str())),
        None => data.put(Role::Id, "content", Some("null")),
    }
    data.put(Role::Id, "counts", Some(counts(view.counts)));
    data.put(Role::Nullable, "devices", Some(format!("[{}]", view.device.raw.as_str())));
    let prio = match view.prio {
        Priority::High => r#""high""#,
        Priority::Low => r#""low""#,
    };
    data.put(Role::Id, "prio", Some(prio));
    data.put(Role::Id, "ciphertext", encrypted.ciphertext.as_deref());
    data.put(Role::Id, "ephemeral", encrypted.ephemeral.as_deref());
    data.put(Role::Id, "mac", encrypted.mac.as_deref());
    Some(data)
}

fn counts(counts: Option<Counts>) -> String {
    match counts {
        None => "null".to_owned(),
        Some(Counts { unread: Some(unread), missed_calls: Some(missed) }) => {
            format!(r#"{{"unread":{unread},"missed_calls":{missed}}}"#)
        }
        Some(Counts { unread: None, missed_calls: Some(missed) }) => {
            format!(r#"{{"missed_calls":{missed}}}"#)
        }
        Some(Counts { unread, missed_calls: None }) => {
            format!(r#"{{"unread":{}}}"#, unread.unwrap_or_default())
        }
    }
}

/// Puts the unread count into an operator's text. Without a count, a push about an event means at
/// least one.
pub(super) fn with_count(text: &str, view: &View<'_>) -> String {
    let unread = view.counts.and_then(|counts| counts.unread).unwrap_or(1);
    text.replace("<count>", &unread.to_string())
}
