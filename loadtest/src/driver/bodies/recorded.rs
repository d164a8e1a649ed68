//! Bodies that a homeserver really sent, read from files.

use std::fs;
use std::io;
use std::path::Path;

use serde_json::{Value, json};

use crate::driver::options::Payload;

/// A body as a homeserver sent it, with one device.
#[derive(Debug, Clone)]
pub(crate) struct Recorded(pub(super) Value);

/// Returns the body that scenarios with one kind of notification send.
pub(super) fn usual(payload: Payload) -> Recorded {
    let device = |data: Value| json!([{ "data": data, "pushkey_ts": 1_795_357_551 }]);
    let room = "!seRlOToAiznowdPAgDH9KQzrF3Zp4YufJhIkRZTyir4";
    let mut body = json!({ "notification": {
        "counts": { "unread": 3 },
        "devices": device(json!({ "format": "event_id_only" })),
        "event_id": "$",
        "prio": "high",
        "room_id": room,
    }});
    if payload == Payload::Full {
        let notification = &mut body["notification"];
        notification["devices"] = device(json!({ "default_payload": { "aps": {
            "alert": { "loc-args": [], "loc-key": "SINGLE_UNREAD" }, "mutable-content": 1,
        }}}));
        notification["devices"][0]["tweaks"] = json!({ "highlight": false, "sound": "default" });
        notification["id"] = json!("$");
        notification["room_name"] = json!("Peer Room");
        notification["sender"] = json!("@bob:hs.test");
        notification["sender_display_name"] = json!("Bob Ünïcode 🚀");
        notification["type"] = json!("m.room.encrypted");
        notification["content"] = json!({
            "algorithm": "m.megolm.v1.aes-sha2",
            "ciphertext": "AwgAEnAC".repeat(40),
            "device_id": "QZLTBLUCQM",
            "sender_key": "Kq5XP7JGbr0m1tRqJAQxsOMBcEJyTfZ2Jz4PJ3wJ9Xw",
            "session_id": "Szq0HW4K1mIDj0pLQ0Dq4xFCl8F2r0eXqkIYVJ1gkXo",
        });
    }
    Recorded(body)
}

/// Reads every `.json` file of a folder, in the order of their names.
///
/// # Errors
///
/// Returns an error that names the file if one is no notification with one device, and one if
/// there is none at all.
pub(crate) fn read(folder: &Path) -> io::Result<Vec<Recorded>> {
    let cannot = |what: &dyn std::fmt::Display| {
        io::Error::other(format!("cannot read {}: {what}", folder.display()))
    };
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).map_err(|error| cannot(&error))? {
        files.push(entry?.path());
    }
    files.retain(|file| file.extension().is_some_and(|it| it == "json"));
    files.sort();
    if files.is_empty() {
        return Err(cannot(&"it holds no .json file"));
    }
    files.iter().map(|file| notification(file)).collect()
}

fn notification(file: &Path) -> io::Result<Recorded> {
    let cannot = |what: &dyn std::fmt::Display| {
        io::Error::other(format!("cannot use {}: {what}", file.display()))
    };
    let mut body: Value = fs::read(file)
        .map_err(|error| cannot(&error))
        .and_then(|text| serde_json::from_slice(&text).map_err(|error| cannot(&error)))?;
    let devices = body["notification"]["devices"].as_array();
    if devices.is_none_or(|devices| devices.len() != 1) {
        return Err(cannot(&"it is no notification with one device"));
    }
    if let Some(data) = body["notification"]["devices"][0]["data"].as_object_mut() {
        // The recorded device's own address, and what would drop pushes without an event or let one
        // push take another's place.
        for key in ["endpoint", "auth", "p256dh", "events_only", "only_last_per_room"] {
            data.remove(key);
        }
    }
    Ok(Recorded(body))
}
