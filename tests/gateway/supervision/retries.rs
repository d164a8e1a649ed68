//! What may still arrive is repeated: when, how often, and what that costs.

use std::time::Duration;

use h2::Reason;
use loadtest::peers::Answer;
use loadtest::peers::apns::Options;

use crate::helpers::bodies::EAGER;
use crate::helpers::{Setup, TOKEN, apns, apns_with, event, fcm};

#[tokio::test]
async fn attempts_end_and_every_one_has_the_same_id() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {retry: {max_attempts: 3, base_delay_ms: 1, max_delay_ms: 1}}")
        .apns("app", &apple, &key, "")
        .start();
    apple.answer_times(3, &Answer::new(503, "ServiceUnavailable"));
    let body = event("app", TOKEN, "$1");

    gateway.notify(&body).await.assert_error(502, "M_UNKNOWN");
    let attempts = apple.received();
    assert_eq!(attempts.len(), 3);
    let id = attempts[0].header("apns-id");
    assert!(!id.is_empty() && attempts.iter().all(|it| it.header("apns-id") == id));

    gateway.notify(&body).await.assert_rejects(&[]);
    assert_ne!(apple.received()[3].header("apns-id"), id, "another push");
    assert_eq!(gateway.retries("app").await, 2);
}

#[tokio::test]
async fn the_providers_own_time_comes_first() {
    let fcm = fcm();
    let gateway = Setup::new()
        .section("delivery: {retry: {base_delay_ms: 1, max_delay_ms: 1}}")
        .fcm("app", &fcm, "")
        .start();
    fcm.answer_next(Answer::new(503, "UNAVAILABLE").retry_after(1));
    gateway.notify(&event("app", "a:key", "$1")).await.assert_rejects(&[]);
    let attempts = fcm.received();
    assert_eq!(attempts.len(), 2);
    assert!(attempts[1].at - attempts[0].at >= Duration::from_secs(1));
}

#[tokio::test]
async fn a_date_past_the_deadline_is_not_waited_for() {
    let fcm = fcm();
    let gateway = Setup::new().fcm("app", &fcm, "").start();
    for (id, later) in [("$1", "3600"), ("$2", "Fri, 31 Dec 2100 23:59:59 GMT")] {
        fcm.answer_next(Answer::new(503, "UNAVAILABLE").retry_after(later));
        let answer = gateway.notify(&event("app", "a:key", id)).await;
        answer.assert_error(502, "M_UNKNOWN");
    }
    assert_eq!((fcm.count(), gateway.retries("app").await), (2, 0));
}

#[tokio::test]
async fn what_the_provider_did_not_look_at_is_repeated_free() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery:")
        .section("  retry: {max_attempts: 1}")
        .section("  circuit_breaker: {failures: 1, open_seconds: 60}")
        .apns("app", &apple, &key, "")
        .start();
    for (id, fault) in
        [("$refused", Answer::reset(Reason::REFUSED_STREAM)), ("$goaway", Answer::goaway())]
    {
        apple.answer_next(fault);
        gateway.notify(&event("app", TOKEN, id)).await.assert_rejects(&[]);
    }
    assert_eq!((apple.count(), apple.accepted()), (4, 2));
    // What it may have looked at is not.
    apple.answer_next(Answer::reset(Reason::CANCEL));
    let answer = gateway.notify(&event("app", TOKEN, "$cancel")).await;
    answer.assert_error(502, "M_UNKNOWN");
    assert_eq!(apple.count(), 5);
}

#[tokio::test]
async fn the_deadline_comes_first() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {deadline_seconds: 1}")
        .apns("app", &apple, &key, "")
        .start();
    apple.answer_next(Answer::stall());
    let answer = gateway.notify(&event("app", TOKEN, "$1")).await;
    answer.assert_error(504, "M_UNKNOWN");
    assert_eq!(apple.count(), 1);
    gateway.notify(&event("app", TOKEN, "$1")).await.assert_rejects(&[]);
}

#[tokio::test]
async fn an_outage_is_not_multiplied() {
    const PUSHES: usize = 400;
    let (apple, key) = apns_with(Options::default().first_streams(1000));
    let gateway = Setup::new()
        .section(&EAGER.replace("budget_percent: 100", "budget_percent: 20"))
        .apns("app", &apple, &key, "")
        .start();
    apple.always(Answer::new(503, "ServiceUnavailable"));
    for answer in gateway.burst("app", 0..PUSHES).await {
        answer.assert_error(502, "M_UNKNOWN");
    }
    // Three for each without a budget; with it ten seconds' worth at ten a second, and those that
    // came while this ran.
    let retries = apple.count() - PUSHES;
    assert!((100..400).contains(&retries), "{retries}");
}
