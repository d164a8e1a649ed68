//! What an operator writes for `type: webhook`, and how it is checked at start.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue};
use schemars::JsonSchema;
use serde::Deserialize;
use url::Url;

use super::request::SIGNATURE;
use super::signature::Signer;
use super::{Plan, Rules};
use crate::fault::Fault;
use crate::providers::app::{ProviderConfig, Surroundings};
use crate::providers::common::Common;
use crate::secret::{ExposeSecret as _, SecretString};
use crate::transport::hosts::HostsSettings;
use crate::transport::pool::PoolSettings;
use crate::transport::{Dialer, Origin, tls};

/// Headers that frame a request or belong to this gateway.
const OURS: [HeaderName; 7] =
    [CONNECTION, CONTENT_LENGTH, HOST, TE, TRANSFER_ENCODING, UPGRADE, SIGNATURE];

/// Most connections to a webhook that speaks HTTP/1.1 only, for each provider actor.
const HTTP1_CONNECTIONS: usize = 64;

/// A webhook: the notification as JSON, to a URL of the operator's.
#[derive(Clone, Deserialize, JsonSchema)]
pub struct Config {
    /// Where notifications are posted: https or http.
    url: Url,
    /// Signs each body: `X-Peregrine-Signature: sha256=` and the HMAC-SHA-256 in hexadecimal.
    #[schemars(with = "Option<String>")]
    secret: Option<SecretString>,
    /// A file that holds `secret`.
    secret_file: Option<PathBuf>,
    /// More headers, such as `Authorization`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, String>")]
    headers: BTreeMap<String, SecretString>,
    #[serde(flatten)]
    common: Common,
}

impl ProviderConfig for Config {
    const NAME: &'static str = "webhook";
    type Blueprint = Plan;

    fn common(&self) -> &Common {
        &self.common
    }

    fn prepare(self, around: &Surroundings) -> Result<Plan, Vec<Fault>> {
        let mut faults = Vec::new();
        if self.common.endpoint.is_some() {
            let what = "has no meaning for a webhook";
            faults.push(Fault::new("endpoint", what, "write the whole address as `url`"));
        }
        faults.extend(wrong_url(&self.url));
        let headers = headers(&self.headers, &mut faults);
        let mut keep = |fault| faults.push(fault);
        let secret_file = self.secret_file.as_deref();
        let secret = around.files.inline_or_file("secret", self.secret, secret_file);
        let signer = secret.and_then(|secret| secret.as_ref().map(Signer::new).transpose());
        let signer = signer.map_err(&mut keep).ok();
        let dialer = tls::client_config(&around.roots, None, &[b"h2", b"http/1.1"])
            .map(|tls| Dialer::new(tls, around.proxy.clone()))
            .map_err(|error| keep(Fault::new("", format!("cannot prepare TLS: {error}"), "")))
            .ok();
        let (Some(signer), Some(dialer), []) = (signer, dialer, faults.as_slice()) else {
            return Err(faults);
        };
        let requests = self.common.inflight_request_limit;
        Ok(Plan {
            rules: Arc::new(Rules {
                url: self.url,
                headers,
                signer,
                view: self.common.view_options(),
            }),
            dialer,
            hosts: HostsSettings {
                max_requests: requests,
                // The app's circuit watches over its only host.
                patience: None,
                http1_connections: HTTP1_CONNECTIONS,
                pool: PoolSettings {
                    max_connections: self.common.pool.connections.or(2),
                    max_waiting: requests,
                    ..PoolSettings::default()
                },
                ..HostsSettings::default()
            },
            open: around.metrics.connections.clone(),
        })
    }
}

fn wrong_url(url: &Url) -> Option<Fault> {
    if Origin::of(url).is_none() {
        let what = format!("{} is not http", url.scheme());
        return Some(Fault::new("url", what, "write an https:// or http:// URL"));
    }
    if !url.username().is_empty() || url.password().is_some() {
        let instead = "write it as a header: `headers: {Authorization: Basic ...}`";
        return Some(Fault::new("url", "has user info", instead));
    }
    None
}

/// Reads the operator's headers; their values are never shown.
fn headers(written: &BTreeMap<String, SecretString>, faults: &mut Vec<Fault>) -> HeaderMap {
    let mut headers = HeaderMap::new();
    for (name, value) in written {
        let mut wrong = |what: &str, instead: &str| {
            faults.push(Fault::new(format!("headers.{name}"), what, instead));
        };
        let Ok(header) = HeaderName::try_from(name) else {
            wrong("is no name of a header", "write letters, digits and `-`");
            continue;
        };
        if OURS.contains(&header) {
            wrong("is set by peregrine", "remove it");
            continue;
        }
        match HeaderValue::try_from(value.expose_secret()) {
            Ok(mut value) => {
                value.set_sensitive(true);
                headers.insert(header, value);
            }
            Err(_) => wrong(
                "has characters that no header may have",
                "write visible characters of ASCII, on one line",
            ),
        }
    }
    headers
}
