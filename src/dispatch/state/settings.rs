//! What `redis_url` says: `redis://user:password@host:port/database`, `rediss://` with TLS.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use redis::RedisConnectionInfo;
use rustls::RootCertStore;
use url::{Host, Url};

use crate::dispatch::config::StateConfig;
use crate::fault::Fault;
use crate::secret::ExposeSecret as _;
use crate::transport::{Dialer, Origin, tls};

/// The port of a URL that names none (<https://redis.io/docs/latest/operate/oss_and_stack/management/config/>).
const PORT: u16 = 6379;

const EXAMPLE: &str = "write redis://user:password@host:6379/0, or rediss:// for TLS; user, \
                       password, port and database may be left out";

/// How to reach Redis.
pub struct Settings {
    /// Where it is.
    pub origin: Origin,
    /// Credentials and database.
    pub login: RedisConnectionInfo,
    /// The way there.
    pub dialer: Dialer,
    /// Longest time for an answer.
    pub timeout: Duration,
    /// The whole URL, to tell whether it changed.
    url: String,
}

impl Settings {
    /// Reads the URL, which is in its place even if it was given as a file.
    ///
    /// # Errors
    ///
    /// Returns what is wrong with the URL; never the URL, which holds a password.
    pub fn new(config: &StateConfig, roots: &Arc<RootCertStore>) -> Result<Self, Fault> {
        let key = match config.redis_url_file {
            Some(_) => "state.redis_url_file",
            None => "state.redis_url",
        };
        let wrong = |what: &str| Fault::new(key, what, EXAMPLE);
        let Some(text) = &config.redis_url else {
            return Err(wrong("is missing, and `state.backend` is redis"));
        };
        let text = text.expose_secret();
        let url = Url::parse(text).map_err(|_| wrong("is no URL"))?;
        let tls = match url.scheme() {
            "redis" => false,
            "rediss" => true,
            _ => return Err(wrong("is no URL of Redis")),
        };
        if url.query().is_some() || url.fragment().is_some() {
            return Err(wrong("has something after the database that has no meaning here"));
        }
        let host = match url.host() {
            // An address is an ordinary text to the URL of a scheme that browsers do not know.
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err(wrong("names no host")),
        };
        let port = url.port().unwrap_or(PORT);
        let database = match url.path().trim_matches('/') {
            "" => 0,
            text => text.parse::<u32>().map_err(|_| wrong("has a database that is no number"))?,
        };
        let decoded = |text: &str| {
            let text = percent_decode_str(text).decode_utf8();
            text.map(String::from).map_err(|_| wrong("has credentials that are not UTF-8"))
        };
        let mut login = RedisConnectionInfo::default()
            .set_db(database.into())
            .set_lib_name(env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));
        if !url.username().is_empty() {
            login = login.set_username(decoded(url.username())?);
        }
        if let Some(password) = url.password() {
            login = login.set_password(decoded(password)?);
        }
        let tls_config = tls::client_config(roots, None, &[])
            .map_err(|error| Fault::new(key, format!("cannot be reached by TLS: {error}"), ""))?;
        Ok(Self {
            origin: Origin { tls, host, port },
            login,
            dialer: Dialer::new(tls_config, None),
            timeout: Duration::from_millis(config.redis_timeout_ms),
            url: text.to_owned(),
        })
    }

    /// Whether these are the same settings.
    pub fn is_same_as(&self, other: &Self) -> bool {
        (&self.url, self.timeout) == (&other.url, other.timeout)
    }

    /// Returns host and port, for the log.
    pub fn address(&self) -> String {
        self.origin.authority()
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Settings").field(&self.origin).finish()
    }
}
