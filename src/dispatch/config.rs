//! What an operator writes under `delivery:` and `state:`.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::secret::SecretString;

/// How hard peregrine tries, and what it protects.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Config {
    /// Longest time for one `/notify` request in seconds, retries and all. Synapse gives up at 60.
    #[schemars(range(min = 1, max = 55))]
    pub deadline_seconds: u64,
    /// Repeats after transient failures.
    pub retry: RetryConfig,
    /// When to stop asking a failing provider.
    pub circuit_breaker: CircuitBreakerConfig,
    /// Which (app_id, pushkey, event_id) were delivered lately.
    pub duplicates: DuplicatesConfig,
    /// Which pushkeys were rejected lately.
    pub rejections: RejectionsConfig,
    /// Pushes for each (app_id, pushkey); null for no limit.
    pub rate_limit: Option<RateLimitConfig>,
    /// Badge-only pushes of one pushkey within this many milliseconds: only the latest is sent.
    pub badge_coalesce_ms: u64,
    /// When rejections look like an operator's mistake.
    pub mass_rejection_guard: MassRejectionGuardConfig,
    /// What an app_id without an app means: its pushkey is rejected, or the request fails (502).
    pub unknown_app_id: UnknownAppId,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            deadline_seconds: 25,
            retry: RetryConfig::default(),
            circuit_breaker: CircuitBreakerConfig::default(),
            duplicates: DuplicatesConfig::default(),
            rejections: RejectionsConfig::default(),
            rate_limit: Some(RateLimitConfig::default()),
            badge_coalesce_ms: 0,
            mass_rejection_guard: MassRejectionGuardConfig::default(),
            unknown_app_id: UnknownAppId::Reject,
        }
    }
}

impl Config {
    /// Returns the longest time for one request.
    pub fn deadline(&self) -> Duration {
        Duration::from_secs(self.deadline_seconds)
    }
}

/// Repeats after transient failures.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RetryConfig {
    /// Most attempts for one push, the first included.
    #[schemars(range(min = 1))]
    pub max_attempts: u32,
    /// Upper bound of the first wait in milliseconds; doubles with each attempt.
    #[schemars(range(min = 1))]
    pub base_delay_ms: u64,
    /// Upper bound of every wait in milliseconds.
    #[schemars(range(min = 1))]
    pub max_delay_ms: u64,
    /// Retries as a share of recent pushes in percent, never under 10 a second; 100 for no budget.
    #[schemars(range(min = 1, max = 100))]
    pub budget_percent: u32,
}

impl Default for RetryConfig {
    fn default() -> Self {
        Self { max_attempts: 4, base_delay_ms: 250, max_delay_ms: 8000, budget_percent: 20 }
    }
}

/// When to stop asking a failing provider.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct CircuitBreakerConfig {
    /// Consecutive transient outcomes after which the circuit opens.
    #[schemars(range(min = 1))]
    pub failures: u32,
    /// Seconds until a single push probes the provider again.
    #[schemars(range(min = 1))]
    pub open_seconds: u64,
}

impl Default for CircuitBreakerConfig {
    fn default() -> Self {
        Self { failures: 20, open_seconds: 10 }
    }
}

/// Which (app_id, pushkey, event_id) were delivered lately.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct DuplicatesConfig {
    /// Seconds an entry is kept.
    #[schemars(range(min = 1))]
    pub window_seconds: u64,
    /// Most entries; beyond it the oldest go.
    #[schemars(range(min = 1))]
    pub capacity: usize,
}

impl Default for DuplicatesConfig {
    fn default() -> Self {
        Self { window_seconds: 4500, capacity: 1_000_000 }
    }
}

/// Which pushkeys were rejected lately.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RejectionsConfig {
    /// Seconds an entry is kept.
    #[schemars(range(min = 1))]
    pub window_seconds: u64,
    /// Most entries; beyond it the oldest go.
    #[schemars(range(min = 1))]
    pub capacity: usize,
}

impl Default for RejectionsConfig {
    fn default() -> Self {
        Self { window_seconds: 86_400, capacity: 1_000_000 }
    }
}

/// Pushes for each (app_id, pushkey).
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct RateLimitConfig {
    /// Pushes a minute in the long run. FCM's own limit for one device is 240.
    #[schemars(range(min = 1))]
    pub per_minute: u32,
    /// Pushes at once.
    #[schemars(range(min = 1))]
    pub burst: u32,
}

impl Default for RateLimitConfig {
    fn default() -> Self {
        Self { per_minute: 240, burst: 60 }
    }
}

/// When rejections look like an operator's mistake.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct MassRejectionGuardConfig {
    /// Distinct pushkeys tried within five minutes before the guard judges.
    #[schemars(range(min = 1))]
    pub min_pushes: usize,
    /// The share of rejections in percent above which none is passed on.
    #[schemars(range(min = 1, max = 100))]
    pub percent: u32,
}

impl Default for MassRejectionGuardConfig {
    fn default() -> Self {
        Self { min_pushes: 50, percent: 50 }
    }
}

/// What an app_id without an app means.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum UnknownAppId {
    /// Its pushkey is rejected, as the specification has it.
    #[default]
    Reject,
    /// The request fails (502), for those who fear typos.
    Error,
}

/// Where the tables live.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(default)]
pub struct StateConfig {
    /// In this process, or in Redis for several replicas.
    pub backend: StateBackend,
    /// `redis://` or `rediss://`; needed for `backend: redis`.
    #[schemars(with = "Option<String>")]
    pub redis_url: Option<SecretString>,
    /// A file that holds `redis_url`.
    #[schemars(with = "Option<String>")]
    pub redis_url_file: Option<std::path::PathBuf>,
    /// Longest time for an answer of Redis in milliseconds; without one, memory decides alone.
    #[schemars(range(min = 1, max = 5000))]
    pub redis_timeout_ms: u64,
}

impl Default for StateConfig {
    fn default() -> Self {
        Self {
            backend: StateBackend::Memory,
            redis_url: None,
            redis_url_file: None,
            redis_timeout_ms: 100,
        }
    }
}

/// Where the tables live.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum StateBackend {
    /// In this process.
    #[default]
    Memory,
    /// In Redis besides.
    Redis,
}
