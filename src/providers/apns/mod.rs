//! Apple Push Notification service: the courier for iOS, iPadOS, macOS and watchOS.
//!
//! `config` is what the operator writes (with `certificate`, `pem` and `push_type`), `payload` what
//! the phone reads, `request` path and headers around it (with `device_token`), `auth` the provider
//! token, `response` what Apple's answer means; `preview` and `probe` show and try it. One attempt
//! goes through them top to bottom, here; from here it goes to `transport::pool`.

mod auth;
mod certificate;
mod config;
mod credential;
mod device_token;
mod payload;
mod pem;
mod preview;
mod probe;
mod push_type;
mod request;
mod response;
#[cfg(test)]
mod tests;

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use http::uri::PathAndQuery;
use tokio::time::Instant;

pub use config::Config;

use self::auth::{Bearer, ProviderToken};
use self::payload::Shape;
use self::request::Template;
use self::response::Remedy;
use super::app::{Blueprint, Credential};
use super::courier::Courier;
use super::outcome::{Cause, Outcome};
use super::preview::Preview;
use super::probe::Finding;
use super::push::{Push, ViewOptions};
use crate::matrix::Notification;
use crate::telemetry::AppMetrics;
use crate::transport::pool::{Pool, PoolSettings};
use crate::transport::{Dialer, Origin};

/// A checked app, from which each worker thread builds its courier.
#[derive(Debug)]
pub struct Plan {
    rules: Arc<Rules>,
    origin: Origin,
    dialer: Dialer,
    pool: PoolSettings,
}

/// What is the same for every push of an app.
#[derive(Debug)]
struct Rules {
    identity: Identity,
    view: ViewOptions,
    shape: Shape,
    only_event_types: Vec<String>,
    template: Template,
    metrics: AppMetrics,
}

/// How Apple knows us.
#[derive(Debug)]
enum Identity {
    /// By a token in each request.
    ProviderToken { token: Arc<ProviderToken>, description: String },
    /// By the client certificate of each connection.
    Certificate { description: String, expires: SystemTime },
}

impl Blueprint for Plan {
    type Provider = Rc<Apns>;

    fn build(&self) -> Rc<Apns> {
        let rules = self.rules.clone();
        if let Identity::Certificate { expires, .. } = rules.identity {
            rules.metrics.credential_expires("certificate", seconds(expires));
        }
        let open = rules.metrics.connections.clone();
        let pool = Pool::new(self.origin.clone(), self.dialer.clone(), self.pool.clone(), open);
        Rc::new(Apns { rules, pool, token_expires: Cell::new(UNIX_EPOCH) })
    }

    fn credentials(&self) -> Vec<Credential> {
        let (description, expires) = match &self.rules.identity {
            Identity::ProviderToken { description, .. } => (description, None),
            Identity::Certificate { description, expires } => (description, Some(*expires)),
        };
        vec![Credential { description: description.clone(), expires }]
    }

    fn preview(&self, push: &Push) -> Result<Option<Preview>, Outcome> {
        self.request_for(push).map(Some)
    }

    fn probe(&self) -> impl Future<Output = Vec<Finding>> + 'static {
        self.try_out()
    }
}

/// The provider, on one thread.
pub struct Apns {
    rules: Arc<Rules>,
    pool: Pool,
    /// The provider token's end as the metric has it.
    token_expires: Cell<SystemTime>,
}

impl Courier for Apns {
    /// Makes one attempt; an `Err` is an outcome without an answer of Apple.
    async fn deliver(&self, push: &Push, deadline: Instant) -> Result<Outcome, Outcome> {
        let path = self.rules.admit(push)?;
        self.send_to(path, push, deadline).await
    }
}

impl Apns {
    /// Sends the push to the device at `path`.
    async fn send_to(
        &self,
        path: PathAndQuery,
        push: &Push,
        deadline: Instant,
    ) -> Result<Outcome, Outcome> {
        let (rules, device) = (&self.rules, push.device());
        let view = push.view(rules.view);
        let mut payload = payload::build(&view, rules.shape)?;
        let mut bearer = self.bearer()?;
        let (mut reconnected, mut shrunk) = (false, false);
        loop {
            let request = rules.template.build(
                path.clone(),
                push.id(),
                &view,
                bearer.as_ref(),
                payload.clone(),
            );
            let response = self.pool.send(request, deadline).await?;
            let verdict = response::classify(&response, device.pushkey_ts, SystemTime::now());
            match verdict.remedy {
                Some(Remedy::Shrink) if !shrunk => {
                    shrunk = true;
                    payload = payload::build(&view, rules.shape.half_of(&payload))?;
                }
                Some(Remedy::Reconnect) if !reconnected => {
                    reconnected = true;
                    self.pool.retire(response.connection);
                }
                Some(remedy @ (Remedy::Renew | Remedy::RenewOrReconnect)) if !reconnected => {
                    let newer = self.newer(bearer.as_ref())?;
                    if newer.is_none() && remedy == Remedy::Renew {
                        return Ok(verdict.outcome);
                    }
                    bearer = newer.or(bearer);
                    reconnected = true;
                    self.pool.retire(response.connection);
                }
                _ => return Ok(verdict.outcome),
            }
        }
    }

    /// Returns the provider token; `None` where a certificate takes its place.
    fn bearer(&self) -> Result<Option<Bearer>, Outcome> {
        let Identity::ProviderToken { token, .. } = &self.rules.identity else {
            return Ok(None);
        };
        let bearer = token.bearer().map_err(|error| cannot_sign(&error))?;
        self.show_expiry(&bearer);
        Ok(Some(bearer))
    }

    /// Returns another provider token than the one refused, if there may be one.
    fn newer(&self, refused: Option<&Bearer>) -> Result<Option<Bearer>, Outcome> {
        let (Identity::ProviderToken { token, .. }, Some(refused)) =
            (&self.rules.identity, refused)
        else {
            return Ok(None);
        };
        let newer = token.instead_of(refused).map_err(|error| cannot_sign(&error))?;
        if let Some(newer) = &newer {
            self.show_expiry(newer);
        }
        Ok(newer)
    }

    fn show_expiry(&self, bearer: &Bearer) {
        if self.token_expires.replace(bearer.expires) != bearer.expires {
            let metrics = &self.rules.metrics;
            metrics.credential_expires("provider_token", seconds(bearer.expires));
        }
    }
}

impl Rules {
    /// Returns the path of a push's device; an `Err` is the outcome of a push that is not sent.
    fn admit(&self, push: &Push) -> Result<PathAndQuery, Outcome> {
        let Some(path) = self.template.path(&push.device().pushkey) else {
            return Err(Outcome::Rejected(Cause::local("undecodable_pushkey")));
        };
        if !self.wants(push.notification()) {
            return Err(Outcome::Permanent(Cause::local("event_type_not_wanted")));
        }
        Ok(path)
    }

    /// Whether pushes of this type are sent at all; those without an event always are.
    fn wants(&self, notification: &Notification) -> bool {
        let only = &self.only_event_types;
        let about_event = notification.event_id.is_some() || notification.event_type.is_some();
        let is_listed = |it| only.iter().any(|listed| listed.as_str() == it);
        only.is_empty() || !about_event || notification.event_type.as_deref().is_some_and(is_listed)
    }
}

fn cannot_sign(error: &jsonwebtoken::errors::Error) -> Outcome {
    Outcome::backoff(Cause::local("cannot_sign").with_detail(error.to_string()))
}

fn seconds(time: SystemTime) -> i64 {
    let since_epoch = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}
