//! Subscriptions as a browser makes them: an endpoint, and keys only the browser can use.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::rand;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use uuid::Uuid;

const PATH: &str = "/push/";

/// What a browser gives the application.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscription {
    /// The push resource.
    pub endpoint: String,
    /// The browser's public key, base64url: the pushkey.
    pub p256dh: String,
    /// The authentication secret, base64url.
    pub auth: String,
}

impl Subscription {
    /// Returns what a client puts into its pusher's `data`.
    #[must_use]
    pub fn data(&self) -> Value {
        json!({ "endpoint": self.endpoint, "auth": self.auth })
    }

    /// Returns the name under which the peer scripts and counts it.
    #[must_use]
    pub fn token(&self) -> &str {
        id(&self.endpoint)
    }
}

/// What the browser, or the phone's distributor, keeps.
pub(in crate::peers) struct Browser {
    /// Where it is subscribed: scheme, host and port.
    pub(super) origin: String,
    pub(super) key: PrivateKey,
    pub(super) auth: [u8; 16],
}

impl Browser {
    /// Makes its keys; returns those for others too, base64url: `p256dh` and `auth`.
    pub(in crate::peers) fn new(origin: &str) -> (Self, [String; 2]) {
        let key = made(PrivateKey::generate(&ECDH_P256));
        let public = made(key.compute_public_key());
        let mut auth = [0; 16];
        made(rand::fill(&mut auth));
        let public = [public.as_ref(), &auth].map(|it| URL_SAFE_NO_PAD.encode(it));
        let origin = origin.to_owned();
        (Self { origin, key, auth }, public)
    }
}

/// Every subscription, by the last part of its path.
#[derive(Default)]
pub(super) struct Subscriptions(Mutex<HashMap<String, Arc<Browser>>>);

impl Subscriptions {
    pub(super) fn make(&self, origin: &str) -> Subscription {
        let (browser, [p256dh, auth]) = Browser::new(origin);
        let id = Uuid::new_v4().simple().to_string();
        let subscription = Subscription { endpoint: format!("{origin}{PATH}{id}"), p256dh, auth };
        self.all().insert(id, Arc::new(browser));
        subscription
    }

    pub(super) fn find(&self, path: &str) -> Option<Arc<Browser>> {
        self.all().get(path.strip_prefix(PATH)?).cloned()
    }

    fn all(&self) -> MutexGuard<'_, HashMap<String, Arc<Browser>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns the last part of a path.
pub(in crate::peers) fn id(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or_default()
}

fn made<T, E: std::fmt::Debug>(result: Result<T, E>) -> T {
    result.unwrap_or_else(|error| panic!("cannot make a subscription: {error:?}"))
}
