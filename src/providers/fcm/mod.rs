//! Firebase Cloud Messaging, HTTP v1:
//! <https://firebase.google.com/docs/reference/fcm/rest/v1/projects.messages/send>.
//!
//! `config` is what an operator writes, `options` checks the part that goes to Google as it is,
//! `payload` makes the message, `auth` gets the access token, `response` says what FCM's answer
//! means; `preview` and `probe` show and try it. One attempt goes through them top to bottom, here;
//! from here it goes to `transport::pool`.

mod auth;
mod config;
mod options;
mod payload;
mod preview;
mod probe;
mod response;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE};
use http::{HeaderValue, Method, Request, Uri};
use tokio::time::{Instant, timeout_at};

use self::auth::{AccessTokens, TokenClients};
use self::payload::Template;
use self::response::Verdict;
use super::app::{Blueprint, Credential};
use super::courier::Courier;
use super::outcome::{Cause, Outcome};
use super::preview::Preview;
use super::probe::Finding;
use super::push::{Push, ViewOptions};
use crate::telemetry::AppMetrics;
use crate::transport::client::Client;
use crate::transport::pool::{Pool, PoolSettings};
use crate::transport::{Dialer, Failure, Origin, Response};

pub use config::Config;

/// The largest answer of a token endpoint that is read.
const MAX_TOKEN_BYTES: usize = 64 * 1024;

/// A checked app.
#[derive(Debug)]
pub struct Plan {
    template: Arc<Template>,
    view: ViewOptions,
    tokens: AccessTokens,
    project: String,
    origin: Origin,
    uri: Uri,
    dialer: Dialer,
    pool: PoolSettings,
    metrics: AppMetrics,
}

impl Blueprint for Plan {
    type Provider = Rc<Fcm>;

    fn build(&self) -> Rc<Fcm> {
        let open = self.metrics.connections.clone();
        let (origin, dialer) = (self.origin.clone(), self.dialer.clone());
        Rc::new(Fcm {
            template: self.template.clone(),
            view: self.view,
            uri: self.uri.clone(),
            tokens: self.tokens.clone(),
            token_clients: TokenClients {
                proxied: Client::new(&dialer, MAX_TOKEN_BYTES),
                direct: Client::new(&dialer.direct(), MAX_TOKEN_BYTES),
            },
            pool: Pool::new(origin, dialer, self.pool.clone(), open),
            metrics: self.metrics.clone(),
            token_expires: Cell::new(None),
        })
    }

    fn credentials(&self) -> Vec<Credential> {
        vec![Credential {
            description: format!("{}, for project {}", self.tokens.describe(), self.project),
            expires: self.tokens.expires(),
        }]
    }

    fn preview(&self, push: &Push) -> Result<Option<Preview>, Outcome> {
        self.request_for(push).map(Some)
    }

    fn probe(&self) -> impl Future<Output = Vec<Finding>> + 'static {
        self.try_out()
    }
}

/// The provider, on one thread.
pub struct Fcm {
    template: Arc<Template>,
    view: ViewOptions,
    uri: Uri,
    pool: Pool,
    tokens: AccessTokens,
    token_clients: TokenClients,
    metrics: AppMetrics,
    /// The end of the last token, as the metrics know it.
    token_expires: Cell<Option<SystemTime>>,
}

impl Courier for Fcm {
    /// Makes one attempt; an `Err` is an outcome without an answer of Google.
    async fn deliver(&self, push: &Push, deadline: Instant) -> Result<Outcome, Outcome> {
        let now = SystemTime::now();
        let body = payload::build(&self.template, &push.view(self.view), now)?;
        self.post(body, now, deadline).await
    }
}

impl Fcm {
    /// Sends a body, with another token if the first is refused.
    async fn post(
        &self,
        body: Bytes,
        now: SystemTime,
        deadline: Instant,
    ) -> Result<Outcome, Outcome> {
        let token = self.token(deadline).await?;
        let response = self.request(body.clone(), &token, deadline).await?;
        if let Verdict::Settled(outcome) = response::classify(&response, now) {
            return Ok(outcome);
        }
        // Once more with a new token, which costs no attempt.
        self.tokens.refused(&token);
        let token = self.token(deadline).await?;
        let response = self.request(body, &token, deadline).await?;
        match response::classify(&response, now) {
            Verdict::Settled(outcome) => Ok(outcome),
            Verdict::RenewToken => Err(Outcome::operator("UNAUTHENTICATED").with_detail(
                "FCM refuses a new access token; check that the service account still exists",
            )),
        }
    }

    async fn token(&self, deadline: Instant) -> Result<HeaderValue, Outcome> {
        let token = timeout_at(deadline, self.tokens.get(&self.token_clients)).await;
        let token = token.unwrap_or_else(|_| {
            let detail = "no access token in time";
            Err(Outcome::backoff(Cause::new(Failure::Timeout.as_str()).with_detail(detail)))
        })?;
        let expires = self.tokens.expires();
        if expires != self.token_expires.replace(expires)
            && let Some(since_epoch) = expires.and_then(|at| at.duration_since(UNIX_EPOCH).ok())
        {
            let seconds = i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX);
            self.metrics.credential_expires("access_token", seconds);
        }
        Ok(token)
    }

    async fn request(
        &self,
        body: Bytes,
        token: &HeaderValue,
        deadline: Instant,
    ) -> Result<Response, Outcome> {
        let request = request(&self.uri, body, token.clone());
        Ok(self.pool.send(request, deadline).await?)
    }
}

/// Makes the request around a body.
fn request(uri: &Uri, body: Bytes, token: HeaderValue) -> Request<Bytes> {
    const JSON: HeaderValue = HeaderValue::from_static("application/json");
    let mut request = Request::new(body);
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    request.headers_mut().insert(AUTHORIZATION, token);
    request.headers_mut().insert(CONTENT_TYPE, JSON);
    request
}
