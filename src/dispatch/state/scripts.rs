//! The two scripts that run in Redis, and the names of the keys they work on.
//!
//! | key | value | ends |
//! |---|---|---|
//! | `peregrine:{DEVICE}:dead` | the `pushkey_ts` that was rejected, 0 for none | `rejections.window_seconds` |
//! | `peregrine:{DEVICE}:rate` | when its allowance is whole again, GCRA | with that time |
//! | `peregrine:{DEVICE}:EVENT` | `delivered` | `duplicates.window_seconds` |
//! | the same | which replica has it under way | soon after the deadline of its push |
//!
//! DEVICE and EVENT are hashes (see `keys`). The braces keep one device's keys in one slot, so that
//! a proxy in front of a cluster can run the scripts
//! (<https://redis.io/docs/latest/operate/oss_and_stack/reference/cluster-spec/#hash-tags>).

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use redis::aio::MultiplexedConnection;
use redis::{Cmd, cmd, pipe};
use tokio::time::Instant;

use super::Question;
use super::health::Trouble;
use crate::dispatch::config::{Config, RateLimitConfig};
use crate::dispatch::table::Key;

const ASK: &str = include_str!("ask.lua");
const TELL: &str = include_str!("tell.lua");

/// Lua counts in doubles: the largest integer they can tell from the next.
const MOST: u64 = (1 << 53) - 1;

/// How long after its deadline a push is surely settled.
const AFTER_DEADLINE: Duration = Duration::from_secs(2);

/// The scripts as one Redis knows them.
#[derive(Debug)]
pub struct Scripts {
    ask: String,
    tell: String,
    /// Whose claims are ours.
    replica: u64,
}

/// Whether a push may be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// It may, and its event is claimed.
    Go,
    /// The pushkey was rejected.
    Dead,
    /// The event was delivered.
    Delivered,
    /// The event is under way at another replica.
    UnderWay,
    /// The rate limit allows it in so long.
    Limited(Duration),
}

/// What came of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Told {
    /// The provider took it.
    Accepted,
    /// The pushkey is dead.
    Rejected,
    /// Neither: the event may be sent by whoever has it.
    Failed,
}

impl Scripts {
    /// Makes the scripts known, and asks a question to see whether everything a push needs works:
    /// a server may be read-only, full, or forbid it.
    ///
    /// # Errors
    ///
    /// Returns what does not work.
    pub async fn load(
        connection: &mut MultiplexedConnection,
        replica: u64,
    ) -> Result<Self, Trouble> {
        let mut load = pipe();
        for script in [ASK, TELL] {
            load.cmd("SCRIPT").arg("LOAD").arg(script);
        }
        let (ask, tell) = load.query_async(connection).await?;
        let scripts = Self { ask, tell, replica };
        let question = Question {
            device: Key::MAX,
            pushkey_ts: None,
            event: None,
            config: &Config::default(),
            deadline: Instant::now(),
        };
        let answer: (String, u64) = scripts.ask(question).query_async(connection).await?;
        Answer::of(&answer).ok_or_else(|| Trouble::answer(&answer.0))?;
        Ok(scripts)
    }

    /// Asks whether a push may be sent.
    pub fn ask(&self, question: Question<'_>) -> Cmd {
        let (interval, burst) = question.config.rate_limit.as_ref().map_or((0, 0), quota);
        let mut ask = Self::call(&self.ask, question, &["dead", "rate"]);
        match question.pushkey_ts {
            Some(ts) => ask.arg(ts.min(MOST)),
            None => ask.arg(-1),
        };
        let left = question.deadline.saturating_duration_since(Instant::now());
        ask.arg(interval).arg(burst).arg(self.replica).arg(millis(left + AFTER_DEADLINE));
        ask
    }

    /// Tells what came of a push, to be remembered as long as is configured.
    pub fn tell(&self, question: Question<'_>, told: Told) -> Cmd {
        let config = question.config;
        let (outcome, seconds) = match told {
            Told::Accepted => ("accepted", config.duplicates.window_seconds),
            Told::Rejected => ("rejected", config.rejections.window_seconds),
            Told::Failed => ("failed", 0),
        };
        let mut tell = Self::call(&self.tell, question, &["dead"]);
        tell.arg(outcome)
            .arg(self.replica)
            .arg(millis(Duration::from_secs(seconds)))
            .arg(question.pushkey_ts.unwrap_or(0).min(MOST));
        tell
    }

    /// Calls a script on these keys of a device, and on the event's.
    fn call(script: &str, question: Question<'_>, keys: &[&str]) -> Cmd {
        let Question { device, event, .. } = question;
        let mut call = cmd("EVALSHA");
        call.arg(script).arg(keys.len() + usize::from(event.is_some()));
        for key in keys {
            call.arg(name(device, key));
        }
        if let Some(event) = event {
            call.arg(name(device, &text(event)));
        }
        call
    }
}

impl Answer {
    /// Reads what the script says.
    pub fn of((word, micros): &(String, u64)) -> Option<Self> {
        Some(match word.as_str() {
            "go" => Self::Go,
            "dead" => Self::Dead,
            "delivered" => Self::Delivered,
            "under_way" => Self::UnderWay,
            "limited" => Self::Limited(Duration::from_micros(*micros)),
            _ => return None,
        })
    }
}

/// Forgets that a pushkey is dead.
pub fn forget(device: Key) -> Cmd {
    let mut forget = cmd("DEL");
    forget.arg(name(device, "dead"));
    forget
}

/// Returns interval and burst in microseconds.
fn quota(config: &RateLimitConfig) -> (u64, u64) {
    let interval = 60_000_000 / u64::from(config.per_minute.max(1));
    (interval, interval * u64::from(config.burst.max(1)))
}

fn name(device: Key, what: &str) -> String {
    format!("peregrine:{{{}}}:{what}", text(device))
}

/// Returns a key as 16 characters.
fn text(key: Key) -> String {
    URL_SAFE_NO_PAD.encode(&key.to_be_bytes()[4..])
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
