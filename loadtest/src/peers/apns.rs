//! Simulated APNs: HTTP/2, provider tokens or certificates, Apple's reasons.
//!
//! As strict as developer.apple.com/documentation/usernotifications says (sending notification
//! requests, token-based connection, handling notification responses); see `validate` for the
//! rules of a request and `token` for those of provider tokens.

mod token;
mod validate;

use std::borrow::Cow;
use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Request, Response};
use rcgen::KeyPair;
use serde::Deserialize;
use uuid::Uuid;

use super::pki::{self, ClientCertificates};
use super::server::Protocol;
use super::service::{Judged, Service};
use super::{Answer, Peer, thread};
use token::{Issuers, Provider};

/// A running simulated APNs; see [`Peer`] for what it has in common with other peers.
#[derive(Clone)]
pub struct Apns {
    peer: Peer,
    rules: Arc<Rules>,
}

/// A provider's signing key, as Apple's developer portal hands it out.
#[derive(Debug, Clone)]
pub struct ProviderKey {
    key_id: String,
    team_id: String,
    topics: Vec<String>,
    p8: String,
    /// The public point, uncompressed.
    public: Vec<u8>,
}

impl ProviderKey {
    /// Makes a key that may push to these topics (bundle ids) and their suffixed forms.
    ///
    /// # Panics
    ///
    /// If no key can be made.
    #[must_use]
    pub fn new(key_id: &str, team_id: &str, topics: &[&str]) -> Self {
        let pair = KeyPair::generate()
            .unwrap_or_else(|error| panic!("cannot make a provider key: {error}"));
        Self {
            key_id: key_id.to_owned(),
            team_id: team_id.to_owned(),
            topics: topics.iter().map(|&topic| topic.to_owned()).collect(),
            p8: pair.serialize_pem(),
            public: pair.public_key_raw().to_vec(),
        }
    }

    /// Returns the key's id.
    #[must_use]
    pub fn key_id(&self) -> &str {
        &self.key_id
    }

    /// Returns the team's id.
    #[must_use]
    pub fn team_id(&self) -> &str {
        &self.team_id
    }

    /// Returns the private key as Apple's `.p8` file holds it: PKCS#8 in PEM.
    #[must_use]
    pub fn p8(&self) -> &str {
        &self.p8
    }

    /// Writes the `.p8` file into a directory and returns it.
    ///
    /// # Panics
    ///
    /// If the file cannot be written.
    #[must_use]
    pub fn write(&self, directory: impl AsRef<Path>) -> PathBuf {
        pki::write(directory, &format!("AuthKey_{}.p8", self.key_id), &self.p8)
    }
}

/// How the simulated APNs is set up.
#[derive(Debug, Clone)]
pub struct Options {
    keys: Vec<ProviderKey>,
    first_streams: u32,
    max_streams: u32,
}

impl Default for Options {
    fn default() -> Self {
        // "1 until the first request with a valid token succeeded", then about 1000.
        Self { keys: Vec::new(), first_streams: 1, max_streams: 1000 }
    }
}

impl Options {
    /// Accepts tokens of this key, and its topics.
    #[must_use]
    pub fn key(mut self, key: &ProviderKey) -> Self {
        self.keys.push(key.clone());
        self
    }

    /// Sets how many streams a connection may open before a push with a provider token succeeded.
    #[must_use]
    pub fn first_streams(mut self, streams: u32) -> Self {
        self.first_streams = streams;
        self
    }

    /// Sets how many streams a connection may open afterwards.
    #[must_use]
    pub fn max_streams(mut self, streams: u32) -> Self {
        self.max_streams = streams;
        self
    }
}

impl Apns {
    /// Starts it on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start(options: Options) -> Self {
        let rules = Arc::new(Rules {
            issuers: Issuers::new(options.keys),
            first_streams: options.first_streams,
        });
        let tls = pki::acceptor(&[b"h2"], ClientCertificates::Asked);
        let peer = thread::start(Arc::clone(&rules), tls, Protocol::Http2, options.max_streams);
        Self { peer, rules }
    }

    /// Returns the distinct provider tokens seen, valid or not, in the order of their first use.
    #[must_use]
    pub fn provider_tokens(&self) -> Vec<String> {
        self.rules.issuers.seen()
    }

    /// Lets every provider token seen so far be expired.
    pub fn expire_provider_tokens(&self) {
        self.rules.issuers.expire();
    }

    /// Answers every push to this device token with 410 `Unregistered`, since `timestamp`
    /// (milliseconds since the epoch).
    pub fn unregister(&self, token: &str, timestamp: u64) {
        self.for_token(token).always(Answer::new(410, "Unregistered").timestamp(timestamp));
    }
}

impl Deref for Apns {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

struct Rules {
    issuers: Issuers,
    first_streams: u32,
}

/// What pushes of this gateway carry besides `aps`.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(borrow, default)]
    event_id: Option<Cow<'a, str>>,
}

impl Service for Rules {
    const NAME: &'static str = "APNs";
    type Connection = Provider;

    fn connect(&self, certificate: Option<&[u8]>) -> Provider {
        Provider::new(certificate.map(pki::topics))
    }

    fn first_streams(&self, provider: &Provider) -> Option<u32> {
        (!provider.has_certificate()).then_some(self.first_streams)
    }

    fn judge<'r>(&self, provider: &mut Provider, request: &'r Request<Bytes>) -> Judged<'r> {
        let token = request.uri().path().strip_prefix(validate::PATH).unwrap_or_default();
        let payload = serde_json::from_slice::<Payload>(request.body());
        let refusal = validate::request(request)
            .and_then(|()| self.issuers.authorise(provider, request.headers()))
            .and_then(|topics| validate::headers(request.headers(), &topics))
            .and_then(|()| validate::body(request));
        Judged {
            token: token.into(),
            event_id: payload.ok().and_then(|payload| payload.event_id),
            refusal: refusal.err().map(|(status, reason)| Answer::new(status, reason)),
            content: None,
        }
    }

    fn render(&self, request: &Request<Bytes>, answer: &Answer) -> Response<Bytes> {
        let mut response = answer.response(|| match (&answer.reason, answer.timestamp) {
            (Some(reason), Some(timestamp)) => {
                format!(r#"{{"reason":"{reason}","timestamp":{timestamp}}}"#).into()
            }
            (Some(reason), None) => format!(r#"{{"reason":"{reason}"}}"#).into(),
            (None, _) => Bytes::new(),
        });
        let id = request
            .headers()
            .get("apns-id")
            .cloned()
            .or_else(|| HeaderValue::from_str(&Uuid::new_v4().hyphenated().to_string()).ok());
        if let Some(id) = id {
            response.headers_mut().insert("apns-id", id);
        }
        response
    }
}
