//! The words of the Matrix push gateway API: one notification, its devices, what the pusher asked
//! for.
//!
//! Types own slices of the request body (no copies) and are shared between threads by `Arc`, so a
//! notification is parsed once however many devices and attempts follow. `decode` makes them from a
//! body in one `scan`, `draft` holds what is read so far, `json` reads the free-form objects
//! inside. Nothing here knows HTTP, providers or actors.
//!
//! Specification: <https://spec.matrix.org/latest/push-gateway-api/>

pub mod decode;
mod draft;
pub mod json;
mod scan;

#[cfg(test)]
mod tests;

pub use decode::{DecodeError, decode};
pub use json::Json;

/// Text borrowed from the request body, or owned where the JSON had escapes.
pub type Text = bytestring::ByteString;

/// The longest pushkey handed to any provider, in bytes. The specification allows 512; web push
/// endpoints in the wild are longer.
pub const MAX_PUSHKEY_BYTES: usize = 2048;

/// The longest `app_id` looked up, in bytes. The specification allows 64.
pub const MAX_APP_ID_BYTES: usize = 512;

/// Clients' self-test uses this event id again and again: never a duplicate, never remembered.
pub const SELF_TEST_EVENT_ID: &str = "$THIS_IS_A_FAKE_EVENT_ID";

/// A parsed body of `POST /_matrix/push/v1/notify`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct NotifyRequest {
    /// What happened.
    pub notification: Notification,
    /// Whom to tell; never empty.
    pub devices: Vec<Device>,
    /// Optional fields whose value had the wrong type and was taken as absent.
    pub ignored: Vec<IgnoredField>,
}

/// What happened: an event, or (without `event_id`) only new unread counts.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Notification {
    /// The event's id; empty is absent.
    pub event_id: Option<Text>,
    /// The room's id; empty is absent.
    pub room_id: Option<Text>,
    /// The event's type; empty is absent.
    pub event_type: Option<Text>,
    /// The sender's Matrix id, as sent (may be empty).
    pub sender: Option<Text>,
    /// The sender's name in the room, as sent (may be empty).
    pub sender_display_name: Option<Text>,
    /// The room's name, as sent (may be empty).
    pub room_name: Option<Text>,
    /// The room's alias, as sent (may be empty).
    pub room_alias: Option<Text>,
    /// The membership of an `m.room.member` event.
    pub membership: Option<Text>,
    /// Whether an `m.room.member` event is about the receiving user.
    pub user_is_target: Option<bool>,
    /// How soon the device should learn of it.
    pub prio: Priority,
    /// The event's content, a JSON object.
    pub content: Option<Json>,
    /// Unread counts; `None` when the homeserver sent none, or an empty object.
    pub counts: Option<Counts>,
    /// MSC3013: the fields of an encrypted push, passed on as they are.
    pub encrypted: Encrypted,
}

impl Notification {
    /// Whether it is about no event, in the open or encrypted, but only about counts.
    pub fn is_badge_only(&self) -> bool {
        self.event_id.is_none() && self.event_type.is_none() && self.encrypted.ciphertext.is_none()
    }
}

/// MSC3013's fields in place of the event's: <https://github.com/matrix-org/matrix-spec-proposals/pull/3013>.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Encrypted {
    /// The encrypted notification.
    pub ciphertext: Option<Text>,
    /// The sender's ephemeral key.
    pub ephemeral: Option<Text>,
    /// The message authentication code.
    pub mac: Option<Text>,
}

/// How soon the device should learn of it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Priority {
    /// At once. The default, and the meaning of every value but `low`.
    #[default]
    High,
    /// May be delayed to save battery.
    Low,
}

/// Unread counts, each at most 2^53 - 1 (the largest integer Matrix allows in JSON).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Unread messages or rooms, as the homeserver counts.
    pub unread: Option<u64>,
    /// Missed calls.
    pub missed_calls: Option<u64>,
}

/// One device to tell.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Device {
    /// Selects the app, and with it provider and credentials.
    pub app_id: Text,
    /// The provider's name for the device.
    pub pushkey: Text,
    /// When the homeserver last learned the pushkey, in seconds since the epoch; zero is absent.
    pub pushkey_ts: Option<u64>,
    /// What the client stored with its pusher.
    pub data: PusherData,
    /// What the user's push rules ask for.
    pub tweaks: Tweaks,
    /// The whole device object as received.
    pub raw: Json,
}

impl Device {
    /// Whether the `app_id` is longer than any that is looked up.
    pub fn has_oversized_app_id(&self) -> bool {
        self.app_id.len() > MAX_APP_ID_BYTES
    }

    /// Whether the pushkey can be one of no provider.
    pub fn has_impossible_pushkey(&self) -> bool {
        self.pushkey.is_empty() || self.pushkey.len() > MAX_PUSHKEY_BYTES
    }
}

/// What the client stored with its pusher: the keys every provider shares, and the rest as JSON.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PusherData {
    /// A JSON object that the payload starts from.
    pub default_payload: Option<Json>,
    /// MSC4076: no badge, no counts.
    pub disable_badge_count: bool,
    /// The whole object, for the keys that only one provider knows.
    pub raw: Option<Json>,
}

/// What the user's push rules ask for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tweaks {
    /// The sound to play.
    pub sound: Option<Text>,
    /// Whether to highlight.
    pub highlight: bool,
}

/// An optional field that had the wrong type; a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct IgnoredField(pub &'static str);
