//! Protection around delivery, sentence by sentence as the contract promises it.

mod actors;
mod circuit;
mod duplicates;
mod guard;
mod limits;
mod rejections;
mod retries;
mod shutdown;

use serde_json::{Value, json};

use crate::helpers::bodies::device;
use crate::helpers::event;

/// The n-th of many devices: its pushkey.
pub(crate) fn pushkey(number: usize) -> String {
    device(number).0
}

/// The n-th of many devices: its token as APNs knows it.
pub(crate) fn token(number: usize) -> String {
    device(number).1
}

/// An event whose device was registered at this time.
pub(crate) fn registered(
    app_id: &str,
    pushkey: &str,
    event_id: &str,
    pushkey_ts: Option<u64>,
) -> Value {
    let mut body = event(app_id, pushkey, event_id);
    body["notification"]["devices"][0]["pushkey_ts"] = json!(pushkey_ts);
    body
}
