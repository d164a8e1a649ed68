//! The couriers: how one push reaches one vendor, and what the vendor's answer means.
//!
//! Each provider is a folder with the same furniture (`config`, `payload`, `response`, `preview`,
//! and where it has them `auth`, `request`, `probe`) and a line in `KINDS`. Above this floor nobody
//! knows which providers exist: the sorting room sees `App`, `Deliver` and `Outcome` only.
//! Providers never import each other. From here a notification goes to `transport`.

pub mod actor;
pub mod aes128gcm;
pub mod app;
pub mod common;
pub mod courier;
mod draft;
mod endpoints;
mod forward;
mod in_use;
pub mod observer;
pub mod outcome;
pub mod preview;
pub mod probe;
pub mod push;
mod push_request;
mod renewal;
mod retry_after;
#[cfg(test)]
mod testing;

/// Apple Push Notification service.
pub mod apns;
/// Firebase Cloud Messaging, HTTP v1.
pub mod fcm;
/// The log, for development.
pub mod log;
/// `UnifiedPush`: whichever push server a phone chose.
pub mod unifiedpush;
/// A fixed URL of the operator's.
pub mod webhook;
/// Web Push: RFC 8030, 8291, 8292.
pub mod webpush;

pub use actor::{Deliver, Provider, Seat};
pub use app::{App, Blueprint, Credential, Kind, ProviderConfig, Surroundings};
pub use common::{Auto, Common};
pub use outcome::{Cause, Outcome, Retry};
pub use preview::Preview;
pub use probe::Finding;
pub use push::{Push, View};

/// Every provider that an app's `type` can name, in the order documents name them.
pub const KINDS: &[Kind] = &[
    Kind::of::<apns::Config>(),
    Kind::of::<fcm::Config>(),
    Kind::of::<webpush::Config>(),
    Kind::of::<unifiedpush::Config>(),
    Kind::of::<webhook::Config>(),
    Kind::of::<log::Config>(),
];
