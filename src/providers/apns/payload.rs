//! From a push to the JSON that reaches the phone. Pure, and linear in what could fit.
//!
//! Three formats, as Sygnal's clients know them: *ids* (`event_id`, `room_id` and counts beside the
//! client's `default_payload`, for apps that fetch the event themselves), *full* (`aps` says which
//! sentence to show), and *badge only* (new counts without an event: nothing but the number, since
//! a `default_payload` would show an empty alert). `alert` chooses the sentence, `aps` writes
//! Apple's dictionary, a `Draft` makes it fit.

mod alert;
mod aps;
#[cfg(test)]
mod tests;

use bytes::Bytes;

use self::aps::Aps;
use crate::matrix::{Counts, Json};
use crate::providers::draft::Draft;
use crate::providers::outcome::{Cause, Outcome};
use crate::providers::push::View;

/// What an app's payloads look like.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    /// The most bytes.
    pub(super) limit: usize,
    /// Whether the push rules' sound is played.
    pub(super) sound_from_tweaks: bool,
}

impl Shape {
    /// Returns the shape of a payload that is half as large as one that was still too large.
    pub(super) fn half_of(self, refused: &Bytes) -> Self {
        let limit = refused.len() / 2;
        Self { limit, ..self }
    }
}

/// Builds the payload of one push.
///
/// # Errors
///
/// Returns the outcome of a push that cannot be made to fit, or that has nothing to tell.
pub(super) fn build(view: &View<'_>, shape: Shape) -> Result<Bytes, Outcome> {
    if only_ids(view) {
        return ids(view, shape);
    }
    full(view, shape)
}

/// Whether the push carries only ids and counts (or MSC3013's sealed notification).
fn only_ids(view: &View<'_>) -> bool {
    let sealed = view.encrypted.ciphertext.is_some();
    view.event_type.is_none() && (view.event_id.is_some() || sealed)
}

fn ids(view: &View<'_>, shape: Shape) -> Result<Bytes, Outcome> {
    let counts = view.counts.unwrap_or_default();
    let sealed = view.encrypted;
    let aps = Aps { sound: sound(view, shape), ..Aps::default() };
    let own = [
        ("room_id", view.room_id.map(Value::Text)),
        ("event_id", view.event_id.map(Value::Text)),
        ("ciphertext", sealed.ciphertext.as_deref().map(Value::Text)),
        ("ephemeral", sealed.ephemeral.as_deref().map(Value::Text)),
        ("mac", sealed.mac.as_deref().map(Value::Text)),
        ("unread_count", counts.unread.map(Value::Number)),
        ("missed_calls", counts.missed_calls.map(Value::Number)),
    ];
    write(default_payload(view), aps, When::InBase, &own, shape)
}

fn full(view: &View<'_>, shape: Shape) -> Result<Bytes, Outcome> {
    let alert = alert::alert(view);
    let badge = view.counts.and_then(badge);
    if alert.is_none() && badge.is_none() {
        return Err(Outcome::Permanent(Cause::local("nothing_to_send")));
    }
    let base = default_payload(view).filter(|_| view.event_type.is_some());
    let about_event = alert.is_some();
    let aps = Aps { sound: sound(view, shape).filter(|_| about_event), alert, badge };
    let id = |id| Option::filter(id, |_| about_event).map(Value::Text);
    let own = [("room_id", id(view.room_id)), ("event_id", id(view.event_id))];
    write(base, aps, When::Always, &own, shape)
}

/// A member of our own.
#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    Text(&'a str),
    Number(u64),
}

/// When the payload has an `aps`.
#[derive(Debug, Clone, Copy, PartialEq)]
enum When {
    Always,
    /// Only where the client's `default_payload` has one.
    InBase,
}

/// Writes `base` with `aps` and our own members over it.
fn write<'a>(
    base: Option<&'a Json>,
    aps: Aps<'a>,
    when: When,
    own: &[(&str, Option<Value<'a>>)],
    shape: Shape,
) -> Result<Bytes, Outcome> {
    let mut draft = Draft::new(shape.limit);
    let mut aps = Some(aps);
    draft.raw("{");
    let members = base.map(|base| draft.members(base.as_str()));
    for (key, value) in members.into_iter().flatten() {
        if own.iter().any(|(own, it)| *own == key && it.is_some()) {
            continue;
        }
        if key != "aps" {
            draft.optional(&key, value);
        } else if aps::is_object(value)
            && let Some(aps) = aps.take()
        {
            draft.key("aps");
            aps.write(Some(value), &mut draft);
        }
    }
    if when == When::Always
        && let Some(aps) = aps
    {
        draft.key("aps");
        aps.write(None, &mut draft);
    }
    for (key, value) in own {
        match value {
            Some(Value::Text(text)) => {
                draft.key(key);
                draft.string(text);
            }
            Some(Value::Number(number)) => {
                draft.key(key);
                draft.number(*number);
            }
            None => {}
        }
    }
    draft.raw("}");
    match draft.finish() {
        Some(json) => Ok(json.into()),
        None => Err(Outcome::Permanent(Cause::local("payload_too_large"))),
    }
}

fn default_payload<'a>(view: &View<'a>) -> Option<&'a Json> {
    view.device.data.default_payload.as_ref()
}

/// Returns what the icon shows: messages and missed calls together.
fn badge(counts: Counts) -> Option<u64> {
    match (counts.unread, counts.missed_calls) {
        (None, None) => None,
        (unread, calls) => Some(unread.unwrap_or(0).saturating_add(calls.unwrap_or(0))),
    }
}

fn sound<'a>(view: &View<'a>, shape: Shape) -> Option<&'a str> {
    let sound = view.tweaks.sound.as_deref();
    sound.filter(|sound| shape.sound_from_tweaks && !sound.is_empty())
}
