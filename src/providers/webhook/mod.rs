//! A webhook: the notification as JSON, posted to a fixed URL of the operator's.
//!
//! `config` is what the operator writes, `payload` what the webhook reads, `signature` shows whom
//! it comes from, `request` is the head around it, `response` what the answer means; `preview`
//! shows it. One attempt goes through them top to bottom, here; from here it goes to
//! `transport::hosts`, which finds out which HTTP the only host speaks.

mod config;
mod payload;
mod preview;
mod request;
mod response;
mod signature;
#[cfg(test)]
mod tests;

use std::rc::Rc;
use std::sync::Arc;
use std::time::SystemTime;

use bytes::Bytes;
use http::{HeaderMap, Request};
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;
use url::Url;

pub use config::Config;

use self::signature::Signer;
use super::app::{Blueprint, Credential};
use super::courier::Courier;
use super::outcome::{Cause, Outcome};
use super::preview::Preview;
use super::probe::{self, Finding};
use super::push::{Push, ViewOptions};
use crate::transport::hosts::{Hosts, HostsSettings};
use crate::transport::{Dialer, Origin};

/// A checked app, from which each worker thread builds its courier.
pub struct Plan {
    rules: Arc<Rules>,
    dialer: Dialer,
    hosts: HostsSettings,
    open: Gauge,
}

/// What is the same for every push of an app. Both the URL and the headers may hold secrets.
struct Rules {
    url: Url,
    headers: HeaderMap,
    signer: Option<Signer>,
    view: ViewOptions,
}

impl Blueprint for Plan {
    type Provider = Rc<Webhook>;

    fn build(&self) -> Rc<Webhook> {
        let (dialer, hosts) = (self.dialer.clone(), self.hosts.clone());
        Rc::new(Webhook {
            rules: self.rules.clone(),
            hosts: Hosts::new(dialer, hosts, self.open.clone()),
        })
    }

    fn credentials(&self) -> Vec<Credential> {
        let signer = self.rules.signer.iter();
        let described = signer
            .map(|_| Credential { description: "a secret that signs".to_owned(), expires: None });
        described.collect()
    }

    fn preview(&self, push: &Push) -> Result<Option<Preview>, Outcome> {
        self.request_for(push).map(Some)
    }

    /// Goes to the webhook's host; whatever is posted there would be delivered.
    fn probe(&self) -> impl Future<Output = Vec<Finding>> + 'static {
        let (dialer, origin) = (self.dialer.clone(), Origin::of(&self.rules.url));
        async move {
            match origin {
                Some(origin) => vec![probe::reach(&dialer, &origin).await],
                None => Vec::new(),
            }
        }
    }
}

/// The provider, on one thread.
pub struct Webhook {
    rules: Arc<Rules>,
    hosts: Hosts,
}

impl Courier for Webhook {
    /// Makes one attempt; an `Err` is the outcome of a push that the webhook did not answer.
    async fn deliver(&self, push: &Push, deadline: Instant) -> Result<Outcome, Outcome> {
        let rules = &self.rules;
        let request = rules.request(push)?;
        let response = self.hosts.send(&rules.url, request, deadline).await?;
        Ok(response::classify(&response, SystemTime::now()))
    }
}

impl Rules {
    /// Makes the request of a push.
    fn request(&self, push: &Push) -> Result<Request<Bytes>, Outcome> {
        let body = payload::build(&push.view(self.view))?;
        let signature = self.signer.as_ref().map(|signer| signer.signature(&body));
        let signature = signature.transpose().map_err(|error| {
            Outcome::backoff(Cause::local("cannot_sign").with_detail(error.to_string()))
        })?;
        Ok(request::build(body.into(), &self.headers, signature))
    }
}
