//! What the bare client sends, and where: one request as the gateway sent it.

use std::io;
use std::net::SocketAddr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use crate::driver::rig::Sample;

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
    pub(super) body: Vec<u8>,
    /// Whom each body is sealed for.
    pub(super) subscriber: Option<Subscriber>,
    /// Requests under way at once.
    pub(super) in_flight: usize,
    /// Requests a second; as many as there can be, if nothing is said.
    pub(super) rate: Option<f64>,
}

/// A browser, for which every body is sealed anew.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Subscriber {
    /// Its public key.
    pub(super) p256dh: Vec<u8>,
    /// Its authentication secret.
    pub(super) auth: Vec<u8>,
}

impl Recipe {
    /// Takes what a gateway sent.
    ///
    /// # Errors
    ///
    /// Returns an error if the keys of a device are none.
    pub(in super::super) fn of(sample: &Sample, in_flight: usize) -> io::Result<Self> {
        let Sample { received, peer, device } = sample;
        let text = |value: &http::HeaderValue| value.to_str().unwrap_or_default().to_owned();
        let sealed = device.as_ref().and_then(|it| Some((&it.pushkey, it.auth.as_ref()?)));
        let headers = received.headers.iter();
        Ok(Self {
            address: peer.address(),
            ca_pem: peer.ca_pem(),
            path: received.path.clone(),
            headers: headers.map(|(name, value)| (name.to_string(), text(value))).collect(),
            body: received.body.to_vec(),
            subscriber: sealed.map(|(p256dh, auth)| Subscriber::new(p256dh, auth)).transpose()?,
            in_flight,
            rate: None,
        })
    }

    /// Returns the recipe for so many requests a second.
    pub(in super::super) fn paced(&self, rate: f64) -> Self {
        Self { rate: Some(rate), ..self.clone() }
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
    fn new(p256dh: &str, auth: &str) -> io::Result<Self> {
        let decode = |text| URL_SAFE_NO_PAD.decode(text).map_err(io::Error::other);
        Ok(Self { p256dh: decode(p256dh)?, auth: decode(auth)? })
    }
}
