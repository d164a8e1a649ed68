//! What replicas know of each other's pushkeys: dead, and how often they were pushed to.

use std::time::Duration;

use loadtest::peers::Answer;

use super::{pair, redis, replica};
use crate::helpers::{TOKEN, TOKEN_HEX, apns, badge, event, until};
use crate::supervision::{pushkey, registered, token};

const FROM_MEMORY: &str = "peregrine_rejections_answered_from_memory_total{app=\"app\"}";

/// A pushkey that one replica heard to be dead is rejected by another, until the client registers
/// anew.
pub(super) async fn a_dead_pushkey(url: &str) {
    let (apple, key) = apns();
    let start =
        || replica(url).apns("app", &apple, &key, "").apns("other", &apple, &key, "").start();
    let (a, b) = (start(), start());
    apple.for_token(TOKEN_HEX).answer(410, "Unregistered");
    let rows = [
        (&a, "$1", Some(100), true, 1),
        (&b, "$1", Some(100), true, 1),
        (&b, "$2", Some(99), true, 1),
        (&b, "$3", None, true, 1),
        (&b, "$4", Some(101), false, 2),
        (&b, "$5", Some(100), false, 3),
    ];
    for (gateway, id, ts, rejects, asked) in rows {
        let answer = gateway.notify(&registered("app", TOKEN, id, ts)).await;
        let rejected: &[&str] = if rejects { &[TOKEN] } else { &[] };
        answer.assert_rejects(rejected);
        assert_eq!(apple.count(), asked, "{id}");
    }
    assert_eq!(b.count(FROM_MEMORY).await, 3);
    b.notify(&event("other", TOKEN, "$1")).await.assert_rejects(&[]);
    // What a badge-only push learns, whose answer nobody reads.
    apple.for_token(&token(1)).always(Answer::new(410, "Unregistered"));
    a.notify(&badge("app", &pushkey(1), 1)).await.assert_rejects(&[&pushkey(1)]);
    b.notify(&event("app", &pushkey(1), "$1")).await.assert_rejects(&[&pushkey(1)]);
    b.notify(&badge("app", &pushkey(1), 2)).await.assert_rejects(&[&pushkey(1)]);
    assert_eq!(apple.count(), 5);
}

#[tokio::test]
async fn a_pushkey_that_is_dead_at_one_replica_is_dead_at_all() {
    a_dead_pushkey(&redis().url()).await;
}

/// A pushkey's allowance is one for all replicas, and answers from memory cost nothing of it.
pub(super) async fn the_rate_limit(url: &str) {
    let (a, b, apple) = pair(url, "delivery: {rate_limit: {per_minute: 1, burst: 2}}");
    a.notify(&event("app", TOKEN, "$1")).await.assert_rejects(&[]);
    b.notify(&event("app", TOKEN, "$1")).await.assert_rejects(&[]);
    b.notify(&event("app", TOKEN, "$2")).await.assert_rejects(&[]);
    for gateway in [&a, &b] {
        let limited = gateway.notify(&event("app", TOKEN, "$3")).await;
        limited.assert_error(429, "M_LIMIT_EXCEEDED");
        let wait = limited.json()["retry_after_ms"].as_u64().unwrap();
        assert!((1..=60_000).contains(&wait), "{wait}");
        let known = gateway.notify(&event("app", TOKEN, "$2")).await;
        known.assert_rejects(&[]);
        let other = event("app", &pushkey(1), "$1");
        gateway.notify(&other).await.assert_rejects(&[]);
    }
    assert_eq!(apple.accepted(), 3);
}

#[tokio::test]
async fn a_pushkey_has_one_allowance_at_all_replicas() {
    the_rate_limit(&redis().url()).await;
}

/// A badge-only push over the shared limit waits until that allows it.
pub(super) async fn a_badge_over_the_rate(url: &str) {
    let (a, b, apple) = pair(url, "delivery: {rate_limit: {per_minute: 30, burst: 1}}");
    a.notify(&badge("app", TOKEN, 1)).await.assert_rejects(&[]);
    for unread in [2, 3] {
        let body = badge("app", TOKEN, unread);
        b.notify(&body).await.assert_rejects(&[]);
    }
    let badges = [apple.next().await, apple.next().await];
    let shown = badges.map(|it| it.json["aps"]["badge"].as_u64());
    assert_eq!(shown, [Some(1), Some(3)]);
}

#[tokio::test]
async fn a_badge_over_the_shared_rate_is_sent_when_it_allows() {
    a_badge_over_the_rate(&redis().url()).await;
}

#[tokio::test]
async fn rejections_that_the_guard_withholds_are_believed_nowhere() {
    let redis = redis();
    let (a, b, apple) =
        pair(&redis.url(), "delivery: {mass_rejection_guard: {min_pushes: 3, percent: 50}}");
    let body = |number: usize, id: &str| event("app", &pushkey(number), id);
    for number in 0..3 {
        apple.for_token(&token(number)).answer(400, "DeviceTokenNotForTopic");
    }
    for number in 0..2 {
        let answer = a.notify(&body(number, "$1")).await;
        answer.assert_rejects(&[&pushkey(number)]);
    }
    a.notify(&body(2, "$1")).await.assert_error(502, "M_UNKNOWN");
    until("the other replicas are told", async || {
        let is_dead = |key: &String| key.ends_with(":dead");
        (!redis.keys().iter().any(is_dead)).then_some(())
    })
    .await;
    for number in 0..3 {
        b.notify(&body(number, "$2")).await.assert_rejects(&[]);
    }
}

#[tokio::test]
async fn an_answer_does_not_prolong_what_it_tells() {
    let redis = redis();
    let (a, b, apple) = pair(&redis.url(), "");
    apple.for_token(TOKEN_HEX).answer(410, "Unregistered");
    a.notify(&event("app", TOKEN, "$1")).await.assert_rejects(&[TOKEN]);
    let dead = redis.keys().into_iter().find(|key| key.ends_with(":dead"));
    let dead = dead.expect("it is known");
    let (value, _) = redis.get(&dead).unwrap();
    redis.set(&dead, &value, Duration::from_secs(3000));
    b.notify(&event("app", TOKEN, "$2")).await.assert_rejects(&[TOKEN]);
    let (_, left) = redis.get(&dead).unwrap();
    assert!(left.unwrap() <= Duration::from_secs(3000));
}
