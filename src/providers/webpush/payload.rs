//! From a push to the JSON that the client's service worker reads: flat, as Sygnal writes it. Pure,
//! and linear in what could fit.
//!
//! The client's `default_payload` comes first and gives way to what the push itself says. Counts
//! are numbers beside the rest. What the event contains is trimmed to what a notification shows,
//! cut to make the message fit, and left out before an id would be.

use std::borrow::Cow;

use crate::matrix::json;
use crate::providers::draft::Draft;
use crate::providers::outcome::{Cause, Outcome};
use crate::providers::push::View;

/// The most characters of an event's text: Sygnal's limit.
const MAX_BODY_CHARS: usize = 1000;

/// The most bytes of an event's ciphertext: Sygnal's limit, beyond which it is of no use in part.
const MAX_CIPHERTEXT: usize = 2000;

/// How much of a push is told. Less of it where more cannot be made to fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
    /// Ids and counts.
    Ids,
    /// All but the event's content.
    WithoutContent,
    Everything,
}

/// The value of a member that is this gateway's own.
#[derive(Debug, Clone, Copy)]
enum Value<'a> {
    /// Never cut.
    Id(&'a str),
    /// Cut if there is not enough room.
    Text(&'a str),
    Number(u64),
    True,
}

/// Builds the plaintext of one message, of at most `limit` bytes.
///
/// # Errors
///
/// Returns the outcome of a push that has nothing to tell, or whose ids alone do not fit.
pub(super) fn build(view: &View<'_>, limit: usize) -> Result<Vec<u8>, Outcome> {
    let dropped = |reason| Outcome::Permanent(Cause::local(reason));
    if view.is_badge_only() && view.counts.is_none() {
        return Err(dropped("nothing_to_send"));
    }
    [Extent::Everything, Extent::WithoutContent, Extent::Ids]
        .into_iter()
        .find_map(|extent| write(view, limit, extent))
        .ok_or_else(|| dropped("payload_too_large"))
}

/// Returns the members that are this gateway's own, in Sygnal's order, the encrypted ones of
/// MSC3013 last.
fn own<'a>(view: &View<'a>, extent: Extent) -> Vec<(&'static str, Value<'a>)> {
    let counts = view.counts.unwrap_or_default();
    let id = |text: Option<&'a str>| text.map(Value::Id);
    let shown =
        |text: Option<&'a str>| text.filter(|text| !text.is_empty() && extent > Extent::Ids);
    let text = |it| shown(it).map(Value::Text);
    let sealed = view.encrypted;
    let is_target = view.user_is_target == Some(true) && extent > Extent::Ids;
    let members = [
        ("room_id", id(view.room_id)),
        ("room_name", text(view.room_name)),
        ("room_alias", text(view.room_alias)),
        ("membership", text(view.membership)),
        ("event_id", id(view.event_id)),
        ("sender", id(shown(view.sender))),
        ("sender_display_name", text(view.sender_display_name)),
        ("user_is_target", is_target.then_some(Value::True)),
        ("type", id(shown(view.event_type))),
        ("unread", counts.unread.map(Value::Number)),
        ("missed_calls", counts.missed_calls.map(Value::Number)),
        ("ciphertext", id(sealed.ciphertext.as_deref())),
        ("ephemeral", id(sealed.ephemeral.as_deref())),
        ("mac", id(sealed.mac.as_deref())),
    ];
    let members = members.into_iter();
    members.filter_map(|(key, value)| Some((key, value?))).collect()
}

/// Writes the message; `None` if so much of it cannot be made to fit.
fn write(view: &View<'_>, limit: usize, extent: Extent) -> Option<Vec<u8>> {
    let own = own(view, extent);
    let content = view.content.filter(|_| extent == Extent::Everything);
    let content = content.filter(|content| content.as_str().len() > "{}".len());
    let mut draft = Draft::new(limit);
    draft.raw("{");
    let base = view.device.data.default_payload.as_ref();
    for (key, value) in base
        .filter(|_| extent > Extent::Ids)
        .map(|base| draft.members(base.as_str()))
        .unwrap_or_default()
    {
        let is_content = key == "content" && content.is_some();
        if !is_content && !own.iter().any(|(own, _)| *own == key) {
            draft.optional(&key, value);
        }
    }
    for (key, value) in own {
        draft.key(key);
        match value {
            Value::Id(text) => draft.string(text),
            Value::Text(text) => draft.cuttable(text),
            Value::Number(number) => draft.number(number),
            Value::True => draft.raw("true"),
        }
    }
    if let Some(content) = content {
        draft.key("content");
        draft.raw("{");
        write_content(content.as_str(), &mut draft);
        draft.raw("}");
    }
    draft.raw("}");
    draft.finish()
}

/// Writes the members of an event's content that a notification may show.
fn write_content<'a>(content: &'a str, draft: &mut Draft<'a>) {
    for (key, value) in draft.members(content) {
        match (&*key, json::text(value)) {
            ("formatted_body", _) => {}
            ("ciphertext", Some(text)) if text.len() > MAX_CIPHERTEXT => {}
            ("ciphertext", Some(_)) | (_, None) => draft.optional(&key, value),
            ("body", Some(text)) => {
                draft.key(&key);
                draft.cuttable(at_most(text, MAX_BODY_CHARS));
            }
            (_, Some(text)) => {
                draft.key(&key);
                draft.cuttable(text);
            }
        }
    }
}

/// Returns the text with at most so many characters, the last of them an ellipsis if it was longer.
fn at_most(text: Cow<'_, str>, chars: usize) -> Cow<'_, str> {
    // A character takes at least one byte.
    if text.len() <= chars || text.chars().nth(chars).is_none() {
        return text;
    }
    let mut short: String = text.chars().take(chars - 1).collect();
    short.push('…');
    short.into()
}

#[cfg(test)]
mod tests;
