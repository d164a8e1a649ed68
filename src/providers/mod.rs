//! The couriers: how one push reaches one vendor, and what the vendor's answer means.
//!
//! Each provider is a folder with the same furniture (`config`, `payload`, `auth`, `response`,
//! `mod`) and one line in the list below. Above this floor nobody knows which providers exist:
//! the sorting room sees `App`, `Deliver` and `Outcome` only. Providers never import each other.
//! From here a notification goes to `transport`.

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

pub use actor::{Deliver, Provider, Seat};
pub use app::{App, Blueprint, Credential, Kind, ProviderConfig, Surroundings};
pub use common::{Auto, Common};
pub use outcome::{Cause, Outcome, Retry};
pub use preview::Preview;
pub use probe::Finding;
pub use push::{Push, View};

/// Declares the provider folders and lists them as [`KINDS`], in the order documents name them.
macro_rules! providers {
    ($($(#[$doc:meta])* $module:ident => $config:ty),+ $(,)?) => {
        $($(#[$doc])* pub mod $module;)+

        /// Every provider that an app's `type` can name.
        pub const KINDS: &[Kind] = &[$(Kind::of::<$config>()),+];
    };
}

providers! {
    /// Apple Push Notification service.
    apns => apns::Config,
    /// Firebase Cloud Messaging, HTTP v1.
    fcm => fcm::Config,
    /// Web Push: RFC 8030, 8291, 8292.
    webpush => webpush::Config,
    /// `UnifiedPush`: whichever push server a phone chose.
    unifiedpush => unifiedpush::Config,
    /// A fixed URL of the operator's.
    webhook => webhook::Config,
    /// The log, for development.
    log => log::Config,
}
