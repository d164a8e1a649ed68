//! What an operator writes under `log:` and `metrics:`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::secret::SecretString;

/// The log, on standard error.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct LogConfig {
    /// For people or for machines.
    pub format: LogFormat,
    /// The least level shown.
    pub level: LogLevel,
    /// One line for each `/notify` request.
    pub access: AccessConfig,
}

/// For people or for machines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// The least level shown.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// What an operator has to act on.
    Error,
    /// What recovered by itself.
    Warn,
    /// What happened.
    #[default]
    Info,
    /// Each push.
    Debug,
    /// Each step; in release builds, which have none of these, the same as debug.
    Trace,
}

/// One line for each `/notify` request.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AccessConfig {
    /// Whether it is written.
    pub enabled: bool,
    /// Whether it shows the client's address from `X-Forwarded-For` of a trusted proxy.
    pub x_forwarded_for: bool,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self {
            enabled: true,
            x_forwarded_for: false,
        }
    }
}

/// Metrics, besides the admin listener's.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MetricsConfig {
    /// A listener of their own, in Sygnal's place.
    pub prometheus: PrometheusConfig,
    /// Crash reports.
    pub sentry: SentryConfig,
    /// Traces.
    pub otlp: OtlpConfig,
}

/// A listener for metrics alone, in Sygnal's place.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct PrometheusConfig {
    /// Whether it listens.
    pub enabled: bool,
    /// Its address.
    pub address: String,
    /// Its port; 0 binds a free one.
    pub port: u16,
}

impl Default for PrometheusConfig {
    fn default() -> Self {
        Self {
            enabled: false,
            address: "127.0.0.1".to_owned(),
            port: 8000,
        }
    }
}

/// Crash reports.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct SentryConfig {
    /// Whether they are sent.
    pub enabled: bool,
    /// Where to.
    #[schemars(with = "Option<String>")]
    pub dsn: Option<SecretString>,
    /// A file that holds `dsn`.
    #[schemars(with = "Option<String>")]
    pub dsn_file: Option<std::path::PathBuf>,
}

/// Traces.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OtlpConfig {
    /// The collector's endpoint.
    pub endpoint: Option<String>,
}
