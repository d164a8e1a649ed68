//! One request with holes: where its numbers and pushkeys go.

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Addressee, Devices, Recorded, Registered};
use crate::peers::Ledger;

/// What goes into a hole.
#[derive(Debug, Clone, Copy)]
enum Filling {
    Event,
    Device,
    Pushkey,
    Endpoint,
    Auth,
}

/// What stands in for a filling until a request is written, repeated to its length: letters that no
/// homeserver repeats so often.
const STAND_INS: [(Filling, &str); 5] = [
    (Filling::Event, "E"),
    (Filling::Device, "D"),
    (Filling::Pushkey, "P"),
    (Filling::Endpoint, "U"),
    (Filling::Auth, "Z"),
];

/// The shortest filling, an authentication secret.
const SHORTEST: usize = 22;

/// Digits of an event id.
const EVENT_DIGITS: usize = 43;

/// One request with holes.
#[derive(Debug)]
pub(super) struct Template {
    request: Vec<u8>,
    holes: Vec<(Filling, Range<usize>)>,
    first_device: u64,
    registered: Option<Arc<[Registered]>>,
    pub(super) group: usize,
}

impl Template {
    pub(super) fn new(recorded: &Recorded, to: &Addressee) -> Self {
        let mut body = recorded.0.clone();
        let notification = &mut body["notification"];
        for id in ["event_id", "id"] {
            if notification[id].as_str().is_some_and(|id| !id.is_empty()) {
                notification[id] = json!(format!("${}", "E".repeat(EVENT_DIGITS)));
            }
        }
        let device = &mut notification["devices"][0];
        device["app_id"] = json!(to.app_id);
        let (first_device, registered) = match &to.devices {
            Devices::Numbered { around: (before, after), digits, first, .. } => {
                let number = "D".repeat(*digits);
                device["pushkey"] = json!(format!("{before}{number}{after}"));
                (*first, None)
            }
            Devices::Registered(all) => {
                if let Some(first) = all.first() {
                    address(device, first);
                }
                (0, Some(Arc::clone(all)))
            }
        };
        let request = request(&body);
        Self {
            holes: holes(&request),
            request: request.into_bytes(),
            first_device,
            registered,
            group: to.group,
        }
    }

    /// Returns whether the notification is about an event.
    pub(super) fn is_event(&self) -> bool {
        let mut holes = self.holes.iter();
        holes.any(|(filling, _)| matches!(filling, Filling::Event))
    }

    pub(super) fn write(&self, number: u64, device: u64, request: &mut Vec<u8>) {
        request.clear();
        request.extend_from_slice(&self.request);
        let all = self.registered.as_ref();
        let own = all.map(|all| &all[usize::try_from(device).unwrap_or_default()]);
        let pushkey = own.map_or("", |it| &it.pushkey);
        let endpoint = own.and_then(|it| it.endpoint.as_deref()).unwrap_or_default();
        let auth = own.and_then(|it| it.auth.as_deref()).unwrap_or_default();
        for (filling, place) in &self.holes {
            let hole = &mut request[place.clone()];
            match filling {
                Filling::Event => Ledger::write_id(number, hole),
                Filling::Device => Ledger::write_id(self.first_device + device, hole),
                Filling::Pushkey => hole.copy_from_slice(pushkey.as_bytes()),
                Filling::Endpoint => hole.copy_from_slice(endpoint.as_bytes()),
                Filling::Auth => hole.copy_from_slice(auth.as_bytes()),
            }
        }
    }
}

/// Puts stand-ins where a registered device's values go.
fn address(device: &mut Value, like: &Registered) {
    device["pushkey"] = json!("P".repeat(like.pushkey.len()));
    for (key, letter, value) in [("endpoint", "U", &like.endpoint), ("auth", "Z", &like.auth)] {
        let Some(value) = value else { continue };
        if !device["data"].is_object() {
            device["data"] = json!({});
        }
        device["data"][key] = json!(letter.repeat(value.len()));
    }
}

/// Writes the request around a body, with the headers that Synapse sends.
fn request(body: &Value) -> String {
    let body = body.to_string();
    format!(
        "POST /_matrix/push/v1/notify HTTP/1.1\r\nHost: gateway.test\r\n\
         User-Agent: Synapse/1.163.2\r\nAccept: application/json\r\n\
         Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len(),
    )
}

/// Finds every run of a stand-in.
fn holes(request: &str) -> Vec<(Filling, Range<usize>)> {
    let mut holes = Vec::new();
    for (filling, letter) in STAND_INS {
        let run = letter.repeat(SHORTEST);
        let mut from = 0;
        while let Some(at) = request[from..].find(&run) {
            let start = from + at;
            let rest = &request[start..];
            let end = start + rest.find(|c| !letter.contains(c)).unwrap_or(rest.len());
            holes.push((filling, start..end));
            from = end;
        }
    }
    holes
}
