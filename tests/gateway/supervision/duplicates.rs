//! An event reaches a device once, however often it is sent to us.

use loadtest::peers::Answer;
use serde_json::{Value, json};
use tokio::io::AsyncWriteExt as _;
use tokio::net::TcpStream;

use crate::helpers::bodies::with;
use crate::helpers::{Setup, TOKEN, TestGateway, apns, badge, event, event_to, until};
use crate::puppet::Puppet;

const DUPLICATES: &str = "peregrine_duplicates_total{app=\"app\"}";

/// Waits until so many copies of events are known.
async fn copies_are_known(gateway: &TestGateway, count: u64) {
    until("the copies are known", async || {
        (gateway.count(DUPLICATES).await == count).then_some(())
    })
    .await;
}

/// A gateway with a puppet.
fn with_puppet() -> (TestGateway, Puppet) {
    let puppet = Puppet::new();
    (Setup::new().puppet(&puppet).start(), puppet)
}

#[tokio::test]
async fn a_repeat_is_answered_and_not_sent() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {retry: {max_attempts: 1}}")
        .apns("app", &apple, &key, "")
        .start();
    let body = event("app", TOKEN, "$1");
    // Remembered only once it is accepted.
    apple.answer(503, "ServiceUnavailable");
    gateway.notify(&body).await.assert_error(502, "M_UNKNOWN");
    for _ in 0..3 {
        gateway.notify(&body).await.assert_rejects(&[]);
    }
    gateway.notify(&with(body, &json!({"prio": "low"}))).await.assert_rejects(&[]);
    assert_eq!((apple.count(), apple.accepted()), (2, 1));
    assert_eq!(gateway.count(DUPLICATES).await, 3);
    // Another event, another device of the same app.
    gateway.notify(&event("app", TOKEN, "$2")).await.assert_rejects(&[]);
    gateway.notify(&event("app", &super::pushkey(1), "$1")).await.assert_rejects(&[]);
    assert_eq!(apple.accepted(), 3);
}

#[tokio::test]
async fn what_was_dropped_is_not_taken_for_delivered() {
    let (gateway, puppet) = with_puppet();
    for _ in 0..2 {
        gateway.notify(&event("app", "dropped", "$1")).await.assert_rejects(&[]);
    }
    assert_eq!(puppet.arrived(), 2);
}

#[tokio::test]
async fn a_copy_waits_for_what_comes_of_the_first() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("runtime: {workers: 2}")
        .section("delivery: {retry: {max_attempts: 1}}")
        .apns("app", &apple, &key, "inflight_request_limit: 1")
        .start();
    let both = async |first: Answer| {
        let body = event("app", TOKEN, "$1");
        let seen = apple.count();
        apple.answer_next(first);
        let first = gateway.begin(&body);
        apple.wait_for(seen + 1).await;
        let known = gateway.count(DUPLICATES).await;
        let copies = [(); 3].map(|()| gateway.begin(&body));
        copies_are_known(&gateway, known + 3).await;
        assert!(!first.is_finished());
        apple.close_all();
        let mut answers = vec![first.await.unwrap()];
        for copy in copies {
            answers.push(copy.await.unwrap());
        }
        assert_eq!(apple.count(), seen + 1);
        answers
    };
    for answer in both(Answer::stall()).await {
        answer.assert_error(502, "M_UNKNOWN");
    }
    apple.clear_script();
    gateway.notify(&event("app", TOKEN, "$1")).await.assert_rejects(&[]);
    assert_eq!(apple.accepted(), 1);
}

#[tokio::test]
async fn copies_hear_of_a_success_too() {
    let puppet = Puppet::new();
    let gateway = Setup::new()
        .section("runtime: {workers: 2}")
        .own(puppet.app("app", json!({ "inflight_request_limit": 1 }), false))
        .start();
    let body = event("app", "held", "$1");
    let first = gateway.begin(&body);
    puppet.arrivals(1).await;
    let copy = gateway.begin(&body);
    copies_are_known(&gateway, 1).await;
    assert!(!copy.is_finished(), "it needs no place in flight of its own");
    puppet.let_go();
    first.await.unwrap().assert_rejects(&[]);
    copy.await.unwrap().assert_rejects(&[]);
    assert_eq!(puppet.arrived(), 1);
}

#[tokio::test]
async fn what_has_no_id_of_its_own_is_no_duplicate() {
    let (apple, key) = apns();
    let gateway = Setup::new().apns("app", &apple, &key, "").start();
    let self_test = event("app", TOKEN, "$THIS_IS_A_FAKE_EVENT_ID");
    for body in [badge("app", TOKEN, 3), self_test] {
        for _ in 0..2 {
            gateway.notify(&body).await.assert_rejects(&[]);
        }
    }
    assert_eq!(apple.accepted(), 4);
    // The same device twice in one request is one push, with or without an id.
    let twice = event_to(&[("app", TOKEN), ("app", TOKEN)], "$1");
    gateway.notify(&twice).await.assert_rejects(&[]);
    assert_eq!(apple.accepted(), 5);
}

/// Sends a notification over a connection that the caller may drop.
async fn send_only(gateway: &TestGateway, body: &Value) -> TcpStream {
    let mut stream = TcpStream::connect(gateway.public).await.unwrap();
    let text = body.to_string();
    let head = format!(
        "POST /_matrix/push/v1/notify HTTP/1.1\r\nHost: h\r\nContent-Length: {}\r\n\r\n{text}",
        text.len(),
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream
}

#[tokio::test]
async fn a_homeserver_that_hung_up_repeats_in_vain() {
    let (gateway, puppet) = with_puppet();
    let body = event("app", "held", "$1");
    let stream = send_only(&gateway, &body).await;
    puppet.arrivals(1).await;
    drop(stream);
    puppet.let_go();
    gateway.notify(&body).await.assert_rejects(&[]);
    assert_eq!(puppet.arrived(), 1);
}

#[tokio::test]
async fn a_copy_hears_what_came_of_a_first_whose_homeserver_hung_up() {
    let (gateway, puppet) = with_puppet();
    let body = event("app", "held", "$1");
    let first = send_only(&gateway, &body).await;
    puppet.arrivals(1).await;
    let copy = gateway.begin(&body);
    copies_are_known(&gateway, 1).await;
    drop(first);
    // Long enough for the gateway to see that it is gone.
    for _ in 0..5 {
        gateway.admin("/health/live").await;
    }
    assert!(!copy.is_finished());
    puppet.let_go();
    copy.await.unwrap().assert_rejects(&[]);
    assert_eq!(puppet.arrived(), 1);
}

#[tokio::test]
async fn answers_from_memory_cost_no_rate_and_need_no_closed_circuit() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery:")
        .section("  retry: {max_attempts: 1}")
        .section("  circuit_breaker: {failures: 1, open_seconds: 60}")
        .section("  rate_limit: {per_minute: 1, burst: 1}")
        .apns("app", &apple, &key, "")
        .start();
    let (known, dead) = (event("app", TOKEN, "$1"), super::pushkey(7));
    apple.for_token(&super::token(7)).always(Answer::new(410, "Unregistered"));
    gateway.notify(&known).await.assert_rejects(&[]);
    gateway.notify(&event("app", &dead, "$1")).await.assert_rejects(&[&dead]);
    apple.answer(503, "ServiceUnavailable");
    let opens = gateway.notify(&event("app", &super::pushkey(1), "$1")).await;
    opens.assert_error(502, "M_UNKNOWN");

    for _ in 0..5 {
        gateway.notify(&known).await.assert_rejects(&[]);
        gateway.notify(&event("app", &dead, "$2")).await.assert_rejects(&[&dead]);
    }
    let unknown = gateway.notify(&event("app", &super::pushkey(2), "$1")).await;
    unknown.assert_error(503, "M_UNKNOWN");
    let limited = gateway.notify(&event("app", TOKEN, "$2")).await;
    limited.assert_error(429, "M_LIMIT_EXCEEDED");
    assert_eq!(apple.count(), 3);
}

#[tokio::test]
async fn memory_survives_a_reload_and_ends_with_its_window() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {duplicates: {window_seconds: 3600}}")
        .apns("app", &apple, &key, "sound_from_tweaks: no")
        .start();
    let body = event("app", TOKEN, "$1");
    gateway.notify(&body).await.assert_rejects(&[]);
    let yaml = gateway.setup().yaml();
    gateway.reload(&yaml.replace(": no", ": yes")).await.unwrap();
    gateway.notify(&body).await.assert_rejects(&[]);
    assert_eq!(apple.count(), 1);

    // A shorter window holds for what is there already.
    gateway.reload(&yaml.replace("3600", "1")).await.unwrap();
    until("the window ends", async || {
        gateway.notify(&body).await.assert_rejects(&[]);
        (apple.count() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn at_capacity_the_oldest_are_forgotten() {
    const EVENTS: usize = 150;
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {duplicates: {capacity: 1}, rate_limit: null}")
        .apns("app", &apple, &key, "")
        .start();
    // One entry for each of its parts, and there are far fewer parts than events.
    for _ in 0..2 {
        for id in 0..EVENTS {
            let body = event("app", TOKEN, &format!("${id}"));
            gateway.notify(&body).await.assert_rejects(&[]);
        }
    }
    assert!((EVENTS + 75..=2 * EVENTS).contains(&apple.count()), "{}", apple.count());
}
