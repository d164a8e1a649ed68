//! Logs as text or JSON, on standard error. Pushkeys are shown only as short hashes.

use std::fmt;
use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::util::{SubscriberInitExt as _, TryInitError};

use super::config::{LogConfig, LogFormat, LogLevel};

/// Starts logging for the process. `filter` (the value of `RUST_LOG`) goes before `log.level`.
///
/// # Errors
///
/// Returns an error if logging was started before.
pub fn start(config: &LogConfig, filter: Option<&str>) -> Result<(), TryInitError> {
    let level = match config.level {
        LogLevel::Error => "error",
        LogLevel::Warn => "warn",
        LogLevel::Info => "info",
        LogLevel::Debug => "debug",
        LogLevel::Trace => "trace",
    };
    let filter = filter
        .and_then(|filter| EnvFilter::try_new(filter).ok())
        // At every level our own rooms speak first; what actix and rustls say helps nobody.
        .unwrap_or_else(|| {
            EnvFilter::new(format!("{level},actix_server=warn,h2=warn,rustls=warn"))
        });
    let builder = tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_env_filter(filter);
    match config.format {
        LogFormat::Text => builder.finish().try_init(),
        LogFormat::Json => builder.json().flatten_event(true).finish().try_init(),
    }
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
        assert_eq!(
            ShortHash("pushkey").to_string(),
            ShortHash("pushkey").to_string()
        );
        assert_ne!(
            ShortHash("pushkey").to_string(),
            ShortHash("pushkez").to_string()
        );
        assert_eq!(ShortHash("").to_string().len(), 8);
    }
}
