//! What a gateway takes from its configuration once, at its start: a reload that finds it changed
//! says so. (Where the tables live is known to `dispatch::Home`.)

use super::{Config, RuntimeConfig};
use crate::http;
use crate::telemetry::config::{AccessConfig, LogFormat, MetricsConfig};

/// The sections that stand until the next start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    http: http::Config,
    admin: http::AdminConfig,
    runtime: RuntimeConfig,
    format: LogFormat,
    access: AccessConfig,
    metrics: MetricsConfig,
}

impl Config {
    /// Returns what stands until the next start.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing {
            http: self.http.clone(),
            admin: self.admin.clone(),
            runtime: self.runtime,
            format: self.log.format,
            access: self.log.access.clone(),
            metrics: self.metrics.clone(),
        }
    }
}

impl Standing {
    /// Returns the keys that are different in `now`.
    pub fn changed(&self, now: &Self) -> impl Iterator<Item = &'static str> {
        let keys = [
            ("http", self.http != now.http),
            ("admin", self.admin != now.admin),
            ("runtime", self.runtime != now.runtime),
            ("log.format", self.format != now.format),
            ("log.access", self.access != now.access),
            ("metrics", self.metrics != now.metrics),
        ];
        keys.into_iter().filter_map(|(key, has_changed)| has_changed.then_some(key))
    }
}
