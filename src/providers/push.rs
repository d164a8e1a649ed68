//! One push: a shared notification and one of its devices.

use std::sync::Arc;

use uuid::Uuid;

use crate::matrix::{
    Counts, Device, Encrypted, Json, Notification, NotifyRequest, Priority, Tweaks,
};

/// One push: a shared notification and one of its devices. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Push {
    request: Arc<NotifyRequest>,
    device: usize,
    id: Uuid,
}

impl Push {
    /// Makes the push for one device; `None` if there is no such device.
    pub fn new(request: Arc<NotifyRequest>, device: usize) -> Option<Self> {
        (device < request.devices.len()).then(|| Self { request, device, id: Uuid::new_v4() })
    }

    /// Makes a push that comes from no request.
    pub fn to_one(notification: Notification, device: Device) -> Self {
        let request = NotifyRequest { notification, devices: vec![device], ignored: Vec::new() };
        Self { request: Arc::new(request), device: 0, id: Uuid::new_v4() }
    }

    /// Returns the push's own id: the same on each attempt.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// Returns what happened, in full. Payloads are built from [`Push::view`] instead.
    pub fn notification(&self) -> &Notification {
        &self.request.notification
    }

    /// Returns whom to tell.
    pub fn device(&self) -> &Device {
        &self.request.devices[self.device]
    }

    /// Returns what may leave for the provider under these options.
    pub fn view(&self, options: ViewOptions) -> View<'_> {
        View::new(self.notification(), self.device(), options)
    }
}

/// What an app lets out.
#[derive(Debug, Clone, Copy)]
pub struct ViewOptions {
    /// Whether counts leave at all.
    pub send_badge_counts: bool,
    /// Whether everything but ids and counts stays here.
    pub event_id_only: bool,
}

/// What may leave for the provider. Payloads are built from this alone, so that no provider can
/// forget a switch.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The event's id.
    pub event_id: Option<&'a str>,
    /// The room's id.
    pub room_id: Option<&'a str>,
    /// The event's type; absent in pushes that carry only ids.
    pub event_type: Option<&'a str>,
    /// The sender's Matrix id.
    pub sender: Option<&'a str>,
    /// The sender's name.
    pub sender_display_name: Option<&'a str>,
    /// The room's name.
    pub room_name: Option<&'a str>,
    /// The room's alias.
    pub room_alias: Option<&'a str>,
    /// A member event's membership.
    pub membership: Option<&'a str>,
    /// Whether a member event is about the receiving user.
    pub user_is_target: Option<bool>,
    /// How soon.
    pub prio: Priority,
    /// The event's content, a JSON object.
    pub content: Option<&'a Json>,
    /// The counts to show; `None` leaves the device's badge alone.
    pub counts: Option<Counts>,
    /// MSC3013's fields.
    pub encrypted: &'a Encrypted,
    /// What the user's push rules ask for.
    pub tweaks: &'a Tweaks,
    /// The device: its pushkey and data.
    pub device: &'a Device,
}

impl<'a> View<'a> {
    fn new(notification: &'a Notification, device: &'a Device, options: ViewOptions) -> Self {
        static NOT_ENCRYPTED: Encrypted =
            Encrypted { ciphertext: None, ephemeral: None, mac: None };
        static NO_TWEAKS: Tweaks = Tweaks { sound: None, highlight: false };
        let whole = !options.event_id_only;
        let full = |text: &'a Option<crate::matrix::Text>| text.as_deref().filter(|_| whole);
        Self {
            event_id: notification.event_id.as_deref(),
            room_id: notification.room_id.as_deref(),
            event_type: full(&notification.event_type),
            sender: full(&notification.sender),
            sender_display_name: full(&notification.sender_display_name),
            room_name: full(&notification.room_name),
            room_alias: full(&notification.room_alias),
            membership: full(&notification.membership),
            user_is_target: notification.user_is_target.filter(|_| whole),
            prio: notification.prio,
            content: notification.content.as_ref().filter(|_| whole),
            counts: counts(notification, device).filter(|_| options.send_badge_counts),
            encrypted: if whole { &notification.encrypted } else { &NOT_ENCRYPTED },
            tweaks: if whole { &device.tweaks } else { &NO_TWEAKS },
            device,
        }
    }

    /// Whether this push is about no event, only about counts.
    pub fn is_badge_only(&self) -> bool {
        self.event_id.is_none() && self.event_type.is_none() && self.encrypted.ciphertext.is_none()
    }
}

/// Returns the counts to show. Without event and without counts it is "nothing unread": the
/// homeservers built on ruma leave zeros out. MSC4076 pushers manage their badge themselves.
fn counts(notification: &Notification, device: &Device) -> Option<Counts> {
    if device.data.disable_badge_count {
        return None;
    }
    let nothing_unread = Counts { unread: Some(0), missed_calls: None };
    // MSC3013 puts the event into the ciphertext.
    let is_badge = notification.event_id.is_none() && notification.encrypted.ciphertext.is_none();
    notification.counts.or_else(|| is_badge.then_some(nothing_unread))
}
