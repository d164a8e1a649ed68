//! One request with holes: where its numbers and pushkeys go.

use std::ops::Range;
use std::sync::Arc;

use serde_json::{Value, json};

use super::{Addressee, Devices, Recorded};
use crate::peers::Ledger;
use crate::peers::webpush::Subscription;

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
    browsers: Option<Arc<[Subscription]>>,
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
        let (first_device, browsers) = match &to.devices {
            Devices::Numbered {
                around: (before, after),
                digits,
                first,
                ..
            } => {
                let number = "D".repeat(*digits);
                device["pushkey"] = json!(format!("{before}{number}{after}"));
                (*first, None)
            }
            Devices::Subscribed(browsers) => {
                let first = browsers.first();
                let length = |of: fn(&Subscription) -> &String| first.map_or(0, |it| of(it).len());
                device["pushkey"] = json!("P".repeat(length(|it| &it.p256dh)));
                if !device["data"].is_object() {
                    device["data"] = json!({});
                }
                device["data"]["endpoint"] = json!("U".repeat(length(|it| &it.endpoint)));
                device["data"]["auth"] = json!("Z".repeat(length(|it| &it.auth)));
                (0, Some(Arc::clone(browsers)))
            }
        };
        let request = request(&body);
        Self {
            holes: holes(&request),
            request: request.into_bytes(),
            first_device,
            browsers,
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
        let browser = self.browsers.as_ref();
        let browser = browser.map(|all| &all[usize::try_from(device).unwrap_or_default()]);
        let of_browser = |of: fn(&Subscription) -> &String| browser.map_or("", |it| of(it));
        for (filling, place) in &self.holes {
            let hole = &mut request[place.clone()];
            match filling {
                Filling::Event => Ledger::write_id(number, hole),
                Filling::Device => Ledger::write_id(self.first_device + device, hole),
                Filling::Pushkey => hole.copy_from_slice(of_browser(|it| &it.p256dh).as_bytes()),
                Filling::Endpoint => hole.copy_from_slice(of_browser(|it| &it.endpoint).as_bytes()),
                Filling::Auth => hole.copy_from_slice(of_browser(|it| &it.auth).as_bytes()),
            }
        }
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
