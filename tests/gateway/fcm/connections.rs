//! Connections that open, fill up, end and fall silent.

use std::time::Duration;

use h2::Reason;
use loadtest::peers::Answer;
use loadtest::peers::fcm::Fcm;

use super::TOKEN;
use crate::helpers::bodies::{EAGER, device};
use crate::helpers::{Setup, TestGateway, event, fcm};

/// A gateway with one worker thread, so one pool.
fn start() -> (Fcm, TestGateway) {
    start_with(EAGER)
}

fn start_with(delivery: &str) -> (Fcm, TestGateway) {
    let google = fcm();
    let setup = Setup::new().section("runtime: {workers: 1}").section(delivery);
    let gateway = setup.fcm("app.android", &google, "").start();
    (google, gateway)
}

#[track_caller]
fn assert_each_once(google: &Fcm, devices: usize) {
    for number in 0..devices {
        assert_eq!(google.accepted_for(&device(number).0), 1, "device {number}");
    }
    assert_eq!((google.accepted(), google.refused()), (devices, 0));
}

#[tokio::test]
async fn more_pushes_than_streams_wait_for_their_turn() {
    let (google, gateway) = start();
    google.latency(Duration::from_millis(5));
    google.max_streams(10);
    for answer in gateway.burst("app.android", 0..100).await {
        answer.assert_rejects(&[]);
    }
    assert_each_once(&google, 100);
    assert_eq!(google.streams_refused(), 0);
    assert!(google.connections_opened() <= 2, "{}", google.connections_opened());
}

#[tokio::test]
async fn refused_streams_and_goodbyes_cost_no_attempt() {
    let (google, gateway) = start_with("delivery: {retry: {max_attempts: 1}}");
    for number in 1..20 {
        let refusal = Answer::reset(Reason::REFUSED_STREAM);
        google.for_token(&device(number).0).answer_next(refusal);
    }
    google.for_token(&device(30).0).answer_next(Answer::goaway());
    for answer in gateway.burst("app.android", 0..100).await {
        answer.assert_rejects(&[]);
    }
    assert_each_once(&google, 100);
}

#[tokio::test]
async fn a_push_on_a_lost_connection_is_repeated() {
    let (google, gateway) = start();
    google.answer_next(Answer::close());
    gateway.burst("app.android", 0..1).await[0].assert_rejects(&[]);
    assert_each_once(&google, 1);
    assert_eq!((google.count(), google.connections_opened()), (2, 2));
}

#[tokio::test]
async fn silence_is_504_at_the_deadline() {
    let google = fcm();
    let setup = Setup::new().section("delivery: {deadline_seconds: 1}");
    let gateway = setup.fcm("app.android", &google, "").start();
    let notification = event("app.android", TOKEN, "$e");
    google.answer_next(Answer::stall());
    gateway.notify(&notification).await.assert_error(504, "M_UNKNOWN");
    gateway.notify(&notification).await.assert_rejects(&[]);
    assert_eq!((google.accepted_for(TOKEN), google.refused()), (1, 0));
}
