//! What homeservers send: requests made beforehand, of which only numbers and pushkeys change, so
//! that a unique request costs the driver one copy.
//!
//! Everything about a notification follows from its number: the template (and with it the app), the
//! device, the event id. Synapse sends one device in each request, and so do these.

mod devices;
mod recorded;
mod template;

use super::options::Payload;
pub(crate) use devices::{Devices, Registered};
pub(crate) use recorded::{Recorded, read};
use template::Template;

/// An app that gets pushes.
#[derive(Debug, Clone)]
pub(crate) struct Addressee {
    /// Its `app_id`.
    pub(crate) app_id: String,
    /// Its devices.
    pub(crate) devices: Devices,
    /// The group its notifications are counted in.
    pub(crate) group: usize,
}

/// The notifications of a load.
#[derive(Debug)]
pub(crate) struct Bodies {
    templates: Vec<Template>,
    /// How many devices each template has.
    devices: u64,
}

impl Bodies {
    /// Writes every recorded body for every addressee.
    pub(crate) fn of(recorded: &[Recorded], addressees: &[Addressee]) -> Self {
        let templates: Vec<Template> = recorded
            .iter()
            .flat_map(|body| addressees.iter().map(move |to| Template::new(body, to)))
            .collect();
        let devices = addressees.iter().map(|to| to.devices.count()).min();
        Self { templates, devices: devices.unwrap_or_default().max(1) }
    }

    /// Writes one kind of event for every addressee.
    pub(crate) fn new(payload: Payload, addressees: &[Addressee]) -> Self {
        Self::of(&[recorded::usual(payload)], addressees)
    }

    /// Lets so many devices in all get the notifications, as far as that divides.
    #[must_use]
    pub(crate) fn with_pushers(mut self, pushers: usize) -> Self {
        let each = pushers / self.templates.len();
        self.devices = self.devices.min(each as u64).max(1);
        self
    }

    /// Returns how many devices there are.
    pub(crate) fn pushers(&self) -> usize {
        self.templates.len() * usize::try_from(self.devices).unwrap_or(usize::MAX)
    }

    /// Returns the device of a notification, by number.
    pub(crate) fn pusher(&self, number: u64) -> usize {
        usize::try_from(number % self.pushers() as u64).unwrap_or_default()
    }

    /// Returns the group of a notification.
    pub(crate) fn group(&self, number: u64) -> usize {
        self.template(number).group
    }

    /// Returns whether a notification is about an event, so that providers can name it.
    pub(crate) fn is_event(&self, number: u64) -> bool {
        self.template(number).is_event()
    }

    /// Counts the notifications without an event among the first so many.
    pub(crate) fn badges(&self, notifications: u64) -> u64 {
        let count = self.templates.len() as u64;
        let without = |templates: &[Template]| {
            templates.iter().filter(|template| !template.is_event()).count() as u64
        };
        let rest = usize::try_from(notifications % count).unwrap_or_default();
        notifications / count * without(&self.templates) + without(&self.templates[..rest])
    }

    /// Writes a request, head and body.
    pub(crate) fn write(&self, number: u64, request: &mut Vec<u8>) {
        let device = number / self.templates.len() as u64 % self.devices;
        self.template(number).write(number, device, request);
    }

    fn template(&self, number: u64) -> &Template {
        let count = self.templates.len() as u64;
        &self.templates[usize::try_from(number % count).unwrap_or_default()]
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use serde_json::Value;

    use super::*;
    use crate::driver::options::Kind;
    use crate::peers::Ledger;

    #[test]
    fn every_request_is_whole_and_has_an_event_of_its_own() {
        let to = |kind: Kind, group| Addressee {
            app_id: format!("app.{}", kind.name()),
            devices: Devices::numbered(kind, 0, 3),
            group,
        };
        let bodies = Bodies::new(Payload::Full, &[to(Kind::Apns, 0), to(Kind::Fcm, 1)]);
        assert_eq!(bodies.pushers(), 6);
        let mut events = HashSet::new();
        let mut pushkeys = HashSet::new();
        let mut request = Vec::new();
        for number in 0..12 {
            bodies.write(number, &mut request);
            let text = std::str::from_utf8(&request).unwrap();
            let (head, body) = text.split_once("\r\n\r\n").unwrap();
            assert!(head.contains(&format!("Content-Length: {}", body.len())));
            let body: Value = serde_json::from_str(body).unwrap();
            let notification = &body["notification"];
            assert_eq!(notification["event_id"], Ledger::event_id(number));
            assert_eq!(notification["id"], notification["event_id"]);
            let app = ["app.apns", "app.fcm"][bodies.group(number)];
            assert_eq!(notification["devices"][0]["app_id"], app);
            events.insert(notification["event_id"].to_string());
            pushkeys.insert(notification["devices"][0]["pushkey"].to_string());
            assert!(bodies.is_event(number));
        }
        assert_eq!((events.len(), pushkeys.len()), (12, 6));
    }
}
