//! Apple's part of a payload: the `aps` dictionary, written over the one the client asked for.
//!
//! What the client wrote stays, in its place, except what is set here. A value of a type that Apple
//! does not know (an `aps` that is no object, an `alert` that is neither object nor string) gives
//! way to a right one.

use std::borrow::Cow;

use super::alert::Alert;
use crate::matrix::json::{self, Raw};
use crate::providers::draft::Draft;

/// What is set in the `aps` dictionary.
#[derive(Debug, Default)]
pub(super) struct Aps<'a> {
    /// The sentence shown.
    pub(super) alert: Option<Alert<'a>>,
    /// The number on the app's icon.
    pub(super) badge: Option<u64>,
    /// The sound played.
    pub(super) sound: Option<&'a str>,
}

impl<'a> Aps<'a> {
    /// Writes the dictionary, on top of `base`.
    pub(super) fn write(self, base: Option<Raw<'a>>, draft: &mut Draft<'a>) {
        let Self { alert, badge, sound } = self;
        let mut alert = alert;
        draft.raw("{");
        let members = base.map(|base| draft.members(base.get()));
        for (key, value) in members.into_iter().flatten() {
            match key.as_ref() {
                "badge" if badge.is_some() => {}
                "sound" if sound.is_some() => {}
                "alert" => {
                    draft.key("alert");
                    write_alert(alert.take(), Some(value), draft);
                }
                _ => {
                    draft.key(&key);
                    draft.copy(value);
                }
            }
        }
        if alert.is_some() {
            draft.key("alert");
            write_alert(alert, None, draft);
        }
        if let Some(badge) = badge {
            draft.key("badge");
            draft.number(badge);
        }
        if let Some(sound) = sound {
            draft.key("sound");
            draft.string(sound);
        }
        draft.raw("}");
    }
}

/// Writes the alert on top of `base`. A client's alert in one string is a body, which iOS shows
/// where it has no sentence for the key.
fn write_alert<'a>(alert: Option<Alert<'a>>, base: Option<Raw<'a>>, draft: &mut Draft<'a>) {
    let body = base.and_then(json::text);
    match (alert, body) {
        (None, Some(body)) => draft.cuttable(body),
        (alert, body) => match base {
            Some(base) if alert.is_none() && !is_object(base) => draft.copy(base),
            base => write_alert_object(alert, body, base.filter(|&it| is_object(it)), draft),
        },
    }
}

fn write_alert_object<'a>(
    alert: Option<Alert<'a>>,
    body: Option<Cow<'a, str>>,
    base: Option<Raw<'a>>,
    draft: &mut Draft<'a>,
) {
    draft.raw("{");
    if let Some(body) = body {
        draft.key("body");
        draft.cuttable(body);
    }
    let members = base.map(|base| draft.members(base.get()));
    for (key, value) in members.into_iter().flatten() {
        match key.as_ref() {
            "loc-key" | "loc-args" if alert.is_some() => {}
            "title" | "subtitle" | "body" => {
                draft.key(&key);
                write_text(value, draft);
            }
            "loc-args" => {
                draft.key(&key);
                write_texts(value, draft);
            }
            _ => {
                draft.key(&key);
                draft.copy(value);
            }
        }
    }
    if let Some(alert) = alert {
        draft.key("loc-key");
        draft.string(alert.key);
        draft.key("loc-args");
        draft.raw("[");
        for arg in alert.args {
            draft.separate();
            draft.cuttable(arg);
        }
        draft.raw("]");
    }
    draft.raw("}");
}

fn write_text<'a>(value: Raw<'a>, draft: &mut Draft<'a>) {
    match json::text(value) {
        Some(text) => draft.cuttable(text),
        None => draft.copy(value),
    }
}

fn write_texts<'a>(value: Raw<'a>, draft: &mut Draft<'a>) {
    let Some(elements) = draft.elements(value.get()) else {
        return draft.copy(value);
    };
    draft.raw("[");
    for element in elements {
        draft.separate();
        write_text(element, draft);
    }
    draft.raw("]");
}

/// Whether a JSON value is an object.
pub(super) fn is_object(value: Raw<'_>) -> bool {
    value.get().starts_with('{')
}
