//! Actors that stop moving, on a clock that stands still until everybody waits.

use std::future::pending;
use std::panic::resume_unwind;

use futures_util::FutureExt as _;
use tokio::time::{advance, sleep, sleep_until};

use super::super::config::Config;
use super::super::testing::{Stage, at_once, push};
use super::*;
use crate::providers::Retry;

const DEADLINE: Duration = Duration::from_secs(25);

async fn attempt_to(lane: &Lane, pushkey: &str, within: Duration) -> Outcome {
    let now = Instant::now();
    attempt(lane, 0, &push(pushkey), now, now + within).await
}

#[track_caller]
fn assert_local(outcome: &Outcome, reason: &str) {
    let Outcome::Transient { cause, retry } = outcome else {
        panic!("{outcome:?}");
    };
    assert_eq!((cause.reason, cause.neutral), (reason, true));
    assert_eq!(*retry, Retry::Backoff);
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_that_does_not_move_is_noticed_and_its_pushes_are_not_sent_later() {
    let mut stage = Stage::new(&Config::default(), |_, _| panic!("sent"));
    let lane = stage.lane.clone();
    let start = Instant::now();
    // Nobody runs the actor's thread.
    let outcome = attempt_to(&lane, "key", DEADLINE).await;
    assert_local(&outcome, "wedged");
    assert_eq!(start.elapsed(), TO_BEGIN + SECOND_LOOK);
    assert!(!lane.seats.is_up());
    let next = attempt_to(&lane, "key", DEADLINE).await;
    assert_local(&next, "actor_down");

    // The thread runs again.
    let (thread, downs) = (&stage.thread, &mut stage.downs);
    let down = thread.run_until(downs.recv()).await.unwrap();
    assert!(!down.panicked);
    assert!(lane.seats.vacate(down.seat));
    assert!(!lane.seats.vacate(down.seat), "only once");
    let later = thread.run_until(downs.recv()).await.unwrap();
    assert!(!later.panicked, "it ended, and nothing was sent");
}

#[tokio::test(start_paused = true)]
async fn a_mailbox_may_stop_while_a_push_is_under_way() {
    let stage = Stage::new(&Config::default(), |_, _| Box::pin(pending()));
    let lane = &stage.lane;
    let mut under_way = pin!(attempt_to(lane, "first", DEADLINE));
    let first = stage.thread.run_until(timeout(TO_BEGIN / 2, &mut under_way));
    assert!(first.await.is_err(), "it was begun");
    // From here on the thread stands still.
    let start = Instant::now();
    assert_local(&attempt_to(lane, "second", DEADLINE).await, "wedged");
    assert_eq!(start.elapsed(), TO_BEGIN + SECOND_LOOK);
    // The first is in the provider's hands: who knows what comes of it.
    assert_eq!(under_way.now_or_never(), None);
}

#[tokio::test(start_paused = true)]
async fn an_actor_that_answers_nobody_is_given_up_after_the_deadline() {
    let mut stage = Stage::new(&Config::default(), |_, _| Box::pin(pending()));
    let lane = stage.lane.clone();
    let start = Instant::now();
    let thread = &stage.thread;
    let (a, b) = thread
        .run_until(async {
            tokio::join!(attempt_to(&lane, "a", DEADLINE), attempt_to(&lane, "b", DEADLINE),)
        })
        .await;
    assert_local(&a, "wedged");
    assert_local(&b, "wedged");
    assert_eq!(start.elapsed(), DEADLINE + TO_ANSWER + SECOND_LOOK);
    assert!(!lane.seats.is_up());
    let downs = &mut stage.downs;
    assert!(thread.run_until(downs.recv()).await.is_some());
    assert!(downs.try_recv().is_err(), "both gave it up, once");
}

#[tokio::test(start_paused = true)]
async fn one_push_that_hangs_does_not_bring_its_actor_down() {
    let stage = Stage::new(&Config::default(), |push, _| match &*push.device().pushkey {
        "hangs" => Box::pin(pending()),
        _ => at_once(Outcome::Accepted),
    });
    let lane = &stage.lane;
    let (hangs, other) = stage
        .thread
        .run_until(async {
            tokio::join!(attempt_to(lane, "hangs", DEADLINE), async {
                sleep(DEADLINE).await;
                attempt_to(lane, "other", DEADLINE).await
            })
        })
        .await;
    assert_local(&hangs, "wedged");
    assert_eq!(other, Outcome::Accepted);
    assert!(lane.seats.is_up());
}

#[tokio::test(start_paused = true)]
async fn a_slow_provider_is_not_wedged() {
    let stage = Stage::new(&Config::default(), |push, deadline| {
        let early = match &*push.device().pushkey {
            "before" => Duration::from_secs(1),
            _ => Duration::ZERO,
        };
        Box::pin(async move {
            sleep_until(deadline - early).await;
            Outcome::Accepted
        })
    });
    for (answers, within) in [("before", 25), ("at the deadline", 25), ("", 6), ("", 2)] {
        let sent = attempt_to(&stage.lane, answers, Duration::from_secs(within));
        assert_eq!(stage.thread.run_until(sent).await, Outcome::Accepted);
        assert!(stage.lane.seats.is_up(), "{answers} {within}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_thread_that_stood_still_wedged_nobody() {
    let stage = Stage::new(&Config::default(), |_, _| at_once(Outcome::Accepted));
    let mut sent = pin!(attempt_to(&stage.lane, "key", DEADLINE));
    // The thread stands still until long after the first look; then timers come before actors.
    assert_eq!((&mut sent).now_or_never(), None);
    advance(2 * TO_BEGIN).await;
    assert_eq!((&mut sent).now_or_never(), None);
    assert_eq!(stage.thread.run_until(sent).await, Outcome::Accepted);
    assert!(stage.lane.seats.is_up());
}

#[tokio::test(start_paused = true)]
async fn a_panic_costs_the_push_and_tells_the_supervisor() {
    let mut stage = Stage::new(&Config::default(), |_, _| {
        Box::pin(async { resume_unwind(Box::new("a test's panic")) })
    });
    let (thread, lane) = (&stage.thread, &stage.lane);
    let outcome = thread.run_until(attempt_to(lane, "key", DEADLINE)).await;
    assert_local(&outcome, "actor_panic");
    let down = thread.run_until(stage.downs.recv()).await.unwrap();
    assert!(down.panicked);
    assert!(!lane.seats.is_up());
}
