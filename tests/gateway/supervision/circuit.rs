//! A provider that keeps failing is left alone, then asked by single probes.

use loadtest::peers::Answer;
use loadtest::peers::apns::{Apns, Options};

use super::pushkey;
use crate::helpers::{Setup, TOKEN, TestGateway, apns, event, until};

const OPEN: &str = "peregrine_circuit_open{app=\"app\"}";

/// Three failures, two seconds' rest.
fn gateway(apple: &Apns, key: &loadtest::peers::apns::ProviderKey) -> TestGateway {
    Setup::new()
        .section("delivery:")
        .section("  retry: {max_attempts: 1}")
        .section("  circuit_breaker: {failures: 3, open_seconds: 2}")
        .apns("app", apple, key, "sound_from_tweaks: no")
        .app("other", "type: log")
        .start()
}

fn unavailable() -> Answer {
    Answer::new(503, "ServiceUnavailable")
}

#[tokio::test]
async fn opens_after_failures_in_a_row_and_lets_single_probes_through() {
    let (apple, key) = apns();
    let gateway = gateway(&apple, &key);
    let push = async |number: usize| gateway.notify(&event("app", &pushkey(number), "$1")).await;
    // Failures that are not in a row open nothing.
    for answer in [unavailable(), unavailable(), Answer::accept()] {
        apple.answer_next(answer);
        push(apple.count()).await;
    }
    apple.answer_times(3, &unavailable());
    for number in 3..6 {
        push(number).await.assert_error(502, "M_UNKNOWN");
    }
    assert_eq!(gateway.count(OPEN).await, 1);
    let shed = push(6).await;
    shed.assert_error(503, "M_UNKNOWN");
    assert!(matches!(shed.header("retry-after"), Some("1" | "2")));
    assert_eq!(apple.count(), 6, "not even asked");
    // Nobody else is concerned: no other app, no load balancer.
    gateway.notify(&event("other", "key", "$1")).await.assert_rejects(&[]);
    assert_eq!(gateway.admin("/health/ready").await.status, 200);

    until("it closes", async || (push(7).await.status == 200).then_some(())).await;
    assert_eq!(gateway.count(OPEN).await, 0);
    for number in 10..15 {
        push(number).await.assert_rejects(&[]);
    }
}

#[tokio::test]
async fn while_a_probe_is_under_way_the_others_are_refused() {
    let (apple, key) = apns();
    let gateway = gateway(&apple, &key);
    apple.answer_times(3, &unavailable());
    for number in 0..3 {
        let answer = gateway.notify(&event("app", &pushkey(number), "$1")).await;
        answer.assert_error(502, "M_UNKNOWN");
    }
    // From here on whoever gets through is the probe, and is held.
    apple.always(Answer::stall());
    until("the circuit may be probed", async || {
        if apple.count() == 3 {
            gateway.begin(&event("app", TOKEN, "$probe"));
        }
        (apple.count() == 4).then_some(())
    })
    .await;
    let second = gateway.notify(&event("app", &pushkey(4), "$1")).await;
    second.assert_error(503, "M_UNKNOWN");
    assert_eq!(apple.count(), 4);
    apple.clear_script();
    apple.close_all();
    until("a later probe closes it", async || {
        let answer = gateway.notify(&event("app", &pushkey(5), "$1")).await;
        (answer.status == 200).then_some(())
    })
    .await;
}

#[tokio::test]
async fn what_never_asked_the_provider_is_no_sign_of_its_life() {
    let (apple, key) = apns();
    let gateway = gateway(&apple, &key);
    apple.answer_times(3, &unavailable());
    for number in 0..3 {
        let answer = gateway.notify(&event("app", &pushkey(number), "$1")).await;
        answer.assert_error(502, "M_UNKNOWN");
        let bad = format!("not base64 {number}");
        gateway.notify(&event("app", &bad, "$1")).await;
    }
    assert_eq!(gateway.count(OPEN).await, 1);
}

#[tokio::test]
async fn a_reload_keeps_it_open_for_an_app_that_stays_and_closes_it_for_one_that_changed() {
    let (apple, key) = apns();
    let gateway = gateway(&apple, &key);
    let push = async |number: usize| gateway.notify(&event("app", &pushkey(number), "$1")).await;
    let yaml = gateway.setup().yaml();
    // A single failure is enough from now on, and the rest is long.
    let strict = yaml.replace("failures: 3, open_seconds: 2", "failures: 1, open_seconds: 50");
    gateway.reload(&strict).await.unwrap();
    apple.answer_next(unavailable());
    push(1).await.assert_error(502, "M_UNKNOWN");
    let shed = push(2).await;
    shed.assert_error(503, "M_UNKNOWN");
    let seconds: u64 = shed.header("retry-after").unwrap().parse().unwrap();
    assert!((40..=50).contains(&seconds), "{seconds}");

    gateway.reload(&strict).await.unwrap();
    push(3).await.assert_error(503, "M_UNKNOWN");
    assert_eq!(gateway.count(OPEN).await, 1);
    let elsewhere = Apns::start(Options::default().key(&key));
    let moved = strict.replace(&apple.url(), &elsewhere.url());
    gateway.reload(&moved).await.unwrap();
    push(4).await.assert_rejects(&[]);
    until("the old lane is gone", async || (gateway.count(OPEN).await == 0).then_some(())).await;
}
