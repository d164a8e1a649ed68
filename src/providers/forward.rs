//! The notification as the homeserver sent it, with one of its devices: for providers that forward
//! it instead of translating it. Pure.
//!
//! What no client reads (members that the specification does not know) stays here. What is too
//! large is told in less and less detail; event and room are never cut.

use super::draft::Draft;
use super::outcome::{Cause, Outcome};
use super::push::View;
use crate::matrix::json::{self, Raw};
use crate::matrix::{Json, Priority};

/// How much is told. Less of it where more does not fit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Extent {
    /// Ids and counts, but not for which device.
    NoDevice,
    /// Ids, counts, and the device's own ids.
    Ids,
    /// All but the event's content, with shorter names.
    NoContent,
    /// With shorter texts, and without what takes most room.
    Shortened,
    /// As it came.
    Whole,
}

/// Builds `{"notification":{...}}` of at most `limit` bytes. Members of the pusher's data in
/// `kept_back` do not leave.
///
/// # Errors
///
/// Returns the outcome of a push that has nothing to tell, or whose ids alone do not fit.
pub(super) fn build(view: &View<'_>, limit: usize, kept_back: &[&str]) -> Result<Vec<u8>, Outcome> {
    use Extent::{Ids, NoContent, NoDevice, Shortened, Whole};
    let dropped = |reason| Outcome::Permanent(Cause::local(reason));
    if view.is_badge_only() && view.counts.is_none() {
        return Err(dropped("nothing_to_send"));
    }
    [Whole, Shortened, NoContent, Ids, NoDevice]
        .into_iter()
        .find_map(|extent| write(view, limit, kept_back, extent))
        .ok_or_else(|| dropped("payload_too_large"))
}

/// Writes it; `None` if so much of it cannot be made to fit.
fn write(view: &View<'_>, limit: usize, kept_back: &[&str], extent: Extent) -> Option<Vec<u8>> {
    let mut draft = Draft::new(limit);
    draft.raw(r#"{"notification":{"#);
    write_event(view, extent, &mut draft);
    if let Some(counts) = view.counts {
        draft.key("counts");
        draft.raw("{");
        for (key, count) in [("unread", counts.unread), ("missed_calls", counts.missed_calls)] {
            if let Some(count) = count {
                draft.key(key);
                draft.number(count);
            }
        }
        draft.raw("}");
    }
    if extent > Extent::NoDevice {
        write_device(view, extent, kept_back, &mut draft);
    }
    draft.raw("}}");
    draft.finish()
}

/// Writes what happened, the ids first.
fn write_event<'a>(view: &View<'a>, extent: Extent, draft: &mut Draft<'a>) {
    let sealed = view.encrypted;
    let ids = [
        ("event_id", view.event_id),
        ("room_id", view.room_id),
        ("ciphertext", sealed.ciphertext.as_deref()),
        ("ephemeral", sealed.ephemeral.as_deref()),
        ("mac", sealed.mac.as_deref()),
    ];
    for (key, id) in ids {
        if let Some(id) = id {
            draft.key(key);
            draft.string(id);
        }
    }
    if extent > Extent::Ids {
        let whole =
            [("type", view.event_type), ("sender", view.sender), ("membership", view.membership)];
        let names = [
            ("sender_display_name", view.sender_display_name),
            ("room_name", view.room_name),
            ("room_alias", view.room_alias),
        ];
        // Badge pushes have empty ones, which parsers of clients do not take.
        for (key, text) in whole.map(non_empty).into_iter().flatten() {
            draft.key(key);
            draft.string(text);
        }
        for (key, text) in names.map(non_empty).into_iter().flatten() {
            write_text(key, text, extent, draft);
        }
        if let Some(is_target) = view.user_is_target {
            draft.key("user_is_target");
            draft.raw(if is_target { "true" } else { "false" });
        }
    }
    draft.key("prio");
    draft.raw(match view.prio {
        Priority::High => r#""high""#,
        Priority::Low => r#""low""#,
    });
    if let Some(content) = view.content.filter(|_| extent > Extent::NoContent) {
        draft.key("content");
        draft.raw("{");
        for (key, value) in draft.members(content.as_str()) {
            match (&*key, json::text(value)) {
                ("body", Some(text)) if extent == Extent::Shortened => {
                    draft.key(&key);
                    draft.cuttable(text);
                }
                _ => write_member(&key, value, extent, draft),
            }
        }
        draft.raw("}");
    }
}

/// Writes whom to tell.
fn write_device<'a>(view: &View<'a>, extent: Extent, kept_back: &[&str], draft: &mut Draft<'a>) {
    let device = view.device;
    draft.key("devices");
    draft.raw("[{");
    draft.key("app_id");
    draft.string(&device.app_id);
    draft.key("pushkey");
    draft.string(&device.pushkey);
    if let Some(seconds) = device.pushkey_ts {
        draft.key("pushkey_ts");
        draft.number(seconds);
    }
    if extent > Extent::Ids {
        if let Some(data) = &device.data.raw {
            draft.key("data");
            draft.raw("{");
            for (key, value) in draft.members(Json::as_str(data)) {
                if !kept_back.contains(&&*key) {
                    write_member(&key, value, extent, draft);
                }
            }
            draft.raw("}");
        }
        write_tweaks(view, extent, draft);
    }
    draft.raw("}]");
}

fn write_tweaks<'a>(view: &View<'a>, extent: Extent, draft: &mut Draft<'a>) {
    let tweaks = view.tweaks;
    if tweaks.sound.is_none() && !tweaks.highlight {
        return;
    }
    draft.key("tweaks");
    draft.raw("{");
    if let Some(sound) = &tweaks.sound {
        write_text("sound", sound, extent, draft);
    }
    if tweaks.highlight {
        draft.key("highlight");
        draft.raw("true");
    }
    draft.raw("}");
}

fn write_text<'a>(key: &str, text: &'a str, extent: Extent, draft: &mut Draft<'a>) {
    draft.key(key);
    if extent == Extent::Whole {
        draft.string(text);
    } else {
        draft.cuttable(text);
    }
}

/// Writes what clients made up, as it came; it goes if there is not enough room.
fn write_member(key: &str, value: Raw<'_>, extent: Extent, draft: &mut Draft<'_>) {
    if extent == Extent::Whole {
        draft.key(key);
        draft.copy(value);
    } else {
        draft.optional(key, value);
    }
}

fn non_empty<'a>((key, text): (&'static str, Option<&'a str>)) -> Option<(&'static str, &'a str)> {
    Some((key, text.filter(|text| !text.is_empty())?))
}

#[cfg(test)]
mod tests;
