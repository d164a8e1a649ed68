//! `UnifiedPush`, to whichever push server a phone's distributor listens at.
//!
//! `config` is what the operator writes, `subscription` what the client gave its pusher, `payload`
//! what it reads, `aes128gcm` seals that where the client gave keys, `request` is the head around
//! it, `response` what the push server's answer means; `preview` shows it. One attempt goes through
//! them top to bottom, here; from here it goes to `transport::hosts`.

mod config;
mod payload;
mod preview;
mod request;
mod response;
mod subscription;

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;

pub use config::Config;

use self::subscription::Subscription;
use super::aes128gcm::seal;
use super::app::{Blueprint, Credential};
use super::courier::Courier;
use super::endpoints::Allowed;
use super::outcome::Outcome;
use super::preview::Preview;
use super::push::{Push, ViewOptions};
use crate::transport::Dialer;
use crate::transport::hosts::{Hosts, HostsSettings};

/// A checked app, from which each worker thread builds its courier.
#[derive(Debug)]
pub struct Plan {
    rules: Arc<Rules>,
    dialer: Dialer,
    hosts: HostsSettings,
    open: Gauge,
}

/// What is the same for every push of an app.
#[derive(Debug)]
struct Rules {
    allowed: Allowed,
    view: ViewOptions,
    max_body_bytes: usize,
}

impl Blueprint for Plan {
    type Provider = Rc<UnifiedPush>;

    const MANY_HOSTS: bool = true;

    fn build(&self) -> Rc<UnifiedPush> {
        let (dialer, hosts) = (self.dialer.clone(), self.hosts.clone());
        Rc::new(UnifiedPush {
            rules: self.rules.clone(),
            hosts: Hosts::new(dialer, hosts, self.open.clone()),
        })
    }

    /// Returns none: an endpoint's secrecy is all there is.
    fn credentials(&self) -> Vec<Credential> {
        Vec::new()
    }

    fn preview(&self, push: &Push) -> Result<Option<Preview>, Outcome> {
        self.request_for(push).map(Some)
    }
}

/// The provider, on one thread.
pub struct UnifiedPush {
    rules: Arc<Rules>,
    hosts: Hosts,
}

impl Courier for UnifiedPush {
    /// Makes one attempt; an `Err` is the outcome of a push that no push server answered.
    async fn deliver(&self, push: &Push, deadline: Instant) -> Result<Outcome, Outcome> {
        let rules = &self.rules;
        let view = push.view(rules.view);
        let to = Subscription::of(view.device, &rules.allowed)?;
        let plaintext = payload::build(&view, &to, rules.max_body_bytes)?;
        let message = match &to.keys {
            Some(keys) => seal(&plaintext, keys)?,
            None => plaintext.into(),
        };
        let request = request::build(message, view.prio, to.keys.is_some());
        let response = self.hosts.send(&to.endpoint, request, deadline).await?;
        Ok(response::classify(&response, SystemTime::now()))
    }
}
