//! Web Push, to whichever push service a browser subscribed at: RFC 8030.
//!
//! `config` is what the operator writes (with `vapid_key`), `subscription` what the client gave its
//! pusher, `payload` what its service worker reads, `aes128gcm` seals that (RFC 8291), `auth` says
//! who pushes (RFC 8292), `request` is the head around it, `response` what the push service's
//! answer means; `preview` and `probe` show and try it. One attempt goes through them top to
//! bottom, here; from here it goes to `transport::hosts`.

mod auth;
mod config;
mod payload;
mod preview;
mod probe;
mod request;
mod response;
mod subscription;
#[cfg(test)]
mod tests;
mod vapid_key;

use std::future::ready;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use tokio::time::Instant;

pub use config::Config;

use self::auth::Signer;
use self::request::{Head, Wishes};
use self::response::Remedy;
use self::subscription::Subscription;
use super::aes128gcm::{MAX_PLAINTEXT, seal};
use super::app::{Blueprint, Credential};
use super::courier::Courier;
use super::endpoints::Allowed;
use super::outcome::{Cause, Outcome};
use super::preview::Preview;
use super::probe::Finding;
use super::push::{Push, View, ViewOptions};
use crate::telemetry::AppMetrics;
use crate::transport::Dialer;
use crate::transport::hosts::{Hosts, HostsSettings};

/// What a message is shrunk to where the whole one is too large: Mozilla's endpoints that lead
/// through FCM take some 2,700 bytes.
/// <https://github.com/bpolaszek/webpush-bundle/issues/48>
const SMALL_PLAINTEXT: usize = 2600;

/// A checked app, from which each worker thread builds its courier.
#[derive(Debug)]
pub struct Plan {
    rules: Arc<Rules>,
    dialer: Dialer,
    hosts: HostsSettings,
}

/// What is the same for every push of an app.
#[derive(Debug)]
struct Rules {
    signer: Arc<Signer>,
    allowed: Allowed,
    view: ViewOptions,
    ttl: Duration,
    metrics: AppMetrics,
}

impl Blueprint for Plan {
    type Provider = Rc<WebPush>;

    const MANY_HOSTS: bool = true;

    fn build(&self) -> Rc<WebPush> {
        let open = self.rules.metrics.connections.clone();
        Rc::new(WebPush {
            rules: self.rules.clone(),
            hosts: Hosts::new(self.dialer.clone(), self.hosts.clone(), open),
        })
    }

    fn credentials(&self) -> Vec<Credential> {
        vec![Credential {
            description: format!("VAPID key {}", self.rules.signer.public_key()),
            expires: None,
        }]
    }

    fn preview(&self, push: &Push) -> Result<Option<Preview>, Outcome> {
        self.request_for(push).map(Some)
    }

    fn probe(&self) -> impl Future<Output = Vec<Finding>> + 'static {
        ready(vec![self.try_out()])
    }
}

/// The provider, on one thread.
pub struct WebPush {
    rules: Arc<Rules>,
    hosts: Hosts,
}

impl Courier for WebPush {
    /// Makes one attempt; an `Err` is the outcome of a push that no push service answered.
    async fn deliver(&self, push: &Push, deadline: Instant) -> Result<Outcome, Outcome> {
        let rules = &self.rules;
        let view = push.view(rules.view);
        let (wishes, Subscription { endpoint, keys }) = rules.admit(&view)?;
        let plaintext = payload::build(&view, MAX_PLAINTEXT)?;
        let mut body = seal(&plaintext, &keys)?;
        let origin = endpoint.origin().ascii_serialization();
        let authorization = signed(rules.signer.authorization(&origin))?;
        let mut head = rules.head(&view, wishes, authorization);
        let mut tried = Vec::new();
        loop {
            let request = head.request(&endpoint, body.clone());
            let response = self.hosts.send(&endpoint, request, deadline).await?;
            let verdict = response::classify(&response, SystemTime::now());
            let Some(remedy) = verdict.remedy.filter(|remedy| !tried.contains(remedy)) else {
                return Ok(verdict.outcome);
            };
            tried.push(remedy);
            match remedy {
                Remedy::Shrink => {
                    let smaller = match plaintext.len() {
                        small @ ..=SMALL_PLAINTEXT => small / 2,
                        _ => SMALL_PLAINTEXT,
                    };
                    body = seal(&payload::build(&view, smaller)?, &keys)?;
                }
                Remedy::WithoutTopic if head.topic.is_some() => head.topic = None,
                Remedy::Renew => {
                    let newer = rules.signer.instead_of(&head.authorization, &origin);
                    match signed(newer)? {
                        Some(newer) => head.authorization = newer,
                        None => return Ok(verdict.outcome),
                    }
                }
                Remedy::WithoutTopic => return Ok(verdict.outcome),
            }
        }
    }
}

impl Rules {
    /// Reads where a push goes and what its client asked for; an `Err` is the outcome of a push
    /// that is not sent.
    fn admit(&self, view: &View<'_>) -> Result<(Wishes, Subscription), Outcome> {
        let wishes = Wishes::of(view.device.data.raw.as_ref());
        if wishes.events_only && view.event_id.is_none() {
            return Err(Outcome::Permanent(Cause::local("events_only")));
        }
        Ok((wishes, Subscription::of(view.device, &self.allowed)?))
    }

    /// Returns what the request says besides its message.
    fn head(&self, view: &View<'_>, wishes: Wishes, authorization: HeaderValue) -> Head {
        let room_id = view.room_id.filter(|_| wishes.only_last_per_room);
        Head {
            ttl: self.ttl,
            prio: view.prio,
            topic: room_id.and_then(request::topic),
            authorization,
        }
    }
}

fn signed<T>(result: Result<T, jsonwebtoken::errors::Error>) -> Result<T, Outcome> {
    result.map_err(|error| {
        Outcome::backoff(Cause::local("cannot_sign").with_detail(error.to_string()))
    })
}
