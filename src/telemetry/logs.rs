//! Logs as text or JSON, on standard error. Pushkeys are shown only as short hashes.
//!
//! `ARCHITECTURE.md` says what each level means.

pub mod json;
pub mod seldom;
#[cfg(test)]
pub(crate) mod testing;

use std::fmt;
use std::io::{self, IsTerminal as _};
use std::time::Duration;

use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::registry::LookupSpan;

use super::config::{LogFormat, LogLevel};
use json::{JsonEvent, JsonFields};

pub use seldom::Seldom;

/// What these say below warnings helps nobody, whatever the level is.
const OTHERS: [&str; 3] = ["actix_server", "h2", "rustls"];

/// The longest id of an event, an app or a user that is shown; Matrix allows 255 bytes
/// (<https://spec.matrix.org/latest/appendices/#common-identifier-format>).
const MAX_ID_BYTES: usize = 255;

/// Returns what is logged at `log.level`.
pub(super) fn filter(level: LogLevel) -> Targets {
    let level = match level {
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    };
    let others = OTHERS.map(|target| (target, level.min(LevelFilter::WARN)));
    Targets::new().with_default(level).with_targets(others)
}

/// Returns what writes the log to standard error.
pub(super) fn to_stderr<S>(format: LogFormat) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    layer(format, io::stderr, io::stderr().is_terminal())
}

/// Returns what writes the log.
fn layer<S, W>(format: LogFormat, writer: W, colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    W: for<'w> MakeWriter<'w> + Send + Sync + 'static,
{
    let layer = tracing_subscriber::fmt::layer().with_writer(writer);
    match format {
        LogFormat::Text => layer.with_ansi(colours).boxed(),
        LogFormat::Json => {
            layer.with_ansi(false).event_format(JsonEvent).fmt_fields(JsonFields).boxed()
        }
    }
}

/// Returns a duration as logs show it.
pub fn whole_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Returns an id that others made up, no longer than one of Matrix can be.
pub fn cut(id: &str) -> &str {
    let mut end = id.len().min(MAX_ID_BYTES);
    while !id.is_char_boundary(end) {
        end -= 1;
    }
    &id[..end]
}

/// A pushkey as logs and pages may show it: eight hexadecimal digits of a hash.
///
/// FNV-1a folded to 32 bits: stable over restarts and versions, so that an operator can find the
/// line for a pushkey they know; too short to find a pushkey from it.
///
/// The status page computes it in the browser (`http/status.html`), so that a pushkey typed there
/// stays there.
pub struct ShortHash<'a>(pub &'a str);

impl ShortHash<'_> {
    /// Returns the hash as a number.
    #[expect(clippy::cast_possible_truncation, reason = "both halves are folded")]
    pub fn bits(&self) -> u32 {
        let bytes = self.0.bytes();
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        (hash >> 32) as u32 ^ hash as u32
    }
}

impl fmt::Display for ShortHash<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:08x}", self.bits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_hashes_are_stable_and_short() {
        assert_eq!(ShortHash("pushkey").to_string(), "456537f8");
        assert_eq!(ShortHash("").to_string(), "4fd0bfc1");
        assert_ne!(ShortHash("pushkez").to_string(), "456537f8");
    }
}
