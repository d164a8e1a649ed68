//! Endpoints that came with a pusher: which of them an app sends to.
//!
//! Anyone can register one. The operator may name the hosts; `transport` refuses what is not https
//! or not public. An endpoint that is refused is not dead: the push is dropped, the pusher stays.

use schemars::JsonSchema;
use serde::Deserialize;
use url::{Position, Url};

use super::app::Surroundings;
use super::common::Common;
use super::outcome::{Cause, Outcome};
use crate::fault::Fault;
use crate::glob::Glob;
use crate::matrix::MAX_PUSHKEY_BYTES;
use crate::transport::hosts::HostsSettings;
use crate::transport::pool::PoolSettings;
use crate::transport::{Addresses, Dialer, tls};

/// The keys of apps whose endpoints come with the pushers.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub(super) struct Config {
    /// Hosts that are sent to, as names or patterns with `*` and `?` (`host:port` speaks of one
    /// port); pushes to other hosts are dropped. Absent or empty allows every public host.
    #[serde(default)]
    allowed_endpoints: Vec<String>,
    /// Whether endpoints may be on addresses that are not public, and http: for push servers of
    /// one's own. Behind a proxy it also leaves it to the proxy to resolve names.
    #[serde(default)]
    allow_private_addresses: bool,
}

impl Config {
    /// Returns the way to the endpoints' hosts, for [`crate::transport::hosts::Hosts`].
    ///
    /// # Errors
    ///
    /// Returns a [`Fault`] if TLS cannot be prepared.
    pub(super) fn dialer(&self, around: &Surroundings) -> Result<Dialer, Fault> {
        let tls = tls::client_config(&around.roots, None, &[b"h2", b"http/1.1"])
            .map_err(|error| Fault::new("", format!("cannot prepare TLS: {error}"), ""))?;
        let mut dialer = Dialer::new(tls, around.proxy.clone());
        if !self.allow_private_addresses {
            dialer.addresses = Addresses::Public;
        }
        Ok(dialer)
    }

    /// Returns the endpoints that the operator allows.
    pub(super) fn allowed(&self) -> Allowed {
        let patterns = self.allowed_endpoints.iter();
        Allowed(patterns.map(|it| Glob::new(&it.to_ascii_lowercase())).collect())
    }
}

/// Returns the limits over the endpoints' hosts.
pub(super) fn hosts(common: &Common) -> HostsSettings {
    let usual = HostsSettings::default();
    HostsSettings {
        pool: PoolSettings { max_connections: common.pool.connections.or(2), ..usual.pool },
        ..usual
    }
}

/// Returns what is wrong with a base URL for an app whose endpoints come with the pushers.
pub(super) fn no_base_url(common: &Common) -> Option<Fault> {
    common.endpoint.as_ref().map(|_| {
        let what = "has no meaning here: each pusher brings its own endpoint";
        Fault::new("endpoint", what, "remove it")
    })
}

/// The endpoints that the operator allows, by their hosts; all if there is no pattern.
#[derive(Debug, Clone)]
pub(super) struct Allowed(Vec<Glob>);

impl Allowed {
    /// Reads a pusher's endpoint.
    ///
    /// # Errors
    ///
    /// Returns the outcome of a push to what is no URL, or a URL that is not allowed.
    pub(super) fn endpoint(&self, text: &str) -> Result<Url, Outcome> {
        let url = (text.len() <= MAX_PUSHKEY_BYTES).then(|| Url::parse(text));
        let Some(Ok(url)) = url else {
            return Err(Outcome::Rejected(Cause::local("undecodable_endpoint")));
        };
        if self.allow(&url) {
            return Ok(url);
        }
        let host = url.host_str().unwrap_or_default();
        let detail = format!("{host} is not in `allowed_endpoints`");
        Err(Outcome::Permanent(Cause::local("endpoint_not_allowed").with_detail(detail)))
    }

    fn allow(&self, url: &Url) -> bool {
        // Both are in lower case: the URL's by its own rules.
        let host = url.host_str().unwrap_or_default();
        let usual_port = url.port_or_known_default().unwrap_or_default();
        // The port as written, and the one that goes without saying.
        let forms = [
            host,
            &url[Position::BeforeHost..Position::AfterPort],
            &format!("{host}:{usual_port}"),
        ];
        self.0.is_empty() || self.0.iter().any(|glob| forms.iter().any(|form| glob.matches(form)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_matched_with_or_without_their_port() {
        let rows = [
            (&[][..], "https://anything.example/x", true),
            (&["push.example"], "https://push.example/x?y", true),
            (&["push.example"], "https://PUSH.example/x", true),
            (&["Push.Example"], "https://push.example/x", true),
            (&["push.example"], "https://push.example:8443/x", true),
            (&["push.example:8443"], "https://push.example:8443/x", true),
            (&["push.example:8443"], "https://push.example/x", false),
            (&["push.example:443"], "https://push.example/x", true),
            (&["*.notify.windows.com"], "https://db5p.notify.windows.com/w/?token=x", true),
            (&["*.notify.windows.com"], "https://notify.windows.com.evil.example/", false),
            (&["push.example"], "https://push.example@evil.example/", false),
            (&["push.example"], "https://evil.example/push.example", false),
            (&["push.example"], "https://push.example.evil.example/", false),
            (&["a.example", "b.example"], "https://b.example/", true),
            (&["xn--bcher-kva.example"], "https://bücher.example/", true),
            (&["[2001:db8::1]"], "https://[2001:DB8:0::1]/", true),
        ];
        for (patterns, endpoint, expected) in rows {
            let config = Config {
                allowed_endpoints: patterns.iter().map(|&it| it.to_owned()).collect(),
                ..Config::default()
            };
            let allowed = config.allowed().endpoint(endpoint);
            let shown = match &allowed {
                Ok(_) => true,
                Err(Outcome::Permanent(cause)) if cause.reason == "endpoint_not_allowed" => false,
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(shown, expected, "{patterns:?} {endpoint}");
        }
    }

    #[test]
    fn what_is_no_url_is_a_dead_pusher() {
        let allowed = Config::default().allowed();
        let long = format!("https://push.example/{}", "x".repeat(3000));
        for endpoint in ["", "push.example", "/path", "https://", "https://a b/", &long] {
            let outcome = allowed.endpoint(endpoint).unwrap_err();
            let dead = Outcome::Rejected(Cause::local("undecodable_endpoint"));
            assert_eq!(outcome, dead, "{endpoint}");
        }
    }
}
