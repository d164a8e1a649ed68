//! Which sentence a full event becomes: a key into the app's own localised strings, and what to
//! fill in. Keys and their arguments are those Sygnal's clients already translate. Pure.

use std::borrow::Cow;

use crate::matrix::json;
use crate::providers::push::View;

/// The longest name that is filled in, in characters.
const MAX_NAME_CHARACTERS: usize = 1024;

/// A localised sentence: `loc-key` and `loc-args`.
#[derive(Debug, PartialEq)]
pub(super) struct Alert<'a> {
    /// The key.
    pub(super) key: &'static str,
    /// What to fill in, in the key's order.
    pub(super) args: Vec<Cow<'a, str>>,
}

impl<'a> Alert<'a> {
    fn new<const N: usize>(key: &'static str, args: [Cow<'a, str>; N]) -> Self {
        let args = args.into();
        Self { key, args }
    }
}

/// Returns what to say about the event; `None` for what deserves no sentence.
pub(super) fn alert<'a>(view: &View<'a>) -> Option<Alert<'a>> {
    let event_type = view.event_type?;
    let from = Cow::Borrowed(name(sender(view)));
    Some(match event_type {
        "m.room.message" | "m.room.encrypted" => message(view, from),
        "m.call.invite" if is_video(view) => Alert::new("VIDEO_CALL_FROM_USER", [from]),
        "m.call.invite" => Alert::new("VOICE_CALL_FROM_USER", [from]),
        "m.room.member" => return invite(view, from),
        _ => Alert::new("MSG_FROM_USER", [from]),
    })
}

fn message<'a>(view: &View<'a>, from: Cow<'a, str>) -> Alert<'a> {
    let msgtype = view.content.and_then(|it| it.text("msgtype"));
    let body = msgtype.as_ref().and_then(|_| view.content?.text("body"));
    let kind = msgtype.as_deref().unwrap_or_default();
    let room = room(view);
    match (kind, body, room) {
        ("m.image", Some(body), Some(room)) => {
            Alert::new("IMAGE_FROM_USER_IN_ROOM", [from, body, room])
        }
        ("m.image", Some(body), None) => Alert::new("IMAGE_FROM_USER", [from, body]),
        ("m.emote", Some(body), Some(room)) if !body.is_empty() => {
            Alert::new("ACTION_FROM_USER_IN_ROOM", [room, from, body])
        }
        ("m.emote", Some(body), None) if !body.is_empty() => {
            Alert::new("ACTION_FROM_USER", [from, body])
        }
        (_, Some(body), Some(room)) if !body.is_empty() => {
            Alert::new("MSG_FROM_USER_IN_ROOM_WITH_CONTENT", [from, room, body])
        }
        (_, Some(body), None) if !body.is_empty() => {
            Alert::new("MSG_FROM_USER_WITH_CONTENT", [from, body])
        }
        (_, _, Some(room)) => Alert::new("MSG_FROM_USER_IN_ROOM", [from, room]),
        (_, _, None) => Alert::new("MSG_FROM_USER", [from]),
    }
}

fn invite<'a>(view: &View<'a>, from: Cow<'a, str>) -> Option<Alert<'a>> {
    if view.user_is_target != Some(true) || view.membership != Some("invite") {
        return None;
    }
    Some(match room(view) {
        Some(room) => Alert::new("USER_INVITE_TO_NAMED_ROOM", [from, room]),
        None => Alert::new("USER_INVITE_TO_CHAT", [from]),
    })
}

/// Whether the offer of a call has a video part.
fn is_video(view: &View<'_>) -> bool {
    view.content
        .and_then(|content| json::get(content.get("offer")?.get(), "sdp").and_then(json::text))
        .is_some_and(|sdp| sdp.contains("m=video"))
}

/// Returns the sender's name, else their id, else a space: an empty argument would leave a hole in
/// the sentence.
fn sender<'a>(view: &View<'a>) -> &'a str {
    let names = [view.sender_display_name, view.sender];
    if names.iter().flatten().all(|name| name.is_empty()) {
        return " ";
    }
    names.into_iter().flatten().next().unwrap_or(" ")
}

fn room<'a>(view: &View<'a>) -> Option<Cow<'a, str>> {
    [view.room_name, view.room_alias]
        .into_iter()
        .flatten()
        .find(|it| !it.is_empty())
        .map(|it| Cow::Borrowed(name(it)))
}

fn name(text: &str) -> &str {
    match text.char_indices().nth(MAX_NAME_CHARACTERS) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}
