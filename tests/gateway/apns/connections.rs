//! Connections that open, fill up, end and fall silent.

use std::time::Duration;

use h2::Reason;
use loadtest::peers::apns::{Apns, Options};
use loadtest::peers::{Answer, Peer};
use tokio::time::timeout;

use crate::helpers::bodies::{EAGER, device};
use crate::helpers::{Setup, TestGateway, apns, apns_with, event};

/// Only what costs no attempt is repeated.
const ONE_ATTEMPT: &str = "delivery: {retry: {max_attempts: 1}}";

/// A gateway with one worker thread, so one pool.
fn start() -> (Apns, TestGateway) {
    start_with(EAGER, Options::default(), "")
}

fn start_with(delivery: &str, options: Options, keys: &str) -> (Apns, TestGateway) {
    let (apple, key) = apns_with(options);
    let setup = Setup::new().section("runtime: {workers: 1}").section(delivery);
    let gateway = setup.apns("app.ios", &apple, &key, keys).start();
    (apple, gateway)
}

/// Does something to Apple's connections once it was asked this often.
async fn after(apple: &Apns, requests: usize, deed: fn(&Peer)) {
    apple.wait_for(requests).await;
    let apple = apple.clone();
    // It waits until the deed is done.
    tokio::task::spawn_blocking(move || deed(&apple)).await.unwrap();
}

/// Asserts that each of these devices got its event once.
#[track_caller]
fn assert_each_once(apple: &Apns, devices: usize) {
    for number in 0..devices {
        assert_eq!(apple.accepted_for(&device(number).1), 1, "device {number}");
    }
    assert_eq!((apple.accepted(), apple.refused()), (devices, 0));
}

#[tokio::test]
async fn a_cold_burst_takes_one_connection_and_no_more_streams_than_allowed() {
    let (apple, gateway) = start();
    // Long enough for all of them to wait for the one stream that Apple allows at first.
    apple.latency(Duration::from_millis(20));
    for answer in gateway.burst("app.ios", 0..200).await {
        answer.assert_rejects(&[]);
    }
    assert_each_once(&apple, 200);
    assert_eq!((apple.connections_opened(), apple.streams_refused()), (1, 0));
    assert_eq!(apple.provider_tokens().len(), 1);
    let open = r#"peregrine_connections{app="app.ios"}"#;
    assert_eq!(gateway.count(open).await, 1);
}

#[tokio::test]
async fn refused_streams_are_repeated_and_cost_no_attempt() {
    let (apple, gateway) = start_with(ONE_ATTEMPT, Options::default(), "");
    gateway.burst("app.ios", 0..1).await[0].assert_rejects(&[]);
    for number in 1..40 {
        let refusal = Answer::reset(Reason::REFUSED_STREAM);
        apple.for_token(&device(number).1).answer_next(refusal);
    }
    for answer in gateway.burst("app.ios", 1..100).await {
        answer.assert_rejects(&[]);
    }
    assert_each_once(&apple, 100);
    assert_eq!(apple.count(), 139);
}

#[tokio::test]
async fn a_connection_that_says_goodbye_answers_what_it_has_and_is_replaced() {
    // More pushes than streams, so that some are still to be sent.
    let options = Options::default().max_streams(30);
    let (apple, gateway) = start_with(EAGER, options, "pool: {connections: 1}");
    gateway.burst("app.ios", 0..1).await[0].assert_rejects(&[]);
    apple.latency(Duration::from_millis(50));
    let burst = gateway.burst("app.ios", 1..100);
    let (answers, ()) = tokio::join!(burst, after(&apple, 20, Peer::goaway));
    for answer in answers {
        answer.assert_rejects(&[]);
    }
    assert_each_once(&apple, 100);
    assert_eq!(apple.connections_opened(), 2);
}

#[tokio::test]
async fn what_a_goodbye_leaves_out_is_repeated_and_costs_no_attempt() {
    let (apple, gateway) = start_with(ONE_ATTEMPT, Options::default(), "");
    gateway.burst("app.ios", 0..1).await[0].assert_rejects(&[]);
    apple.for_token(&device(30).1).answer_next(Answer::goaway().reason("Shutdown"));
    for answer in gateway.burst("app.ios", 1..100).await {
        answer.assert_rejects(&[]);
    }
    assert_each_once(&apple, 100);
    assert_eq!(apple.connections_opened(), 2);
}

#[tokio::test]
async fn a_push_on_a_lost_connection_is_repeated_with_its_id() {
    for loss in [Answer::close(), Answer::goaway_abrupt(Reason::INTERNAL_ERROR)] {
        let (apple, gateway) = start();
        apple.answer_next(loss);
        gateway.burst("app.ios", 0..1).await[0].assert_rejects(&[]);
        assert_each_once(&apple, 1);
        let requests = apple.received();
        let connections: Vec<u64> = requests.iter().map(|it| it.connection).collect();
        assert_eq!(connections, [1, 2]);
        assert!(!requests[0].header("apns-id").is_empty());
        assert_eq!(requests[0].header("apns-id"), requests[1].header("apns-id"));
    }
}

#[tokio::test]
async fn connections_cut_mid_burst_lose_nothing() {
    // With the usual circuit breaker: one lost connection is no sign that the provider is down.
    let (apple, gateway) = start_with("", Options::default(), "");
    gateway.burst("app.ios", 0..1).await[0].assert_rejects(&[]);
    apple.latency(Duration::from_millis(50));
    let burst = gateway.burst("app.ios", 1..40);
    let (answers, ()) = tokio::join!(burst, after(&apple, 20, Peer::close_all));
    for answer in answers {
        answer.assert_rejects(&[]);
    }
    for number in 0..40 {
        assert!(apple.accepted_for(&device(number).1) >= 1, "device {number}");
    }
    assert_eq!(apple.refused(), 0);
}

#[tokio::test]
async fn an_idle_connection_that_ended_is_replaced() {
    for end in [Peer::goaway, Peer::close_all] {
        let (apple, gateway) = start();
        gateway.burst("app.ios", 0..1).await[0].assert_rejects(&[]);
        after(&apple, 1, end).await;
        gateway.burst("app.ios", 1..2).await[0].assert_rejects(&[]);
        assert_each_once(&apple, 2);
        assert_eq!(apple.connections_opened(), 2);
    }
}

#[tokio::test]
async fn silence_is_504_at_the_deadline() {
    let (apple, key) = apns();
    let setup = Setup::new().section("delivery: {deadline_seconds: 1}");
    let gateway = setup.apns("app.ios", &apple, &key, "").start();
    let (pushkey, token) = device(0);
    apple.for_token(&token).answer_next(Answer::stall());
    let notification = event("app.ios", &pushkey, "$e");
    gateway.notify(&notification).await.assert_error(504, "M_UNKNOWN");
    // What the homeserver repeats is delivered.
    gateway.notify(&notification).await.assert_rejects(&[]);
    assert_each_once(&apple, 1);
    let late = r#"peregrine_pushes_total{app="app.ios",provider="apns",outcome="transient",reason="deadline""#;
    assert_eq!(gateway.count(late).await, 1);
}

#[tokio::test]
async fn a_host_that_takes_no_connection_is_502_until_it_does() {
    let (apple, gateway) = start();
    apple.refuse_connections(true);
    let notification = event("app.ios", &device(0).0, "$e");
    gateway.notify(&notification).await.assert_error(502, "M_UNKNOWN");
    apple.refuse_connections(false);
    let delivered = async { while gateway.notify(&notification).await.status != 200 {} };
    timeout(Duration::from_secs(30), delivered).await.expect("the host is found again");
    assert_each_once(&apple, 1);
}
