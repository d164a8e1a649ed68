//! Simulated FCM HTTP v1: HTTP/2, tokens of the simulated OAuth, Google's errors.
//!
//! Bodies are judged by the JSON schema made from Google's discovery document and by the rules
//! that it does not express; see `validate`.

mod error;
mod validate;

use std::borrow::Cow;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::answer::Act;
use super::oauth::OAuth;
use super::pki::{self, ClientCertificates};
use super::server::Protocol;
use super::service::{Judged, Service};
use super::{Answer, Peer, thread};
pub use error::{apns_error, error, violation};
use error::{error_body, fcm_error, usual_message};

/// Streams allowed on one connection, as Google's front ends have it.
const MAX_STREAMS: u32 = 100;

/// A running simulated FCM; see [`Peer`] for what it has in common with other peers.
#[derive(Clone)]
pub struct Fcm {
    peer: Peer,
    oauth: OAuth,
}

/// How the simulated FCM is set up.
#[derive(Clone)]
pub struct Options {
    project: String,
    oauth: Option<OAuth>,
    max_streams: u32,
}

impl Options {
    /// Serves one Firebase project.
    #[must_use]
    pub fn new(project: &str) -> Self {
        Self { project: project.to_owned(), oauth: None, max_streams: MAX_STREAMS }
    }

    /// Takes the tokens of a simulated OAuth that runs already, instead of starting one.
    #[must_use]
    pub fn oauth(mut self, oauth: &OAuth) -> Self {
        self.oauth = Some(oauth.clone());
        self
    }

    /// Sets how many streams a connection may open.
    #[must_use]
    pub fn max_streams(mut self, streams: u32) -> Self {
        self.max_streams = streams;
        self
    }
}

impl Fcm {
    /// Starts it on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If it cannot be started.
    #[must_use]
    pub fn start(options: Options) -> Self {
        let oauth = options.oauth.unwrap_or_else(OAuth::start);
        let rules = Rules {
            path: format!("/v1/projects/{}/messages:send", options.project),
            project: options.project,
            oauth: oauth.clone(),
            messages: AtomicU64::new(0),
        };
        let tls = pki::acceptor(&[b"h2"], ClientCertificates::NotAsked);
        let peer = thread::start(Arc::new(rules), tls, Protocol::Http2, options.max_streams);
        Self { peer, oauth }
    }

    /// Returns the token endpoint whose tokens are taken.
    #[must_use]
    pub fn oauth(&self) -> &OAuth {
        &self.oauth
    }
}

impl Deref for Fcm {
    type Target = Peer;

    fn deref(&self) -> &Peer {
        &self.peer
    }
}

/// What is asked besides the message.
#[derive(Deserialize)]
struct DryRun {
    #[serde(default, alias = "validateOnly")]
    validate_only: bool,
}

struct Rules {
    project: String,
    path: String,
    oauth: OAuth,
    messages: AtomicU64,
}

impl Rules {
    /// Makes a message's name.
    fn name(&self, body: &[u8]) -> Bytes {
        let project = &self.project;
        if serde_json::from_slice::<DryRun>(body).is_ok_and(|dry| dry.validate_only) {
            return format!(r#"{{"name":"projects/{project}/messages/fake_message_id"}}"#).into();
        }
        let number = self.messages.fetch_add(1, Ordering::Relaxed);
        format!(r#"{{"name":"projects/{project}/messages/0:{number:016}%peregrine"}}"#).into()
    }

    /// Returns what is wrong with the path.
    fn stray(&self, request: &Request<Bytes>) -> Option<Answer> {
        let path = request.uri().path();
        if path == self.path && request.method() == Method::POST {
            return None;
        }
        let project = path.strip_prefix("/v1/projects/").and_then(|it| it.split_once('/'));
        Some(match project {
            Some((project, "messages:send")) if project != self.project => {
                error(404, usual_message(StatusCode::NOT_FOUND), &json!([])).reason("NOT_FOUND")
            }
            _ => Answer::html(404),
        })
    }

    /// Returns what is wrong with the access token.
    fn unauthorised(&self, request: &Request<Bytes>) -> Option<Answer> {
        let bearer = request.headers().get(header::AUTHORIZATION);
        let token = bearer
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.strip_prefix("Bearer "));
        let message = match token {
            Some(token) if self.oauth.is_good(token) => return None,
            Some(_) => {
                "Request had invalid authentication credentials. Expected OAuth 2 access token, \
                 login cookie or other valid authentication credential."
            }
            None => {
                "Request is missing required authentication credential. Expected OAuth 2 access \
                 token, login cookie or other valid authentication credential."
            }
        };
        Some(error(401, message, &json!([])).reason("UNAUTHENTICATED"))
    }
}

impl Service for Rules {
    const NAME: &'static str = "FCM";
    type Connection = ();

    fn connect(&self, _certificate: Option<&[u8]>) {}

    fn judge<'r>(&self, (): &mut (), request: &'r Request<Bytes>) -> Judged<'r> {
        let body = serde_json::from_slice::<Value>(request.body());
        let refusal = self
            .stray(request)
            .or_else(|| self.unauthorised(request))
            .or_else(|| validate::body(&body));
        let body = body.unwrap_or_default();
        let message = &body["message"];
        let text = |value: &Value| value.as_str().map(|text| Cow::Owned(text.to_owned()));
        let target =
            ["fid", "token", "topic", "condition"].iter().find_map(|it| text(&message[it]));
        let event_id = || {
            text(&message["data"]["event_id"])
                .or_else(|| text(&message["android"]["data"]["event_id"]))
        };
        Judged {
            token: target.unwrap_or_default(),
            // A dry run delivers nothing, so it doubles nothing.
            event_id: if validate::only(&body) { None } else { event_id() },
            refusal,
            content: None,
        }
    }

    fn render(&self, request: &Request<Bytes>, answer: &Answer) -> Response<Bytes> {
        let mut response = answer.response(|| {
            if answer.act == Act::Accept {
                return self.name(request.body());
            }
            let details: Vec<_> = answer.reason.iter().map(|code| fcm_error(code)).collect();
            let text = answer.message.as_deref();
            let text = text.unwrap_or_else(|| usual_message(answer.status));
            error_body(answer.status, text, &json!(details))
        });
        response
            .headers_mut()
            .entry(header::CONTENT_TYPE)
            .or_insert(HeaderValue::from_static("application/json; charset=UTF-8"));
        response
    }
}
