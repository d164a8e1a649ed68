//! Simulated Google token endpoint and metadata server: HTTP/1.1, plain and TLS on one port.
//!
//! `POST /token` takes RS256 assertions as `oauth2.googleapis.com/token` does (RFC 7523; the
//! claims by developers.google.com/identity/protocols/oauth2/service-account), `GET` on the
//! metadata path answers as the metadata server of Google's clouds. What is issued here is what
//! the simulated FCM accepts.

mod account;
mod grant;

use std::collections::{HashMap, HashSet};
use std::ops::Deref;
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, header};
use serde_json::json;
use uuid::Uuid;

use super::answer::Act;
use super::pki::{self, ClientCertificates};
use super::server::Protocol;
use super::service::{Judged, Service};
use super::{Answer, Peer, thread};
use account::Key;
pub use account::ServiceAccount;

const TOKEN_PATH: &str = "/token";
const METADATA_PATH: &str = "/computeMetadata/v1/instance/service-accounts/default/token";
/// Life of Google's tokens, in seconds.
const EXPIRES_IN: u64 = 3599;

/// A running simulated token endpoint; see [`Peer`] for what it has in common with other peers.
#[derive(Clone)]
pub struct OAuth {
    peer: Peer,
    rules: Arc<Rules>,
}

impl OAuth {
    /// Starts it on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start() -> Self {
        let rules = Arc::new(Rules::default());
        let tls = pki::acceptor(&[b"http/1.1"], ClientCertificates::NotAsked);
        // HTTP/1.1 has no streams to limit.
        let peer = thread::start(Arc::clone(&rules), tls, Protocol::Http1, 1);
        rules.port.store(peer.address().port(), Ordering::Relaxed);
        Self { peer, rules }
    }

    /// Returns `http://127.0.0.1:PORT`, for the metadata server.
    #[must_use]
    pub fn http_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.address().port())
    }

    /// Returns the token endpoint over TLS.
    #[must_use]
    pub fn token_uri(&self) -> String {
        format!("{}{TOKEN_PATH}", self.url())
    }

    /// Makes a service account known here; its key file names this endpoint over TLS.
    #[must_use]
    pub fn service_account(&self, project: &str) -> ServiceAccount {
        let client_email = format!("push@{project}.iam.gserviceaccount.com");
        self.rules.accounts().insert(client_email.clone());
        ServiceAccount {
            key: Key::first(),
            project: project.to_owned(),
            client_email,
            token_uri: self.token_uri(),
        }
    }

    /// Sets the life of tokens issued from now on, in seconds.
    pub fn expires_in(&self, seconds: u64) {
        self.rules.expires_in.store(seconds, Ordering::Relaxed);
    }

    /// Writes `expires_in` as a string, as some servers do.
    pub fn expires_in_as_text(&self, text: bool) {
        self.rules.expires_in_as_text.store(text, Ordering::Relaxed);
    }

    /// Lets every token issued so far be expired.
    pub fn revoke(&self) {
        self.rules.issued().clear();
    }

    /// Returns how many tokens were issued.
    #[must_use]
    pub fn issued(&self) -> usize {
        self.rules.count.load(Ordering::Relaxed)
    }

    /// Issues a token without a request.
    #[must_use]
    pub fn issue(&self) -> String {
        self.rules.issue().0
    }

    /// Returns whether a token was issued here and is still good.
    pub(super) fn is_good(&self, token: &str) -> bool {
        self.rules.issued().get(token).is_some_and(|until| *until > Instant::now())
    }
}

impl Deref for OAuth {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

struct Rules {
    port: AtomicU16,
    expires_in: AtomicU64,
    expires_in_as_text: AtomicBool,
    count: AtomicUsize,
    /// The tokens issued, and until when they are good.
    issued: Mutex<HashMap<String, Instant>>,
    /// The accounts known, by `client_email`.
    accounts: Mutex<HashSet<String>>,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            port: AtomicU16::default(),
            expires_in: EXPIRES_IN.into(),
            expires_in_as_text: AtomicBool::default(),
            count: AtomicUsize::default(),
            issued: Mutex::default(),
            accounts: Mutex::default(),
        }
    }
}

impl Rules {
    fn issued(&self) -> MutexGuard<'_, HashMap<String, Instant>> {
        self.issued.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn accounts(&self) -> MutexGuard<'_, HashSet<String>> {
        self.accounts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn issue(&self) -> (String, u64) {
        let token = format!("ya29.{}", Uuid::new_v4().simple());
        let seconds = self.expires_in.load(Ordering::Relaxed);
        self.issued().insert(token.clone(), Instant::now() + Duration::from_secs(seconds));
        self.count.fetch_add(1, Ordering::Relaxed);
        (token, seconds)
    }

    /// Issues a token; returns the answer that carries it.
    fn token(&self) -> String {
        let (token, seconds) = self.issue();
        let as_text = self.expires_in_as_text.load(Ordering::Relaxed);
        let expires_in = if as_text { json!(seconds.to_string()) } else { json!(seconds) };
        json!({"access_token": token, "expires_in": expires_in, "token_type": "Bearer"}).to_string()
    }
}

impl Service for Rules {
    const NAME: &'static str = "OAuth";
    type Connection = ();

    fn connect(&self, _certificate: Option<&[u8]>) {}

    fn judge<'r>(&self, (): &mut (), request: &'r Request<Bytes>) -> Judged<'r> {
        let refusal = match (request.uri().path(), request.method()) {
            (TOKEN_PATH, &Method::POST) => grant::check(self, request)
                .err()
                .map(|(error, description)| Answer::new(400, error).message(description)),
            (METADATA_PATH, &Method::GET) => {
                // Proof that the request was not made by way of a browser or a proxy.
                let flavoured =
                    request.headers().get("metadata-flavor").is_some_and(|it| it == "Google")
                        && !request.headers().contains_key("x-forwarded-for");
                (!flavoured).then(|| Answer::html(403))
            }
            (TOKEN_PATH | METADATA_PATH, _) => Some(Answer::html(405)),
            _ => Some(Answer::html(404)),
        };
        Judged { refusal, ..Judged::default() }
    }

    fn render(&self, request: &Request<Bytes>, answer: &Answer) -> Response<Bytes> {
        let mut response = answer.response(|| match (answer.act, &answer.reason) {
            (Act::Accept, _) => self.token().into(),
            (_, Some(error)) => match &answer.message {
                Some(text) => json!({"error": error, "error_description": text}),
                None => json!({"error": error}),
            }
            .to_string()
            .into(),
            (_, None) => Bytes::new(),
        });
        let headers = response.headers_mut();
        headers
            .entry(header::CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("application/json; charset=utf-8"));
        if request.uri().path() == METADATA_PATH {
            headers.insert("metadata-flavor", HeaderValue::from_static("Google"));
        }
        response
    }
}
