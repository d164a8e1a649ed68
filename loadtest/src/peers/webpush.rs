//! A simulated push service for Web Push: RFC 8030 over HTTP/2 or HTTP/1.1, strict about headers,
//! VAPID and encryption, with Mozilla's errors.
//!
//! It also plays the browser: [`WebPush::subscribe`] makes a subscription, and what is sent to it
//! is decrypted before it is recorded, so that `json` and `event_id` of a request are the
//! message's.

pub(super) mod decrypt;
pub(super) mod subscription;
pub(super) mod validate;
mod vapid;

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use serde_json::{Value, json};

use super::answer::Act;
use super::pki::{self, ClientCertificates};
use super::server::Protocol;
use super::service::{Judged, Service};
use super::{Answer, Peer, thread};
pub use subscription::Subscription;
use subscription::Subscriptions;

/// Streams allowed on one connection.
const MAX_STREAMS: u32 = 100;

/// How the simulated push service is set up.
#[derive(Debug, Clone)]
pub struct Options {
    protocols: &'static [&'static [u8]],
    max_streams: u32,
}

impl Default for Options {
    fn default() -> Self {
        Self { protocols: &[b"h2", b"http/1.1"], max_streams: MAX_STREAMS }
    }
}

impl Options {
    /// Speaks HTTP/1.1 only.
    #[must_use]
    pub fn http1_only(mut self) -> Self {
        self.protocols = &[b"http/1.1"];
        self
    }

    /// Sets how many streams a connection may open.
    #[must_use]
    pub fn max_streams(mut self, streams: u32) -> Self {
        self.max_streams = streams;
        self
    }
}

/// A running simulated push service; see [`Peer`] for what it has in common with other peers.
#[derive(Clone)]
pub struct WebPush {
    peer: Peer,
    rules: Arc<Rules>,
}

impl WebPush {
    /// Starts it on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start(options: &Options) -> Self {
        let rules = Arc::new(Rules::default());
        let tls = pki::acceptor(options.protocols, ClientCertificates::NotAsked);
        let peer = thread::start(Arc::clone(&rules), tls, Protocol::Either, options.max_streams);
        Self { peer, rules }
    }

    /// Makes a subscription at [`Peer::url`].
    ///
    /// # Panics
    ///
    /// If the machine cannot give random numbers.
    #[must_use]
    pub fn subscribe(&self) -> Subscription {
        self.subscribe_at(&self.peer.url())
    }

    /// Makes a subscription under another name of this peer, such as `http://127.0.0.1:PORT`.
    ///
    /// # Panics
    ///
    /// If the machine cannot give random numbers.
    #[must_use]
    pub fn subscribe_at(&self, origin: &str) -> Subscription {
        self.rules.subscriptions.make(origin)
    }

    /// Returns the distinct VAPID tokens seen, in the order of their first use.
    #[must_use]
    pub fn vapid_tokens(&self) -> Vec<String> {
        self.rules.tokens.seen()
    }
}

impl Deref for WebPush {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

#[derive(Default)]
struct Rules {
    subscriptions: Subscriptions,
    tokens: vapid::Tokens,
}

impl Rules {
    /// Judges a request to a subscription; returns its message.
    fn message(&self, request: &Request<Bytes>) -> Result<Bytes, validate::Refusal> {
        validate::method(request)?;
        let browser = self.subscriptions.find(request.uri().path()).ok_or((404, "102"))?;
        validate::headers(request.headers())?;
        self.tokens.check(request.headers(), &browser.origin)?;
        if request.body().len() > validate::MAX_BODY {
            return Err((413, "104"));
        }
        decrypt::message(request.body(), &browser).ok_or((400, "110"))
    }
}

impl Service for Rules {
    const NAME: &'static str = "push service";
    type Connection = ();

    fn connect(&self, _certificate: Option<&[u8]>) {}

    fn judge<'r>(&self, (): &mut (), request: &'r Request<Bytes>) -> Judged<'r> {
        let message = self.message(request);
        let content = message.as_ref().ok().cloned();
        let json =
            content.as_ref().and_then(|message| serde_json::from_slice::<Value>(message).ok());
        Judged {
            token: subscription::id(request.uri().path()).into(),
            event_id: json.and_then(|json| Some(json["event_id"].as_str()?.to_owned().into())),
            refusal: message.err().map(|(status, errno)| Answer::new(status, errno)),
            content,
        }
    }

    fn render(&self, request: &Request<Bytes>, answer: &Answer) -> Response<Bytes> {
        let status = answer.status.as_u16();
        let mut response = answer.response(|| match &answer.reason {
            // A number is an errno of Mozilla's, a word a reason of Apple's.
            Some(reason) => match reason.parse::<u16>() {
                Ok(errno) => json!({ "code": status, "errno": errno, "error": "", "message": "" }),
                Err(_) => json!({ "reason": reason }),
            }
            .to_string()
            .into(),
            None => Bytes::new(),
        });
        if answer.act == Act::Accept {
            *response.status_mut() = http::StatusCode::CREATED;
            let path = format!("/message/{}", subscription::id(request.uri().path()));
            if let Ok(location) = HeaderValue::try_from(path) {
                response.headers_mut().insert(header::LOCATION, location);
            }
        }
        response
    }
}
