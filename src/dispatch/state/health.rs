//! What is wrong with Redis: counted always, logged once a minute, told to operators.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use redis::{ErrorKind, RedisError};
use tokio::time::Instant;

use crate::telemetry::Metrics;
use crate::transport::TransportError;

/// Time between two log lines about what is wrong.
const QUIET: Duration = Duration::from_secs(60);

/// What went wrong, and where to look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trouble {
    /// The metric label: `unreachable`, `closed`, `timeout`, `refused` or `answer`.
    pub cause: &'static str,
    /// More about it, for the log.
    pub detail: String,
}

impl Trouble {
    /// No connection came about in time.
    pub fn no_connection(limit: Duration) -> Self {
        Self { cause: "unreachable", detail: format!("no connection within {} s", limit.as_secs()) }
    }

    /// Says what to do about it.
    pub fn instead(&self) -> &'static str {
        match self.cause {
            "unreachable" => "check host and port of `redis_url`, and what is in between",
            "timeout" => "raise `state.redis_timeout_ms`, or bring Redis nearer",
            "refused" => "check user and password of `redis_url`, and what Redis lets that user do",
            _ => "name a Redis from version 5 on, or a Valkey",
        }
    }

    /// No answer came in time.
    pub fn timeout(limit: Duration) -> Self {
        Self { cause: "timeout", detail: format!("no answer within {} ms", limit.as_millis()) }
    }

    /// The answer is none that we know.
    pub fn answer(text: &str) -> Self {
        Self { cause: "answer", detail: format!("the scripts' answer `{text}` has no meaning") }
    }

    /// The connection ended.
    pub fn closed() -> Self {
        Self { cause: "closed", detail: "the connection ended".to_owned() }
    }
}

impl From<TransportError> for Trouble {
    fn from(error: TransportError) -> Self {
        Self { cause: "unreachable", detail: error.detail }
    }
}

impl From<RedisError> for Trouble {
    fn from(error: RedisError) -> Self {
        let cause = match error.kind() {
            ErrorKind::Io | ErrorKind::Client => "closed",
            ErrorKind::Parse | ErrorKind::UnexpectedReturnType => "answer",
            _ => "refused",
        };
        Self { cause, detail: error.to_string() }
    }
}

/// Whether Redis answers, over all worker threads.
#[derive(Debug)]
pub struct Health {
    address: String,
    metrics: Arc<Metrics>,
    /// Connections that should be there and are not.
    down: AtomicUsize,
    logged: Mutex<Logged>,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Logged {
    /// When trouble was logged last.
    at: Option<Instant>,
    /// Whether its end is still to be logged.
    open: bool,
}

impl Health {
    /// Starts without a word.
    pub fn new(address: String, metrics: Arc<Metrics>) -> Self {
        Self { address, metrics, down: AtomicUsize::new(0), logged: Mutex::default() }
    }

    /// Counts what went wrong, and logs it unless something was logged within the last minute.
    pub fn trouble(&self, trouble: &Trouble) {
        self.metrics.state_failed(trouble.cause);
        let now = Instant::now();
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.at.is_some_and(|last| now.duration_since(last) < QUIET) {
            return;
        }
        *logged = Logged { at: Some(now), open: true };
        tracing::warn!(
            address = self.address,
            cause = trouble.cause,
            detail = trouble.detail,
            "redis fails: until it answers, this replica remembers alone",
        );
    }

    /// A worker thread's connection does not answer.
    pub fn down(&self) {
        self.down.fetch_add(1, Ordering::Relaxed);
    }

    /// A worker thread's connection answers again.
    pub fn up(&self) {
        if self.left() > 0 {
            return;
        }
        let mut logged = self.logged.lock().unwrap_or_else(PoisonError::into_inner);
        if std::mem::take(&mut logged.open) {
            tracing::info!(address = self.address, "redis answers again");
        }
    }

    /// A worker thread whose connection did not answer is gone. Returns how many are left.
    pub fn left(&self) -> usize {
        self.down.fetch_sub(1, Ordering::Relaxed) - 1
    }

    /// Whether a worker thread remembers alone at the moment.
    pub fn is_down(&self) -> bool {
        self.down.load(Ordering::Relaxed) > 0
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn trouble_and_its_end_are_logged_once_a_minute() {
        let health = Health::new("redis:6379".to_owned(), Metrics::new());
        let logged = || *health.logged.lock().unwrap();
        health.trouble(&Trouble::closed());
        let first = logged();
        assert!(first.open);
        advance(Duration::from_secs(59)).await;
        health.trouble(&Trouble::closed());
        assert_eq!(logged(), first);

        health.down();
        health.down();
        health.up();
        assert!(health.is_down() && logged().open);
        health.up();
        assert!(!health.is_down() && !logged().open);
        health.trouble(&Trouble::closed());
        assert!(!logged().open, "a pair of lines a minute is enough");
        advance(Duration::from_secs(1)).await;
        health.trouble(&Trouble::closed());
        assert!(logged().open && logged().at > first.at);
    }
}
