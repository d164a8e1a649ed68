//! The layout of Sygnal, which Element and its kin read: flat strings, no visible notification.
//!
//! Counts are strings and left out when zero; priorities are `high` and `normal`; of the event's
//! content only strings leave, each under its own key.

use std::borrow::Cow;

use super::data::{Data, Role};
use super::fit;
use crate::matrix::{Json, json};
use crate::providers::push::View;

/// The most of one text, in bytes: Sygnal's limit, so that one long field leaves room for others.
pub(super) const MAX_TEXT: usize = 1024;

/// Returns the data of a push, with texts of at most `most` bytes; `None` if it has nothing to
/// tell: clients on Android cannot use "nothing unread".
pub(super) fn data<'a>(view: &View<'a>, most: usize) -> Option<Data<'a>> {
    let counts = view.counts.unwrap_or_default();
    let shown =
        |count: Option<u64>| count.filter(|&count| count > 0).map(|count| count.to_string());
    let (unread, missed_calls) = (shown(counts.unread), shown(counts.missed_calls));
    let encrypted = view.encrypted;
    let about_event =
        view.event_id.is_some() || view.room_id.is_some() || encrypted.ciphertext.is_some();
    if !about_event && unread.is_none() && missed_calls.is_none() {
        return None;
    }
    let at_most = |text| at_most(text, most);
    let mut data = Data::default();
    data.put(Role::Id, "event_id", view.event_id);
    data.put(Role::Text, "type", view.event_type.map(at_most));
    data.put(Role::Whole, "sender", view.sender);
    data.put(Role::Text, "room_name", view.room_name.map(at_most));
    data.put(Role::Text, "room_alias", view.room_alias.map(at_most));
    data.put(Role::Text, "membership", view.membership.map(at_most));
    data.put(Role::Text, "sender_display_name", view.sender_display_name.map(at_most));
    data.put(Role::Id, "room_id", view.room_id);
    content(&mut data, view.content, most);
    data.put(Role::Id, "prio", Some(priority(view)));
    data.put(Role::Id, "unread", unread);
    data.put(Role::Id, "missed_calls", missed_calls);
    data.put(Role::Id, "ciphertext", encrypted.ciphertext.as_deref());
    data.put(Role::Id, "ephemeral", encrypted.ephemeral.as_deref());
    data.put(Role::Id, "mac", encrypted.mac.as_deref());
    Some(data.over(view.device.data.default_payload.as_ref()))
}

/// Returns `high` or `normal`, as clients and FCM call them.
pub(super) fn priority(view: &View<'_>) -> &'static str {
    match view.prio {
        crate::matrix::Priority::High => "high",
        crate::matrix::Priority::Low => "normal",
    }
}

/// Adds the strings of the event's content as `content_<key>`.
fn content<'a>(data: &mut Data<'a>, content: Option<&'a Json>, most: usize) {
    for (key, value) in content.map(Json::members).unwrap_or_default() {
        if let Some(text) = json::text(value) {
            let text = match text {
                Cow::Borrowed(text) => at_most(text, most),
                Cow::Owned(text) => Cow::Owned(at_most(&text, most).into_owned()),
            };
            data.push(Role::Text, format!("content_{key}").into(), text);
        }
    }
}

fn at_most(text: &str, most: usize) -> Cow<'_, str> {
    if text.len() <= most { Cow::Borrowed(text) } else { Cow::Owned(fit::cut(text, most)) }
}
