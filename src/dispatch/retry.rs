//! Deadline, attempts, budget and backoff around one delivery.

use std::time::Duration;

use tokio::time::{Instant, sleep};
use tracing::Instrument as _;
use tracing::field::Empty;

use super::attempt::attempt;
use super::circuit::Leave;
use super::config::RetryConfig;
use super::lane::Lane;
use crate::providers::{Outcome, Push, Retry};
use crate::telemetry::logs;

/// Repeats at once that cost nothing: the provider surely did not process the request. Beyond
/// these the usual backoff applies, so that a peer that refuses every stream is not hammered.
const FREE_REPEATS: u32 = 3;

/// What came of a push after its last attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Delivery {
    /// The last attempt's outcome.
    Outcome(Outcome),
    /// The deadline came first.
    DeadlinePassed,
}

/// What came of a push, and after how many attempts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Attempted {
    /// What came of it.
    pub delivery: Delivery,
    /// How often the provider was asked, free repeats included.
    pub attempts: u32,
    /// When it was settled.
    pub ended: Instant,
}

/// Attempts a push from `now` on until it is settled, the attempts or the budget are used up, the
/// circuit opens, or the deadline comes.
pub async fn deliver(
    lane: &Lane,
    worker: usize,
    push: &Push,
    mut now: Instant,
    deadline: Instant,
    config: &RetryConfig,
    mut leave: Leave<'_>,
) -> Attempted {
    let metrics = &lane.app.metrics;
    let mut attempts = 0;
    let mut free_repeats = 0;
    lane.budget.pushed(now);
    let delivery = loop {
        let number = attempts + free_repeats + 1;
        let outcome = traced(lane, worker, push, now, deadline, number).await;
        now = Instant::now();
        let is_neutral = outcome.cause().is_some_and(|cause| cause.neutral);
        let Outcome::Transient { cause, retry } = &outcome else {
            metrics.attempted("ok");
            if !is_neutral {
                leave.worked();
            }
            attempts += 1;
            break Delivery::Outcome(outcome);
        };
        let is_free = *retry == Retry::AtOnce && free_repeats < FREE_REPEATS;
        if is_free {
            free_repeats += 1;
        } else {
            attempts += 1;
            if !is_neutral {
                leave.failed(now);
            }
        }
        if now >= deadline {
            metrics.attempted("error");
            break Delivery::DeadlinePassed;
        }
        let wait = match *retry {
            _ if is_free => Some(Duration::ZERO),
            Retry::Useless => None,
            _ if attempts >= config.max_attempts => None,
            Retry::After(wait) => Some(wait),
            Retry::AtOnce | Retry::Backoff => Some(backoff(config, attempts, fastrand::f64())),
        };
        // A wait past the deadline is given up at once: the homeserver repeats sooner.
        let wait = wait.filter(|&wait| now + wait < deadline);
        let Some(wait) = wait.filter(|_| is_free || lane.budget.grants(now)) else {
            metrics.attempted("error");
            break Delivery::Outcome(outcome);
        };
        tracing::trace!(
            reason = cause.reason,
            detail = cause.detail.as_deref(),
            attempt = attempts + free_repeats,
            wait_ms = logs::whole_ms(wait),
            "push not delivered yet, trying again",
        );
        if !wait.is_zero() {
            sleep(wait).await;
            now = Instant::now();
        }
        // A probe that has told nothing yet is still the probe.
        if !is_free && !leave.is_probe() {
            let Ok(entered) = lane.circuit.enter(now) else {
                metrics.attempted("error");
                break Delivery::Outcome(outcome);
            };
            leave = entered;
        }
        metrics.attempted("retry");
    };
    Attempted { delivery, attempts: attempts + free_repeats, ended: now }
}

/// Makes one attempt, as a part of the push's trace.
async fn traced(
    lane: &Lane,
    worker: usize,
    push: &Push,
    now: Instant,
    deadline: Instant,
    number: u32,
) -> Outcome {
    let span = tracing::debug_span!(
        "attempt",
        number,
        outcome = Empty,
        reason = Empty,
        otel.status_code = Empty,
    );
    let attempt = attempt(lane, worker, push, now, deadline);
    let outcome = attempt.instrument(span.clone()).await;
    if !span.is_disabled() {
        span.record("outcome", outcome.as_str());
        if let Some(cause) = outcome.cause() {
            span.record("reason", cause.reason);
            span.record("otel.status_code", "ERROR");
        }
    }
    outcome
}

/// Returns the wait before attempt `attempts + 1`: full jitter over a bound that doubles
/// (<https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>).
/// `jitter` is in 0..1.
fn backoff(config: &RetryConfig, attempts: u32, jitter: f64) -> Duration {
    let doublings = attempts.saturating_sub(1).min(32);
    let bound = config.base_delay_ms.saturating_mul(1 << doublings).min(config.max_delay_ms);
    Duration::from_millis(bound).mul_f64(jitter)
}

#[cfg(test)]
mod tests;
