//! Devices, and notifications for them: small ones, those that Synapse really sent, and many at
//! once.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures_util::future::join_all;
use serde_json::{Map, Value, json};

use super::{Answer, TestGateway};

/// A gateway that repeats without delay and never leaves a provider alone.
pub(crate) const EAGER: &str = "delivery: {\
    retry: {base_delay_ms: 1, max_delay_ms: 1, budget_percent: 100}, \
    circuit_breaker: {failures: 1000000}}";

/// A device token of its own for each number, as a homeserver sends it and as APNs gets it.
pub(crate) fn device(number: usize) -> (String, String) {
    let mut token = [0xa5; 32];
    token[..8].copy_from_slice(&number.to_be_bytes());
    let mut hex = String::new();
    for byte in token {
        write!(hex, "{byte:02x}").unwrap();
    }
    (STANDARD.encode(token), hex)
}

/// An event notification to one device, with ids only.
pub(crate) fn event(app_id: &str, pushkey: &str, event_id: &str) -> Value {
    json!({ "notification": {
        "event_id": event_id,
        "room_id": "!room:example.org",
        "counts": { "unread": 2 },
        "prio": "high",
        "devices": [{ "app_id": app_id, "pushkey": pushkey, "pushkey_ts": 1_700_000_000 }],
    }})
}

/// A notification of unread counts alone, as Synapse sends it.
pub(crate) fn badge(app_id: &str, pushkey: &str, unread: u64) -> Value {
    json!({ "notification": {
        "id": "", "type": null, "sender": "",
        "counts": { "unread": unread },
        "devices": [{ "app_id": app_id, "pushkey": pushkey, "pushkey_ts": 1_700_000_000 }],
    }})
}

/// A notification of one event to several devices: app_id and pushkey of each.
pub(crate) fn event_to(devices: &[(&str, &str)], event_id: &str) -> Value {
    let device = |(app_id, pushkey): &(&str, &str)| json!({ "app_id": app_id, "pushkey": pushkey, "pushkey_ts": 1_700_000_000 });
    json!({ "notification": {
        "event_id": event_id,
        "room_id": "!room:example.org",
        "counts": { "unread": 2 },
        "devices": devices.iter().map(device).collect::<Vec<_>>(),
    }})
}

/// A body that Synapse sent.
pub(crate) struct Sent {
    pub(crate) name: String,
    pub(crate) body: Value,
}

impl Sent {
    /// Returns the bodies in `tests/homeserver_bodies` by name, each to a device of its own.
    pub(crate) fn all(app_id: &str, pushkey: impl Fn(usize) -> String) -> Vec<Self> {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/homeserver_bodies");
        let mut files: Vec<_> =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
        files.sort();
        let read = |(number, file): (usize, &std::path::PathBuf)| {
            let mut body: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            let device = &mut body["notification"]["devices"][0];
            device["app_id"] = app_id.into();
            device["pushkey"] = pushkey(number).into();
            let name = file.file_stem().unwrap().to_str().unwrap().to_owned();
            Self { name, body }
        };
        files.iter().enumerate().map(read).collect()
    }

    /// Returns a member of the notification, null if there is none.
    pub(crate) fn get(&self, key: &str) -> Value {
        self.body["notification"][key].clone()
    }

    pub(crate) fn device(&self) -> &Value {
        &self.body["notification"]["devices"][0]
    }

    pub(crate) fn device_mut(&mut self) -> &mut Value {
        &mut self.body["notification"]["devices"][0]
    }

    pub(crate) fn unread(&self) -> Option<u64> {
        self.get("counts")["unread"].as_u64()
    }

    /// Returns the members of the pusher's `default_payload`.
    pub(crate) fn default_payload(&self) -> Map<String, Value> {
        let payload = self.device()["data"]["default_payload"].as_object();
        payload.cloned().unwrap_or_default()
    }
}

/// Changes members of a notification.
pub(crate) fn with(mut body: Value, changed: &Value) -> Value {
    for (key, value) in changed.as_object().unwrap() {
        body["notification"][key] = value.clone();
    }
    body
}

/// Gives a notification's device what a client put into its pusher's `data`, and `more`.
pub(crate) fn addressed(mut body: Value, data: Value, more: &Value) -> Value {
    let device = &mut body["notification"]["devices"][0];
    device["data"] = data;
    for (key, value) in more.as_object().into_iter().flatten() {
        device["data"][key] = value.clone();
    }
    body
}

impl TestGateway {
    /// Sends one event to each of these devices, all at once.
    pub(crate) async fn burst(
        &self,
        app_id: &str,
        devices: impl IntoIterator<Item = usize>,
    ) -> Vec<Answer> {
        let notifications = devices.into_iter().map(|number| async move {
            let body = event(app_id, &device(number).0, &format!("$event-{number}"));
            self.notify(&body).await
        });
        join_all(notifications).await
    }
}
