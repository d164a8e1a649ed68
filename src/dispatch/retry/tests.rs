//! What is repeated, when, and what it says of the provider.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;

use super::super::config::{CircuitBreakerConfig, Config};
use super::super::testing::{Stage, at_once, push};
use super::*;
use crate::providers::Cause;

const DEADLINE: Duration = Duration::from_secs(25);

/// A provider that answers what is written, then accepts.
struct Play {
    stage: Stage,
    config: Config,
    written: Arc<Mutex<VecDeque<Outcome>>>,
    /// When each attempt came, since the beginning.
    attempts: Arc<Mutex<Vec<Duration>>>,
}

impl Play {
    fn new(config: Config) -> Self {
        let (written, attempts) = (Arc::default(), Arc::default());
        let script: Arc<Mutex<VecDeque<Outcome>>> = Arc::clone(&written);
        let times: Arc<Mutex<Vec<Duration>>> = Arc::clone(&attempts);
        let began = Instant::now();
        let stage = Stage::new(&config, move |_, _| {
            times.lock().unwrap().push(began.elapsed());
            let next = script.lock().unwrap().pop_front();
            at_once(next.unwrap_or(Outcome::Accepted))
        });
        Self { stage, config, written, attempts }
    }

    async fn deliver(&self, outcomes: impl IntoIterator<Item = Outcome>) -> Delivery {
        self.attempts.lock().unwrap().clear();
        *self.written.lock().unwrap() = outcomes.into_iter().collect();
        let leave = self.stage.lane.circuit.enter(Instant::now()).unwrap();
        let (push, now) = (push("key"), Instant::now());
        let delivery =
            deliver(&self.stage.lane, 0, &push, now, now + DEADLINE, &self.config.retry, leave);
        self.stage.thread.run_until(delivery).await.delivery
    }

    fn attempts(&self) -> usize {
        self.attempts.lock().unwrap().len()
    }

    /// Returns the waits between attempts.
    fn waits(&self) -> Vec<Duration> {
        let attempts = self.attempts.lock().unwrap();
        attempts.windows(2).map(|two| two[1].saturating_sub(two[0])).collect()
    }
}

fn failed(retry: Retry) -> Outcome {
    let cause = Cause::new("unavailable");
    Outcome::Transient { cause, retry }
}

const ACCEPTED: Delivery = Delivery::Outcome(Outcome::Accepted);

#[test]
fn backoff_doubles_up_to_its_bound() {
    let config = RetryConfig::default();
    let bounds: Vec<u128> =
        (1..=8).map(|attempt| backoff(&config, attempt, 1.0).as_millis()).collect();
    assert_eq!(bounds, [250, 500, 1000, 2000, 4000, 8000, 8000, 8000]);
    assert_eq!(backoff(&config, 3, 0.0), Duration::ZERO);
    assert_eq!(backoff(&config, 3, 0.5), Duration::from_millis(500));
    assert_eq!(backoff(&config, u32::MAX, 1.0), Duration::from_secs(8));
}

proptest! {
    /// Whatever is configured: no wait above either bound, none below the jitter's share of it.
    #[test]
    fn backoff_stays_within_its_bounds(
        base_delay_ms in 1..u64::MAX,
        max_delay_ms in 1..u64::from(u32::MAX),
        attempts in 1..u32::MAX,
        jitter in 0.0..1.0,
    ) {
        let config = RetryConfig { base_delay_ms, max_delay_ms, ..RetryConfig::default() };
        let wait = backoff(&config, attempts, jitter);
        let most = backoff(&config, attempts, 1.0);
        prop_assert!(wait <= most && most <= Duration::from_millis(max_delay_ms));
        prop_assert!(most >= Duration::from_millis(base_delay_ms.min(max_delay_ms)));
        prop_assert!(most <= backoff(&config, attempts.saturating_add(1), 1.0));
        let share = most.mul_f64(jitter);
        prop_assert!(wait.abs_diff(share) <= Duration::from_nanos(1));
    }
}

#[tokio::test(start_paused = true)]
async fn attempts_are_counted_and_waits_are_jittered() {
    let play = Play::new(Config::default());
    let last = failed(Retry::Backoff);
    let delivery = play.deliver(vec![last.clone(); 9]).await;
    assert_eq!(delivery, Delivery::Outcome(last));
    assert_eq!(play.attempts(), 4);
    for (wait, bound) in play.waits().into_iter().zip([250, 500, 1000]) {
        // The paused clock wakes on whole milliseconds.
        assert!(wait <= Duration::from_millis(bound + 1), "{wait:?}");
    }
    assert_eq!(play.deliver([failed(Retry::Backoff)]).await, ACCEPTED);
    assert_eq!(play.attempts(), 2);
}

#[tokio::test(start_paused = true)]
async fn the_providers_own_time_comes_first() {
    let play = Play::new(Config::default());
    let waits = [3, 0, 20].map(Duration::from_secs);
    assert_eq!(play.deliver(waits.map(|wait| failed(Retry::After(wait)))).await, ACCEPTED);
    for (wait, asked) in play.waits().into_iter().zip(waits) {
        assert!(wait >= asked && wait < asked + Duration::from_millis(5), "{wait:?}");
    }
    // Past the deadline it is given up at once.
    let start = Instant::now();
    let too_long = failed(Retry::After(DEADLINE));
    let delivery = play.deliver([too_long.clone()]).await;
    assert_eq!(delivery, Delivery::Outcome(too_long));
    assert_eq!((play.attempts(), start.elapsed()), (1, Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn what_the_provider_did_not_look_at_is_repeated_at_once_and_free() {
    let mut config = Config::default();
    config.retry.max_attempts = 1;
    config.circuit_breaker.failures = 1;
    let play = Play::new(config);
    let refused = failed(Retry::AtOnce);
    let free = usize::try_from(FREE_REPEATS).unwrap();
    assert_eq!(play.deliver(vec![refused.clone(); free]).await, ACCEPTED);
    assert_eq!(play.waits(), vec![Duration::ZERO; free]);
    assert!(!play.stage.lane.circuit.is_open());
    // A peer that refuses everything is not hammered, and counts as failing.
    let delivery = play.deliver(vec![refused.clone(); 99]).await;
    assert_eq!(delivery, Delivery::Outcome(refused));
    assert_eq!(play.attempts(), free + 1);
    assert!(play.stage.lane.circuit.is_open());
}

#[tokio::test(start_paused = true)]
async fn what_the_operator_has_to_mend_is_not_repeated() {
    let play = Play::new(Config::default());
    let wrong = Outcome::operator("BadTopic");
    assert_eq!(play.deliver([wrong.clone()]).await, Delivery::Outcome(wrong));
    assert_eq!(play.attempts(), 1);
}

#[tokio::test(start_paused = true)]
async fn the_budget_ends_repeats_but_no_first_attempt() {
    let mut config = Config::default();
    config.circuit_breaker.failures = 10_000;
    config.retry.max_delay_ms = 1;
    let play = Play::new(config);
    let mut repeats = 0;
    for _ in 0..400 {
        play.deliver(vec![failed(Retry::Backoff); 9]).await;
        assert!(play.attempts() >= 1);
        repeats += play.attempts() - 1;
    }
    // A tenth of a minute's grants at least, and far from three for each push.
    assert!((100..=150).contains(&repeats), "{repeats}");
}

#[tokio::test(start_paused = true)]
async fn an_open_circuit_ends_repeats() {
    let config = Config {
        circuit_breaker: CircuitBreakerConfig { failures: 2, open_seconds: 10 },
        ..Config::default()
    };
    let play = Play::new(config);
    play.deliver(vec![failed(Retry::Backoff); 9]).await;
    assert_eq!(play.attempts(), 2);
    // A repeat that comes when the circuit may be probed is the probe.
    tokio::time::advance(Duration::from_secs(10)).await;
    let waits = failed(Retry::After(Duration::from_secs(11)));
    assert_eq!(play.deliver([waits]).await, ACCEPTED);
    assert!(!play.stage.lane.circuit.is_open());
}

#[tokio::test(start_paused = true)]
async fn what_came_about_here_says_nothing_of_the_provider() {
    let mut config = Config::default();
    config.circuit_breaker.failures = 3;
    let play = Play::new(config);
    let circuit = &play.stage.lane.circuit;
    let ours = || Outcome::backoff(Cause::local("actor_panic"));
    play.deliver((0..9).map(|_| ours())).await;
    assert_eq!(play.attempts(), 4);
    assert!(!circuit.is_open());

    // Neither is it a sign of life.
    let dropped = Outcome::Permanent(Cause::local("nothing_to_send"));
    let fails = failed(Retry::Useless);
    for outcome in [&fails, &dropped, &fails, &dropped, &fails] {
        play.deliver([outcome.clone()]).await;
    }
    assert!(circuit.is_open());
    tokio::time::advance(Duration::from_secs(10)).await;
    play.deliver([dropped]).await;
    assert!(circuit.is_open(), "a probe that did not ask tells nothing");
    // The next one may probe at once, and stays the probe over what came about here.
    assert_eq!(play.deliver([ours()]).await, ACCEPTED);
    assert!(!circuit.is_open());
}
