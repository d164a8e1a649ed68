//! The parts of a message that are the same for every push of an app.
//!
//! Made once from the operator's `fcm_options`, as JSON members ready to be copied: no push changes
//! what another one sends.

use serde_json::{Map, Value, json};

use super::hedwig::Form;
use super::write;

/// An object of the operator.
type Options = Map<String, Value>;

/// What every message of one form has in common; members are ready to be copied.
#[derive(Debug, Default)]
pub(super) struct Frame {
    /// Members of `message` besides those below.
    pub message: Vec<u8>,
    /// Members of `android` besides priority and collapse key.
    pub android: Vec<u8>,
    /// Members of `notification` besides title and body.
    pub notification: Vec<u8>,
    /// What Apple's devices get, where the form knows them.
    pub apns: Apns,
    /// What the operator's visible texts take of FCM's limit.
    pub taken: usize,
    /// What takes how much of APNs's limit, where the message may go there.
    pub apns_taken: Option<usize>,
}

/// What Apple's devices get.
#[derive(Debug, Default)]
pub(super) struct Apns {
    /// Members of `apns` besides those below.
    pub others: Vec<u8>,
    /// Members of `apns.headers` besides those made for each push.
    pub headers: Vec<u8>,
    /// Whether the operator chose the priority.
    pub has_priority: bool,
    /// Members of `apns.payload` besides `aps`.
    pub payload: Vec<u8>,
    /// Members of `aps` besides the badge.
    pub aps: Vec<u8>,
}

/// How FCM stores messages for a device that is off.
#[derive(Debug, Clone, Copy)]
pub(in super::super) struct Storage {
    /// How long, in seconds.
    pub ttl_seconds: Option<u32>,
    /// Whether a room's messages replace each other.
    pub collapse_per_room: bool,
}

impl Frame {
    /// Leaves the operator's options as they are, as Sygnal does.
    pub(super) fn sygnal(options: &Options, storage: Storage) -> Self {
        let android = object(options, "android");
        let apns = object(options, "apns");
        let notification = size(options, "notification");
        Self {
            message: members(options, &["data", "token", "android"]),
            android: android_members(android, storage, &[]),
            taken: notification + android.map_or(0, |android| size(android, "notification")),
            apns_taken: apns.map(|apns| notification + size(apns, "payload")),
            ..Self::default()
        }
    }

    /// Makes the operator's options fit one of Hedwig's forms.
    pub(super) fn hedwig(options: &Options, storage: Storage, form: Form) -> Self {
        let android = object(options, "android");
        let mut frame = Self::default();
        let mut skip = vec!["data", "token", "android", "notification"];
        if form == Form::Visible {
            frame.android = android_members(android, storage, &[]);
        } else {
            // Either would make a message of data a visible one.
            skip.extend(["apns", "webpush"]);
            frame.android = android_members(android, storage, &["notification"]);
        }
        frame.message = members(options, &skip);
        if form != Form::Android {
            let notification = object(options, "notification");
            frame.notification =
                notification.map(|it| members(it, &["title", "body"])).unwrap_or_default();
            frame.taken = frame.notification.len();
        }
        if form == Form::Ios {
            frame.apns = Apns::new(object(options, "apns"), storage);
            let apns = frame.apns.payload.len() + frame.apns.aps.len();
            frame.apns_taken = Some(frame.taken + apns);
        }
        frame
    }
}

impl Apns {
    fn new(options: Option<&Options>, storage: Storage) -> Self {
        let empty = Options::new();
        let options = options.unwrap_or(&empty);
        let headers = object(options, "headers").unwrap_or(&empty);
        let payload = object(options, "payload").unwrap_or(&empty);
        // The extension runs only for mutable content, and silence would be no notification.
        let mut aps = Options::from_iter([
            ("mutable-content".to_owned(), json!(1)),
            ("sound".to_owned(), json!("default")),
        ]);
        aps.extend(object(payload, "aps").unwrap_or(&empty).clone());
        let mut skip = Vec::new();
        if storage.ttl_seconds.is_some() {
            skip.push("apns-expiration");
        }
        if storage.collapse_per_room {
            skip.push("apns-collapse-id");
        }
        Self {
            others: members(options, &["headers", "payload"]),
            headers: members(headers, &skip),
            has_priority: headers.contains_key("apns-priority"),
            payload: members(payload, &["aps"]),
            aps: members(&aps, &["badge"]),
        }
    }
}

fn android_members(android: Option<&Options>, storage: Storage, skip: &[&str]) -> Vec<u8> {
    let mut android = android.cloned().unwrap_or_default();
    if let Some(seconds) = storage.ttl_seconds {
        android.insert("ttl".to_owned(), json!(format!("{seconds}s")));
    }
    let mut skip = [skip, &["priority"]].concat();
    if storage.collapse_per_room {
        skip.extend(["collapse_key", "collapseKey"]);
    }
    members(&android, &skip)
}

/// Returns the members of an object without some, as JSON.
fn members(object: &Options, skip: &[&str]) -> Vec<u8> {
    let mut out = Vec::new();
    write::object(&mut out, |members| {
        for (key, value) in object {
            if !skip.contains(&key.as_str()) {
                members.json(key, &value.to_string());
            }
        }
    });
    out[1..out.len() - 1].to_vec()
}

fn object<'o>(options: &'o Options, key: &str) -> Option<&'o Options> {
    options.get(key)?.as_object()
}

fn size(options: &Options, key: &str) -> usize {
    options.get(key).map_or(0, |value| value.to_string().len())
}
