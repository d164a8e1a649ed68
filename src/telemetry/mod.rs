//! What operators see: logs, metrics, traces and crash reports. May be imported by every room,
//! imports only other words.
//!
//! [`start`] begins what is of the whole process: the log, whose level a reload may change, and
//! what leaves over the network (`traces`, `sentry`), each on a thread of its own (`post`).

pub mod config;
pub mod logs;
pub mod metrics;
mod panics;
#[cfg(any(feature = "otlp", feature = "sentry"))]
mod post;
#[cfg(feature = "sentry")]
mod sentry;
pub mod traces;

use std::fmt;
use std::time::{Duration, Instant};

use tracing_subscriber::filter::Targets;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer, Registry, reload};

use config::{LogConfig, LogLevel, MetricsConfig};

pub use metrics::{AppMetrics, Metrics};

/// How long the last traces and crash reports may take at the end.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Reads the environment of the process.
type Env<'e> = &'e dyn Fn(&str) -> Option<String>;

/// What writes or sends what is logged.
type Sink = Box<dyn Layer<Registry> + Send + Sync>;

/// What leaves over the network, if the configuration says so: what feeds it, and the thread that
/// sends it.
type Leaving = Option<(Sink, Box<dyn Sender>)>;

/// Begins to send something, or says what is in the way.
type Begin = fn(&MetricsConfig, Env<'_>) -> Result<Leaving, String>;

/// All that can leave in this build.
const LEAVING: &[Begin] = &[
    #[cfg(feature = "otlp")]
    traces::otlp::begin,
    #[cfg(feature = "sentry")]
    sentry::begin,
];

/// A thread that sends what waits for it.
trait Sender {
    /// Sends what is left, for at most this long.
    fn finish(self: Box<Self>, within: Duration);
}

/// What was started for the whole process, to be finished at its end.
#[must_use = "dropped, the last traces and reports are lost"]
pub struct Telemetry {
    senders: Vec<Box<dyn Sender>>,
    /// What is logged, where the configuration says it and not `$RUST_LOG`.
    level: Option<reload::Handle<Targets, Registry>>,
}

/// Starts the log of the process, its traces and crash reports. `env` reads its environment.
///
/// # Errors
///
/// Returns what could not be started, and why.
pub fn start(log: &LogConfig, metrics: &MetricsConfig, env: Env<'_>) -> Result<Telemetry, String> {
    let wanted = env("RUST_LOG").filter(|wanted| !wanted.is_empty());
    let wanted = wanted.map(|wanted| wanted.parse::<Targets>().map_err(|it| it.to_string()));
    let to_stderr = logs::to_stderr(log.format);
    let (to_stderr, level, misunderstood) = match wanted {
        Some(Ok(filter)) => (to_stderr.with_filter(filter).boxed(), None, None),
        nothing => {
            // It is asked about each place that logs once, and again after a change; only what is
            // logged passes its lock.
            let (filter, level) = reload::Layer::new(logs::filter(log.level));
            let to_stderr = to_stderr.with_filter(filter).boxed();
            (to_stderr, Some(level), nothing.and_then(Result::err))
        }
    };
    let mut sinks: Vec<Sink> = vec![to_stderr];
    let mut senders = Vec::new();
    for begin in LEAVING {
        if let Some((sink, sender)) = begin(metrics, env)? {
            sinks.push(sink);
            senders.push(sender);
        }
    }
    let started = Registry::default().with(sinks).try_init();
    started.map_err(|error| format!("cannot start the log: {error}"))?;
    panics::log();
    if let Some(error) = misunderstood {
        tracing::warn!(error, "cannot read $RUST_LOG: log.level counts instead");
    }
    Ok(Telemetry { senders, level })
}

impl Telemetry {
    /// Logs at this level from now on, unless `$RUST_LOG` says what is logged.
    pub fn set_level(&self, level: LogLevel) {
        if let Some(handle) = &self.level {
            // It fails where the log is gone, and then there is nobody to tell.
            let _ = handle.reload(logs::filter(level));
        }
    }

    /// Sends what is left, for a bounded time.
    pub fn finish(self) {
        let until = Instant::now() + LAST_WORDS;
        for sender in self.senders {
            sender.finish(until.saturating_duration_since(Instant::now()));
        }
    }
}

impl fmt::Debug for Telemetry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Telemetry").finish_non_exhaustive()
    }
}
