//! Simulated providers as most tests want them, and the device they push to.

use loadtest::peers::apns::{self, Apns, ProviderKey};
use loadtest::peers::fcm::{self, Fcm};
use loadtest::peers::oauth::OAuth;

/// The topic (bundle id) of every simulated APNs app.
pub(crate) const TOPIC: &str = "org.example.app";

/// The device token of most tests, as a homeserver sends it and as APNs gets it.
pub(crate) const TOKEN: &str = "3q2+796tvu8AAQIDBAUGBwgJCgsMDQ4PEBESExQVFhc=";
pub(crate) const TOKEN_HEX: &str =
    "deadbeefdeadbeef000102030405060708090a0b0c0d0e0f1011121314151617";

/// A simulated APNs with one key.
pub(crate) fn apns() -> (Apns, ProviderKey) {
    apns_with(apns::Options::default())
}

pub(crate) fn apns_with(options: apns::Options) -> (Apns, ProviderKey) {
    // A team of its own, so that no two tests share a provider token.
    let team = format!("T{:09}", random_number());
    let key = ProviderKey::new("KEY0000001", &team, &[TOPIC]);
    (Apns::start(options.key(&key)), key)
}

/// A simulated FCM with its OAuth server.
pub(crate) fn fcm() -> Fcm {
    Fcm::start(fcm::Options::new("project").oauth(&OAuth::start()))
}

fn random_number() -> u32 {
    use std::hash::{BuildHasher as _, RandomState};
    u32::try_from(RandomState::new().hash_one(0) % 1_000_000_000).unwrap()
}
