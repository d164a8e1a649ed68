//! From a push to the body of FCM's request. Pure.
//!
//! `frame` holds what is the same for every push, `sygnal` and `hedwig` are the two layouts that
//! clients read, `data` is the map of strings they fill, `fit` makes it keep FCM's limit, `message`
//! puts the parts together, `write` puts them into bytes.
//! <https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages>

use std::time::SystemTime;

use bytes::Bytes;
use serde_json::{Map, Value};

use self::frame::Frame;
use self::hedwig::Form;
use self::message::Message;
use crate::providers::draft::UNLIMITED;
use crate::providers::outcome::{Cause, Outcome};
use crate::providers::preview::Limit;
use crate::providers::push::View;

mod data;
mod fit;
mod frame;
mod hedwig;
mod message;
mod sygnal;
#[cfg(test)]
mod tests;
mod write;

pub(super) use self::frame::Storage;

/// How an app's messages look: made once, from the operator's keys.
#[derive(Debug)]
pub(super) struct Template {
    layout: Layout,
    storage: Storage,
}

#[derive(Debug)]
enum Layout {
    Sygnal(Frame),
    Hedwig(Box<Hedwig>),
}

#[derive(Debug)]
struct Hedwig {
    android: Frame,
    ios: Frame,
    visible: Frame,
    title: String,
    body: String,
}

impl Template {
    /// Makes messages as Element and its kin read them.
    pub(super) fn sygnal(options: &Map<String, Value>, storage: Storage) -> Self {
        let layout = Layout::Sygnal(Frame::sygnal(options, storage));
        Self { layout, storage }
    }

    /// Makes messages as FluffyChat reads them, with the texts of visible notifications.
    pub(super) fn hedwig(
        options: &Map<String, Value>,
        storage: Storage,
        title: String,
        body: String,
    ) -> Self {
        let frame = |form| Frame::hedwig(options, storage, form);
        let layout = Layout::Hedwig(Box::new(Hedwig {
            android: frame(Form::Android),
            ios: frame(Form::Ios),
            visible: frame(Form::Visible),
            title,
            body,
        }));
        Self { layout, storage }
    }
}

/// Builds the body of FCM's request.
///
/// # Errors
///
/// Returns the outcome of a push that cannot be sent, or that has nothing to tell.
pub(super) fn build(
    template: &Template,
    view: &View<'_>,
    now: SystemTime,
) -> Result<Bytes, Outcome> {
    let target = target(&view.device.pushkey)?;
    let mut message = message(template, view, sygnal::MAX_TEXT)?;
    message.fit().ok_or_else(|| dropped("payload_too_large"))?;
    Ok(message.write(view, template.storage, target, now).into())
}

/// A body, and what its limit did to it.
#[derive(Debug)]
pub(super) struct Measured {
    /// The body as [`build`] makes it.
    pub(super) body: Bytes,
    /// The same body without a limit.
    pub(super) whole: Bytes,
    /// What FCM counts of the body, and how much of that it takes.
    pub(super) limit: Limit,
}

/// Builds the body of FCM's request and tells what its limit did to it.
///
/// # Errors
///
/// Returns the outcome of a push that cannot be sent, or that has nothing to tell.
pub(super) fn measure(
    template: &Template,
    view: &View<'_>,
    now: SystemTime,
) -> Result<Measured, Outcome> {
    let target = target(&view.device.pushkey)?;
    let mut message = message(template, view, sygnal::MAX_TEXT)?;
    let whole = self::message(template, view, UNLIMITED)?;
    message.fit().ok_or_else(|| dropped("payload_too_large"))?;
    Ok(Measured {
        body: message.write(view, template.storage, target, now).into(),
        whole: whole.write(view, template.storage, target, now).into(),
        limit: Limit {
            of: "data and notification",
            bytes: message.size(),
            most: message::MAX_BYTES,
        },
    })
}

/// Makes a body one that FCM checks and does not deliver.
pub(super) fn dry_run(body: &Bytes) -> Bytes {
    [br#"{"validate_only":true,"#, &body[1..]].concat().into()
}

/// Lays a push out, with texts of at most `most` bytes each.
fn message<'a>(
    template: &'a Template,
    view: &View<'a>,
    most: usize,
) -> Result<Message<'a>, Outcome> {
    match &template.layout {
        Layout::Sygnal(frame) => Message::sygnal(frame, view, most),
        Layout::Hedwig(hedwig) => Message::hedwig(hedwig, view),
    }
    .ok_or_else(|| dropped("nothing_to_send"))
}

fn dropped(reason: &'static str) -> Outcome {
    Outcome::Permanent(Cause::local(reason))
}

/// Returns which field names the device, and its value.
fn target(pushkey: &str) -> Result<(&'static str, &str), Outcome> {
    /// A Firebase installation id: 128 bits and a header in base64url without padding.
    const FID_LEN: usize = 22;
    if pushkey.is_empty() || !pushkey.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Outcome::Rejected(Cause::local("undecodable_pushkey")));
    }
    // Registration tokens are longer, and hold a colon.
    let base64url = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
    let is_fid = pushkey.len() == FID_LEN && pushkey.bytes().all(base64url);
    Ok((if is_fid { "fid" } else { "token" }, pushkey))
}
