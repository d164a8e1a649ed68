//! What operators see: logs, metrics, traces and crash reports. May be imported by every room,
//! imports none.
//!
//! [`start`] begins what is of the whole process: the log, and what leaves over the network
//! (`traces`, `sentry`), each on a thread of its own (`post`).

pub mod config;
pub mod logs;
pub mod metrics;
mod panics;
#[cfg(any(feature = "otlp", feature = "sentry"))]
mod post;
#[cfg(feature = "sentry")]
mod sentry;
pub mod traces;

use std::time::{Duration, Instant};

use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry};

use config::{LogConfig, MetricsConfig};

pub use metrics::{AppMetrics, Metrics};

/// How long the last traces and crash reports may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// What writes or sends what is logged.
type Sink = Box<dyn Layer<Registry> + Send + Sync>;

/// What was started for the whole process, to be finished at its end.
#[derive(Debug, Default)]
pub struct Telemetry {
    #[cfg(feature = "otlp")]
    traces: Option<traces::otlp::Exporter>,
    #[cfg(feature = "sentry")]
    sentry: Option<sentry::Reporter>,
}

/// Starts the log of the process, its traces and crash reports. `env` reads its environment.
///
/// # Errors
///
/// Returns what could not be started, and why.
pub fn start(
    log: &LogConfig,
    metrics: &MetricsConfig,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Telemetry, String> {
    let wanted = env("RUST_LOG");
    let (filter, misunderstood) = match logs::filter(log, wanted.as_deref()) {
        Ok(filter) => (filter, None),
        Err(error) => (logs::from_config(log), Some(error)),
    };
    let mut sinks: Vec<Sink> = vec![logs::to_stderr(log.format).with_filter(filter).boxed()];
    let telemetry = Telemetry::begin(metrics, env, &mut sinks)?;
    let started = Registry::default().with(sinks).try_init();
    started.map_err(|error| format!("cannot start the log: {error}"))?;
    panics::log();
    if let Some(error) = misunderstood {
        tracing::warn!(error, "cannot read $RUST_LOG; log.level counts instead");
    }
    Ok(telemetry)
}

impl Telemetry {
    /// Begins what leaves over the network, and adds what feeds it to `sinks`.
    #[cfg_attr(
        not(any(feature = "otlp", feature = "sentry")),
        expect(
            clippy::unnecessary_wraps,
            unused_variables,
            reason = "nothing to begin"
        )
    )]
    fn begin(
        metrics: &MetricsConfig,
        env: &dyn Fn(&str) -> Option<String>,
        sinks: &mut Vec<Sink>,
    ) -> Result<Self, String> {
        Ok(Self {
            #[cfg(feature = "otlp")]
            traces: traces::otlp::begin(&metrics.otlp, env, sinks)
                .map_err(|error| format!("cannot send traces: {error}"))?,
            #[cfg(feature = "sentry")]
            sentry: sentry::begin(&metrics.sentry, env, sinks)
                .map_err(|error| format!("cannot report to Sentry: {error}"))?,
        })
    }

    /// Sends what is left, for a bounded time.
    pub fn finish(self) {
        let until = Instant::now() + LAST_WORDS;
        let left = || until.saturating_duration_since(Instant::now());
        #[cfg(feature = "otlp")]
        if let Some(traces) = self.traces {
            traces.finish(left());
        }
        #[cfg(feature = "sentry")]
        if let Some(sentry) = self.sentry {
            sentry.finish(left());
        }
        let _ = left;
    }
}
