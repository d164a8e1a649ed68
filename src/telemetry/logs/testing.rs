//! What was logged while something ran, line by line.

use std::io::{self, Write};
use std::sync::{Arc, Mutex};

use tracing_subscriber::Registry;
use tracing_subscriber::layer::SubscriberExt as _;

use super::layer;
use crate::telemetry::config::LogFormat;

/// Collects what is logged on the current thread until it is dropped.
pub(crate) struct Collecting {
    lines: Lines,
    _guard: tracing::subscriber::DefaultGuard,
}

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Collecting {
    /// Begins, at level `info`.
    pub(crate) fn begin(format: LogFormat) -> Self {
        let lines = Lines::default();
        let writer = lines.clone();
        let layer = layer(format, move || writer.clone(), false);
        let info = tracing_subscriber::filter::LevelFilter::INFO;
        let subscriber = Registry::default().with(info).with(layer);
        Self { lines, _guard: tracing::subscriber::set_default(subscriber) }
    }

    /// Returns the lines so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        let written = self.lines.0.lock().unwrap().clone();
        let written = String::from_utf8(written).unwrap();
        written.lines().map(str::to_owned).collect()
    }
}

/// Returns what `say` logged.
pub(crate) fn lines(format: LogFormat, say: impl FnOnce()) -> Vec<String> {
    let collecting = Collecting::begin(format);
    say();
    collecting.lines()
}
