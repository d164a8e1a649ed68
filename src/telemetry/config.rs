//! What an operator writes under `log:` and `metrics:`.

use schemars::JsonSchema;
use serde::Deserialize;

use crate::secret::{ExposeSecret as _, SecretString};

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
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct AccessConfig {
    /// Whether it is written.
    pub enabled: bool,
    /// Whether it shows the client's address from `X-Forwarded-For` of a trusted proxy.
    pub x_forwarded_for: bool,
}

impl Default for AccessConfig {
    fn default() -> Self {
        Self { enabled: true, x_forwarded_for: false }
    }
}

/// Metrics, besides the admin listener's.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
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
        Self { enabled: false, address: "127.0.0.1".to_owned(), port: 8000 }
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

impl PartialEq for SentryConfig {
    fn eq(&self, other: &Self) -> bool {
        let dsn = |it: &Self| it.dsn.as_ref().map(|dsn| dsn.expose_secret().to_owned());
        self.enabled == other.enabled && dsn(self) == dsn(other)
    }
}

impl Eq for SentryConfig {}

impl SentryConfig {
    /// Whether this names a project at Sentry, as far as this build can tell.
    pub fn is_dsn(text: &str) -> bool {
        #[cfg(feature = "sentry")]
        return text.parse::<sentry_types::Dsn>().is_ok();
        #[cfg(not(feature = "sentry"))]
        return !text.is_empty();
    }
}

/// Traces.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(default)]
pub struct OtlpConfig {
    /// The collector's URL.
    pub endpoint: Option<String>,
}

/// Where collectors take traces, below their URL:
/// <https://opentelemetry.io/docs/specs/otlp/#otlphttp-request>.
const TRACES_PATH: &str = "/v1/traces";

impl OtlpConfig {
    /// Returns the URL for traces, if the configuration names a collector.
    pub fn traces_url(&self) -> Option<String> {
        let url = self.endpoint.as_deref()?.trim_end_matches('/');
        let base = url.strip_suffix(TRACES_PATH).unwrap_or(url);
        Some(format!("{base}{TRACES_PATH}"))
    }

    /// Whether traces are to be sent: the configuration names a collector, or the standard
    /// variables do (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/>).
    pub fn is_wanted(&self, env: &dyn Fn(&str) -> Option<String>) -> bool {
        let is =
            |name: &str, value: &str| env(name).is_some_and(|it| it.eq_ignore_ascii_case(value));
        let is_set = |name: &str| env(name).is_some_and(|value| !value.is_empty());
        let named = self.endpoint.is_some()
            || is_set("OTEL_EXPORTER_OTLP_ENDPOINT")
            || is_set("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT");
        named && !is("OTEL_SDK_DISABLED", "true") && !is("OTEL_TRACES_EXPORTER", "none")
    }
}
