//! What an operator writes under `http:` and `admin:`.

use schemars::JsonSchema;
use serde::Deserialize;

use super::TrustedProxies;

/// The public listener.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Addresses to listen on: IPv4, IPv6, host names, or `unix:/path/to.sock`.
    #[schemars(length(min = 1))]
    pub bind_addresses: Vec<String>,
    /// The port on each address; 0 binds a free one.
    pub port: u16,
    /// Largest request body in bytes.
    #[schemars(range(min = 1024))]
    pub max_body_bytes: usize,
    /// Addresses and networks (`10.0.0.0/8`) whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<String>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            bind_addresses: vec!["127.0.0.1".to_owned()],
            port: 5000,
            // Sygnal's limit. Synapse really sends bodies of 40 KB and more.
            max_body_bytes: 512 * 1024,
            trusted_proxies: Vec::new(),
        }
    }
}

/// The admin listener: health, metrics, status. Never on the public port.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AdminConfig {
    /// The address and port; port 0 binds a free one.
    pub bind: String,
}

impl Default for AdminConfig {
    fn default() -> Self {
        Self { bind: "127.0.0.1:5001".to_owned() }
    }
}

impl Config {
    /// Returns whose `X-Forwarded-For` is believed. What cannot be read was refused when the
    /// configuration was checked.
    pub fn trusted_proxies(&self) -> TrustedProxies {
        TrustedProxies::parse(&self.trusted_proxies).unwrap_or_default()
    }
}
