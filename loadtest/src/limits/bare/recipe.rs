//! What the bare client sends, and where: one request as the gateway sent it.

use std::io;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::peers::{Peer, Received};

/// One request as the gateway sent it, to be sent again and again.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in super::super) struct Recipe {
    /// Where to.
    pub(in super::super) address: SocketAddr,
    /// The authority that the provider's certificate is from.
    pub(in super::super) ca_pem: String,
    /// The path.
    pub(in super::super) path: String,
    /// Names and values.
    pub(in super::super) headers: Vec<(String, String)>,
    /// The body, where it is sent as it is.
    pub(in super::super) body: Vec<u8>,
    /// Whom each body is sealed for.
    pub(in super::super) subscriber: Option<Subscriber>,
    /// Requests under way at once.
    pub(in super::super) in_flight: usize,
}

/// A browser, for which every body is sealed anew.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in super::super) struct Subscriber {
    /// Its public key.
    pub(in super::super) p256dh: Vec<u8>,
    /// Its authentication secret.
    pub(in super::super) auth: Vec<u8>,
}

impl Recipe {
    /// Takes a request of which `peer` was the receiver.
    pub(in super::super) fn of(received: &Received, peer: &Peer, in_flight: usize) -> Self {
        let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        Self {
            address: peer.address(),
            ca_pem: peer.ca_pem(),
            path: received.path.clone(),
            headers: received
                .headers
                .iter()
                .map(|(name, value)| (name.to_string(), text(value)))
                .collect(),
            body: received.body.to_vec(),
            subscriber: None,
            in_flight,
        }
    }

    /// Reads one, as [`Self::to_json`] writes it.
    ///
    /// # Errors
    ///
    /// Returns an error if there is none.
    pub(super) fn read(from: impl io::Read) -> io::Result<Self> {
        serde_json::from_reader(from).map_err(io::Error::other)
    }

    /// Writes it.
    ///
    /// # Errors
    ///
    /// None is known.
    pub(in super::super) fn to_json(&self) -> io::Result<String> {
        serde_json::to_string(self).map_err(io::Error::other)
    }
}

impl Subscriber {
    /// Reads what the browser gave the application, base64url both.
    pub(in super::super) fn new(p256dh: &str, auth: &str) -> io::Result<Self> {
        let decode = |text| URL_SAFE_NO_PAD.decode(text).map_err(io::Error::other);
        Ok(Self {
            p256dh: decode(p256dh)?,
            auth: decode(auth)?,
        })
    }
}
