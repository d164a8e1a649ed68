//! The configuration: one YAML file, a superset of Sygnal's, checked whole before anything starts.
//!
//! | stage | room |
//! |---|---|
//! | text to a tree with places | `yaml` |
//! | variables, merge keys, types | `document`, `env`, `scalar` |
//! | Sygnal's keys | `sygnal` |
//! | against the schema of the rooms' structs | `schema`, `validate`, `expected`, `nearest` |
//! | rules between keys | `rules` |
//! | apps with their key files | `apps`, `surroundings` |
//!
//! `load` walks them and collects every mistake; `report` shows them. Each room of the house owns
//! its section; this one only lists them, and never names a provider. `glance` reads one key and
//! nothing else, for those in a hurry; `standing` is what a reload cannot change.

mod apps;
mod bind;
mod document;
mod env;
mod expected;
mod glance;
mod load;
mod nearest;
mod report;
mod rules;
mod scalar;
mod schema;
mod standing;
mod surroundings;
mod sygnal;
mod validate;
mod yaml;

use std::path::PathBuf;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::dispatch;
use crate::http;
use crate::providers::App;
use crate::providers::Auto;
use crate::secret::SecretString;
use crate::telemetry;
use crate::transport::Proxy;

pub use bind::Bind;
pub use env::Env;
pub use glance::admin_bind;
pub use load::{Loaded, load};
pub use report::{Finding, Report, Severity, Span};
pub use schema::schema;
pub use standing::Standing;

/// What an operator configures. Values given as files (`redis_url_file`) are read already.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// The public listener.
    pub http: http::Config,
    /// The admin listener.
    pub admin: http::AdminConfig,
    /// Threads.
    pub runtime: RuntimeConfig,
    /// How hard peregrine tries, and what it protects.
    pub delivery: dispatch::Config,
    /// Where the tables live.
    pub state: dispatch::StateConfig,
    /// `http://user:password@host:port`, used with CONNECT for every provider.
    #[schemars(with = "Option<String>")]
    pub proxy: Option<SecretString>,
    /// A file that holds `proxy`.
    #[schemars(with = "Option<String>")]
    pub proxy_file: Option<PathBuf>,
    /// TLS towards providers.
    pub tls: TlsConfig,
    /// The log.
    pub log: telemetry::config::LogConfig,
    /// Metrics, besides the admin listener's.
    pub metrics: telemetry::config::MetricsConfig,
    /// What to do with whose pushes.
    #[serde(skip)]
    pub apps: Vec<App>,
    /// Where the tables live, by `state`.
    #[serde(skip)]
    pub home: dispatch::Home,
    /// The proxy in force, by `proxy` or the environment.
    #[serde(skip)]
    pub proxied: Option<Arc<Proxy>>,
}

/// Worker threads.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RuntimeConfig {
    /// Worker threads; auto = one per core.
    pub workers: Auto,
    /// Whether each worker thread stays on one core.
    pub pin_cores: bool,
}

/// TLS towards providers.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct TlsConfig {
    /// A PEM file of roots trusted besides the system's.
    pub ca_file: Option<PathBuf>,
}

impl Config {
    /// Returns where notifications are taken. What cannot be read was refused by [`load()`].
    #[must_use]
    pub fn public_binds(&self) -> Vec<Bind> {
        let http::Config { bind_addresses, port, .. } = &self.http;
        bind_addresses.iter().filter_map(|at| Bind::with_port(at, *port).ok()).collect()
    }

    /// Returns where health and metrics are.
    #[must_use]
    pub fn admin_binds(&self) -> Vec<Bind> {
        Bind::parse(&self.admin.bind).into_iter().collect()
    }

    /// Returns where metrics alone are, if anywhere.
    #[must_use]
    pub fn prometheus_binds(&self) -> Vec<Bind> {
        let prometheus = &self.metrics.prometheus;
        let bind = Bind::with_port(&prometheus.address, prometheus.port);
        bind.into_iter().filter(|_| prometheus.enabled).collect()
    }
}
