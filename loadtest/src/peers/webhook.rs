//! A simulated webhook, over HTTP/2 or HTTP/1.1: takes a notification with one device at one path,
//! and nothing that is not signed with its secret.

use std::ops::Deref;
use std::sync::Arc;

use aws_lc_rs::hmac::{HMAC_SHA256, Key, sign};
use bytes::Bytes;
use http::{Method, Request, Response, StatusCode};
use serde_json::Value;

use super::answer::Act;
use super::pki::{self, ClientCertificates};
use super::server::Protocol;
use super::service::{Judged, Service};
use super::{Answer, Peer, thread};

/// Streams allowed on one connection.
const MAX_STREAMS: u32 = 100;

const PATH: &str = "/hook";

/// How the simulated webhook is set up.
#[derive(Debug, Clone)]
pub struct Options {
    protocols: &'static [&'static [u8]],
    secret: Option<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { protocols: &[b"h2", b"http/1.1"], secret: None }
    }
}

impl Options {
    /// Speaks HTTP/1.1 only.
    #[must_use]
    pub fn http1_only(mut self) -> Self {
        self.protocols = &[b"http/1.1"];
        self
    }

    /// Refuses what is not signed with this secret.
    #[must_use]
    pub fn secret(mut self, secret: &str) -> Self {
        self.secret = Some(secret.to_owned());
        self
    }
}

/// A running simulated webhook; see [`Peer`] for what it has in common with other peers.
#[derive(Clone)]
pub struct Webhook(Peer);

impl Webhook {
    /// Starts it on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start(options: &Options) -> Self {
        let secret = options.secret.as_ref();
        let rules = Rules { key: secret.map(|secret| Key::new(HMAC_SHA256, secret.as_bytes())) };
        let tls = pki::acceptor(options.protocols, ClientCertificates::NotAsked);
        Self(thread::start(Arc::new(rules), tls, Protocol::Either, MAX_STREAMS))
    }

    /// Returns the URL to post to.
    #[must_use]
    pub fn hook(&self) -> String {
        format!("{}{PATH}", self.0.url())
    }
}

impl Deref for Webhook {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.0
    }
}

struct Rules {
    key: Option<Key>,
}

impl Rules {
    fn check(&self, request: &Request<Bytes>, notification: &Value) -> Result<(), (u16, &str)> {
        let header = |name| request.headers().get(name).and_then(|it| it.to_str().ok());
        if request.uri().path() != PATH {
            return Err((404, "no such path"));
        }
        if request.method() != Method::POST {
            return Err((405, "post it"));
        }
        if header("content-type") != Some("application/json") {
            return Err((415, "no JSON"));
        }
        let wanted = self.key.as_ref().map(|key| signature(key, request.body()));
        if header("x-peregrine-signature") != wanted.as_deref() {
            return Err((401, "wrong signature"));
        }
        match notification["devices"].as_array().map(Vec::len) {
            Some(1) => Ok(()),
            _ => Err((400, "no notification with one device")),
        }
    }
}

fn signature(key: &Key, body: &[u8]) -> String {
    let tag = sign(key, body);
    let digits = tag.as_ref().iter().map(|byte| format!("{byte:02x}"));
    format!("sha256={}", digits.collect::<String>())
}

impl Service for Rules {
    const NAME: &'static str = "webhook";
    type Connection = ();

    fn connect(&self, _certificate: Option<&[u8]>) {}

    fn judge<'r>(&self, (): &mut (), request: &'r Request<Bytes>) -> Judged<'r> {
        let body: Value = serde_json::from_slice(request.body()).unwrap_or_default();
        let notification = &body["notification"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let refusal = self.check(request, notification).err();
        Judged {
            token: text(&notification["devices"][0]["pushkey"]).unwrap_or_default().into(),
            event_id: text(&notification["event_id"]).map(Into::into),
            refusal: refusal.map(|(status, reason)| Answer::new(status, reason)),
            content: None,
        }
    }

    fn render(&self, _request: &Request<Bytes>, answer: &Answer) -> Response<Bytes> {
        let mut response = answer.response(Bytes::new);
        if answer.act == Act::Accept {
            *response.status_mut() = StatusCode::NO_CONTENT;
        }
        response
    }
}
