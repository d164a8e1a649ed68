//! One message: its parts chosen by layout and form, made to fit, written.
//!
//! Members go in the order `fcm_options`, data, notification, android, apns, target; none twice.

use std::time::{SystemTime, UNIX_EPOCH};

use super::data::Data;
use super::frame::{Frame, Storage};
use super::hedwig::{self, Form};
use super::write::{self, Members};
use super::{Hedwig, sygnal};
use crate::matrix::Priority;
use crate::providers::push::View;

/// The most that FCM takes, keys and values of data and notification together
/// (<https://firebase.google.com/docs/cloud-messaging/error-codes>); APNs takes as much.
pub(super) const MAX_BYTES: usize = 4096;

/// The most that braces, commas, the badge and the alert's keys add to an APNs payload.
const APNS_AROUND: usize = 100;

/// One message before it is written.
pub(super) struct Message<'a> {
    frame: &'a Frame,
    data: Option<Data<'a>>,
    priority: &'static str,
    /// Title and body of the visible notification.
    notification: Option<(String, String)>,
    /// Whether it is for Apple's devices.
    ios: bool,
}

impl<'a> Message<'a> {
    /// Takes Sygnal's layout, with texts of at most `most` bytes; `None` if there is nothing to
    /// tell.
    pub(super) fn sygnal(frame: &'a Frame, view: &View<'a>, most: usize) -> Option<Self> {
        Some(Self {
            frame,
            data: Some(sygnal::data(view, most)?),
            priority: sygnal::priority(view),
            notification: None,
            ios: false,
        })
    }

    /// Takes Hedwig's layout; `None` if there is nothing to tell.
    pub(super) fn hedwig(hedwig: &'a Hedwig, view: &View<'a>) -> Option<Self> {
        let form = Form::of(view.device);
        let frame = match form {
            Form::Android => &hedwig.android,
            Form::Ios => &hedwig.ios,
            Form::Visible => &hedwig.visible,
        };
        // Without a room there is nothing to show: such a push updates counts.
        let about_room = view.room_id.is_some() || view.encrypted.ciphertext.is_some();
        let notification = (form != Form::Android && about_room).then(|| {
            let text = |text: &str| hedwig::with_count(text, view);
            (text(&hedwig.title), text(&hedwig.body))
        });
        let data = match form {
            Form::Android | Form::Ios => Some(hedwig::data(view)?),
            Form::Visible if notification.is_none() => return None,
            Form::Visible => None,
        };
        Some(Self { frame, data, priority: "HIGH", notification, ios: form == Form::Ios })
    }

    /// Makes it keep the limits of FCM and APNs; `None` if ids alone are larger.
    pub(super) fn fit(&mut self) -> Option<()> {
        let Some(data) = &mut self.data else {
            return Some(());
        };
        let shown = shown(self.notification.as_ref());
        let plain = MAX_BYTES.checked_sub(self.frame.taken + shown)?;
        let apns = self.frame.apns_taken.map(|taken| taken + shown + APNS_AROUND);
        let escaped = apns.map(|taken| MAX_BYTES.saturating_sub(taken));
        data.fit(plain, escaped)
    }

    /// Returns the bytes that FCM counts.
    pub(super) fn size(&self) -> usize {
        let data = self.data.as_ref().map_or(0, Data::size);
        data + self.frame.taken + shown(self.notification.as_ref())
    }

    /// Writes the request's body; `field` names the device.
    pub(super) fn write(
        &self,
        view: &View<'_>,
        storage: Storage,
        (field, pushkey): (&str, &str),
        now: SystemTime,
    ) -> Vec<u8> {
        let size = self.data.as_ref().map_or(0, Data::size);
        let mut out = Vec::with_capacity(size * 9 / 8 + self.frame.message.len() + 768);
        write::object(&mut out, |root| {
            root.object("message", |message| {
                message.copy(&self.frame.message);
                if let Some(data) = &self.data {
                    message.object("data", |members| data.write(members));
                }
                if let Some((title, body)) = &self.notification {
                    message.object("notification", |notification| {
                        notification.copy(&self.frame.notification);
                        notification.text("title", title);
                        notification.text("body", body);
                    });
                }
                let room = view.room_id.filter(|_| storage.collapse_per_room).map(short_hash);
                message.object("android", |android| {
                    android.copy(&self.frame.android);
                    android.text("priority", self.priority);
                    if let Some(room) = &room {
                        android.text("collapse_key", room);
                    }
                });
                if self.ios {
                    let expires = storage.ttl_seconds.map(|ttl| expiration(ttl, now));
                    self.write_apns(message, view, room.as_deref(), expires.as_deref());
                }
                message.text(field, pushkey);
            });
        });
        out
    }

    fn write_apns(
        &self,
        message: &mut Members<'_>,
        view: &View<'_>,
        room: Option<&str>,
        expires: Option<&str>,
    ) {
        let frame = &self.frame.apns;
        message.object("apns", |apns| {
            apns.copy(&frame.others);
            apns.object("headers", |headers| {
                headers.copy(&frame.headers);
                if !frame.has_priority {
                    let low = view.prio == Priority::Low;
                    headers.text("apns-priority", if low { "5" } else { "10" });
                }
                if let Some(expires) = expires {
                    headers.text("apns-expiration", expires);
                }
                if let Some(room) = room {
                    headers.text("apns-collapse-id", room);
                }
            });
            apns.object("payload", |payload| {
                // An alert's keys without an alert would make a sound for nothing.
                let shows = self.notification.is_some();
                payload.copy(if shows { &frame.payload } else { &[] });
                payload.object("aps", |aps| {
                    aps.copy(if shows { &frame.aps } else { &[] });
                    if let Some(counts) = view.counts {
                        aps.json("badge", &counts.unread.unwrap_or_default().to_string());
                    }
                });
            });
        });
    }
}

/// Returns the bytes of a visible notification's title and body, keys included.
fn shown(notification: Option<&(String, String)>) -> usize {
    notification.map_or(0, |(title, body)| {
        "titlebody".len() + write::escaped_len(title) + write::escaped_len(body)
    })
}

/// Returns when APNs stops keeping the message; zero is "now or never".
fn expiration(ttl_seconds: u32, now: SystemTime) -> String {
    let now = now.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
    let at = if ttl_seconds == 0 { 0 } else { now + u64::from(ttl_seconds) };
    at.to_string()
}

/// Returns a room's name for collapsing: FNV-1a in hexadecimal, short enough for APNs as well.
fn short_hash(room_id: &str) -> String {
    let hash = room_id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    format!("{hash:016x}")
}
