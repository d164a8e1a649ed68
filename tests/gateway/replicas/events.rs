//! What replicas know of each other's events: delivered, under way, given up.

use loadtest::peers::Answer;

use super::{key_of_event, pair, puppets, redis, replica};
use crate::helpers::{TOKEN, apns, event};
use crate::supervision::pushkey;

const DUPLICATES: &str = "peregrine_duplicates_total{app=\"app\"}";
const ERRORS: &str = "peregrine_state_errors_total";

/// An event that one replica delivered is not sent by another; one that it failed to deliver is.
pub(super) async fn a_delivered_event(url: &str) {
    let (a, b, apple) = pair(url, "delivery: {retry: {max_attempts: 1}}");
    let body = event("app", TOKEN, "$1");
    a.notify(&body).await.assert_rejects(&[]);
    b.notify(&body).await.assert_rejects(&[]);
    a.notify(&body).await.assert_rejects(&[]);
    assert_eq!(apple.count(), 1);
    assert_eq!((a.count(DUPLICATES).await, b.count(DUPLICATES).await), (1, 1));

    let body = event("app", TOKEN, "$2");
    apple.answer(503, "ServiceUnavailable");
    a.notify(&body).await.assert_error(502, "M_UNKNOWN");
    b.notify(&body).await.assert_rejects(&[]);
    a.notify(&body).await.assert_rejects(&[]);
    assert_eq!((apple.count(), apple.accepted(), apple.doubled()), (3, 2, 0));
    // Another device, and the clients' self test.
    b.notify(&event("app", &pushkey(1), "$1")).await.assert_rejects(&[]);
    let test = event("app", TOKEN, "$THIS_IS_A_FAKE_EVENT_ID");
    a.notify(&test).await.assert_rejects(&[]);
    b.notify(&test).await.assert_rejects(&[]);
    assert_eq!(apple.accepted(), 5);
    assert_eq!((a.count(ERRORS).await, b.count(ERRORS).await), (0, 0));
}

#[tokio::test]
async fn an_event_that_one_replica_delivered_is_not_sent_by_another() {
    a_delivered_event(&redis().url()).await;
}

/// Of two copies at two replicas one is sent, and both are answered with what came of it.
pub(super) async fn copies_at_once(url: &str) {
    let (a, b, puppet) = puppets(url, [50, 50]);
    let body = event("app", "held", "$1");
    let first = a.begin(&body);
    puppet.arrivals(1).await;
    let second = b.begin(&body);
    // Another event of the same device is not held back.
    let other = b.begin(&event("app", "held", "$2"));
    puppet.arrivals(2).await;
    puppet.let_go();
    for answer in [first, second, other] {
        answer.await.unwrap().assert_rejects(&[]);
    }
    assert_eq!(puppet.arrived(), 2);
}

#[tokio::test]
async fn of_copies_at_two_replicas_one_is_sent() {
    copies_at_once(&redis().url()).await;
}

/// A copy that waits for another replica's is sent when that one fails.
pub(super) async fn a_copy_whose_first_fails(url: &str) {
    let (apple, key) = apns();
    let start = |deadline: u64| {
        replica(url)
            .section(&format!("delivery: {{deadline_seconds: {deadline}}}"))
            .apns("app", &apple, &key, "")
            .start()
    };
    let (a, b) = (start(2), start(50));
    let body = event("app", TOKEN, "$1");
    apple.answer_next(Answer::stall());
    let first = a.begin(&body);
    apple.wait_for(1).await;
    let second = b.begin(&body);
    first.await.unwrap().assert_error(504, "M_UNKNOWN");
    second.await.unwrap().assert_rejects(&[]);
    assert_eq!((apple.count(), apple.accepted()), (2, 1));
}

#[tokio::test]
async fn a_copy_is_sent_when_the_first_fails_at_another_replica() {
    a_copy_whose_first_fails(&redis().url()).await;
}

#[tokio::test]
async fn a_replica_that_died_holds_nothing_back_for_long() {
    let redis = redis();
    let (a, b, puppet) = puppets(&redis.url(), [1, 50]);
    let body = event("app", "held", "$1");
    let first = a.begin(&body);
    puppet.arrivals(1).await;
    let claim = key_of_event(&redis);
    // As if its replica died: nobody gives the claim back.
    let (value, lasts) = redis.get(&claim).unwrap();
    assert!(lasts.is_some(), "it ends by itself");
    redis.freeze();
    drop(a);
    let _ = first.await;
    redis.set(&claim, &value, lasts.unwrap());
    redis.come_back();
    let second = b.begin(&body);
    puppet.arrivals(2).await;
    puppet.let_go();
    second.await.unwrap().assert_rejects(&[]);
}

#[tokio::test]
async fn a_copy_waits_no_longer_than_its_deadline() {
    let redis = redis();
    let (a, b, puppet) = puppets(&redis.url(), [50, 1]);
    let body = event("app", "held", "$1");
    let first = a.begin(&body);
    puppet.arrivals(1).await;
    b.notify(&body).await.assert_error(504, "M_UNKNOWN");
    puppet.let_go();
    first.await.unwrap().assert_rejects(&[]);
    assert_eq!(puppet.arrived(), 1);
}

#[tokio::test]
async fn a_claim_of_its_own_holds_no_replica_back() {
    let (redis, (apple, key)) = (redis(), apns());
    let gateway = replica(&redis.url())
        .section("runtime: {workers: 1}\ndelivery: {retry: {max_attempts: 1}}")
        .apns("app", &apple, &key, "")
        .start();
    let body = event("app", TOKEN, "$1");
    apple.answer_next(Answer::stall());
    let first = gateway.begin(&body);
    apple.wait_for(1).await;
    let claim = key_of_event(&redis);
    let (value, lasts) = redis.get(&claim).unwrap();
    apple.close_all();
    first.await.unwrap().assert_error(502, "M_UNKNOWN");
    assert!(redis.get(&claim).is_none(), "it is given back");
    // As if that had not been heard.
    redis.set(&claim, &value, lasts.unwrap());
    apple.clear_script();
    gateway.notify(&body).await.assert_rejects(&[]);
}
