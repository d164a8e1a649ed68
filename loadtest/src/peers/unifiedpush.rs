//! A simulated push server for `UnifiedPush`, over HTTP/2 or HTTP/1.1: as strict as those made for
//! browsers, and as silent about what it refuses.
//!
//! It also plays the phone: [`UnifiedPush::endpoint`] registers one that reads what it gets,
//! [`UnifiedPush::endpoint_with_keys`] one that decrypts it first. What arrives has to be a
//! notification for that very endpoint.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

use super::answer::Act;
use super::pki::{self, ClientCertificates};
use super::server::Protocol;
use super::service::{Judged, Service};
use super::webpush::decrypt;
use super::webpush::subscription::{Browser, id};
use super::webpush::validate::{self, MAX_BODY, Refusal};
use super::{Answer, Peer, thread};

/// Streams allowed on one connection.
const MAX_STREAMS: u32 = 100;

/// A phone's endpoint, as its app puts it into a pusher.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The endpoint: the pushkey.
    pub url: String,
    /// `p256dh` and `auth`, base64url, if the app wants encryption.
    keys: Option<[String; 2]>,
}

impl Endpoint {
    /// Returns what the app puts into its pusher's `data`.
    #[must_use]
    pub fn data(&self) -> Value {
        match &self.keys {
            Some([p256dh, auth]) => json!({ "p256dh": p256dh, "auth": auth }),
            None => json!({}),
        }
    }

    /// Returns the name under which the peer scripts and counts it.
    #[must_use]
    pub fn token(&self) -> &str {
        id(self.url.split('?').next().unwrap_or_default())
    }
}

/// A running simulated push server; see [`Peer`] for what it has in common with other peers.
#[derive(Clone)]
pub struct UnifiedPush {
    peer: Peer,
    rules: Arc<Rules>,
}

impl UnifiedPush {
    /// Starts it on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        Self::speaking(&[b"h2", b"http/1.1"])
    }

    /// Starts one that speaks HTTP/1.1 only.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start_http1() -> Self {
        Self::speaking(&[b"http/1.1"])
    }

    fn speaking(protocols: &[&[u8]]) -> Self {
        let rules = Arc::new(Rules::default());
        let tls = pki::acceptor(protocols, ClientCertificates::NotAsked);
        let peer = thread::start(Arc::clone(&rules), tls, Protocol::Either, MAX_STREAMS);
        Self { peer, rules }
    }

    /// Registers an app without keys.
    #[must_use]
    pub fn endpoint(&self) -> Endpoint {
        self.register(None)
    }

    /// Registers an app that wants its messages encrypted.
    ///
    /// # Panics
    ///
    /// If the machine cannot give random numbers.
    #[must_use]
    pub fn endpoint_with_keys(&self) -> Endpoint {
        self.register(Some(Browser::new(&self.peer.url())))
    }

    fn register(&self, keys: Option<(Browser, [String; 2])>) -> Endpoint {
        let (phone, keys) = keys.unzip();
        let id = Uuid::new_v4().simple().to_string();
        // ntfy's endpoints have a query.
        let url = format!("{}/{id}?up=1", self.peer.url());
        let app = App { url: url.clone(), phone };
        self.rules.apps().insert(id, Arc::new(app));
        Endpoint { url, keys }
    }
}

impl Deref for UnifiedPush {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

/// A registered app.
struct App {
    url: String,
    /// Who decrypts its messages.
    phone: Option<Browser>,
}

#[derive(Default)]
struct Rules(Mutex<HashMap<String, Arc<App>>>);

impl Rules {
    fn apps(&self) -> MutexGuard<'_, HashMap<String, Arc<App>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Judges a request to an endpoint; returns its message.
    fn message(&self, request: &Request<Bytes>) -> Result<Bytes, Refusal> {
        validate::method(request)?;
        let app = self.apps().get(id(request.uri().path())).cloned();
        let app = app.ok_or((404, "no such endpoint"))?;
        validate::headers(request.headers())?;
        let body = request.body();
        if body.len() > MAX_BODY {
            return Err((413, "too large"));
        }
        let message = match &app.phone {
            Some(phone) => decrypt::message(body, phone).ok_or((400, "cannot be decrypted"))?,
            None => body.clone(),
        };
        if is_for(&message, &app.url) {
            Ok(message)
        } else {
            Err((400, "no notification for this endpoint"))
        }
    }
}

/// Whether a message is a notification that names no other device than this.
fn is_for(message: &[u8], endpoint: &str) -> bool {
    let message: Value = serde_json::from_slice(message).unwrap_or_default();
    let devices = &message["notification"]["devices"];
    // The host's case is the client's business.
    let is_it = |it: &Value| it.as_str().is_some_and(|it| it.eq_ignore_ascii_case(endpoint));
    let is_alone = devices.as_array().is_none_or(|devices| devices.len() == 1);
    message["notification"].is_object()
        && is_alone
        && (devices.is_null() || is_it(&devices[0]["pushkey"]))
}

impl Service for Rules {
    const NAME: &'static str = "UnifiedPush server";
    type Connection = ();

    fn connect(&self, _certificate: Option<&[u8]>) {}

    fn judge<'r>(&self, (): &mut (), request: &'r Request<Bytes>) -> Judged<'r> {
        let message = self.message(request);
        let content = message.as_ref().ok().cloned();
        let event_id = content.as_ref().and_then(|message| {
            let message: Value = serde_json::from_slice(message).ok()?;
            Some(message["notification"]["event_id"].as_str()?.to_owned())
        });
        Judged {
            token: id(request.uri().path()).into(),
            event_id: event_id.map(Into::into),
            refusal: message.err().map(|(status, reason)| Answer::new(status, reason)),
            content,
        }
    }

    fn render(&self, _request: &Request<Bytes>, answer: &Answer) -> Response<Bytes> {
        let mut response = answer.response(Bytes::new);
        if answer.act == Act::Accept {
            *response.status_mut() = StatusCode::CREATED;
        }
        response
    }
}
