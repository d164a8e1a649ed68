//! What replicas know of each other's pushes.

use std::time::Duration;

use loadtest::peers::Answer;
use loadtest::peers::redis::Options;
use serde_json::json;

use super::{redis, replica};
use crate::helpers::{Setup, TOKEN, TOKEN_HEX, apns, badge, event, until};
use crate::puppet::Puppet;
use crate::supervision::{pushkey, registered, token};

const DUPLICATES: &str = "peregrine_duplicates_total{app=\"app\"}";
const FROM_MEMORY: &str = "peregrine_rejections_answered_from_memory_total{app=\"app\"}";
const ERRORS: &str = "peregrine_state_errors_total";

/// An event that one replica delivered is not sent by another; one that it failed to deliver is.
pub(super) async fn a_delivered_event(url: &str) {
    let (apple, key) = apns();
    let start = || {
        replica(url)
            .section("delivery: {retry: {max_attempts: 1}}")
            .apns("app", &apple, &key, "")
            .start()
    };
    let (a, b) = (start(), start());
    let body = event("app", TOKEN, "$1");
    a.notify(&body).await.assert_rejects(&[]);
    b.notify(&body).await.assert_rejects(&[]);
    a.notify(&body).await.assert_rejects(&[]);
    assert_eq!(apple.count(), 1);
    assert_eq!(
        (a.count(DUPLICATES).await, b.count(DUPLICATES).await),
        (1, 1)
    );

    let body = event("app", TOKEN, "$2");
    apple.answer(503, "ServiceUnavailable");
    a.notify(&body).await.assert_error(502, "M_UNKNOWN");
    b.notify(&body).await.assert_rejects(&[]);
    a.notify(&body).await.assert_rejects(&[]);
    assert_eq!(
        (apple.count(), apple.accepted(), apple.doubled()),
        (3, 2, 0)
    );
    // Another device, and the clients' self test.
    b.notify(&event("app", &pushkey(1), "$1"))
        .await
        .assert_rejects(&[]);
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
    let puppet = Puppet::new();
    let start = || {
        replica(url)
            .app("other", "type: log")
            .own(puppet.app("app", json!({}), false))
            .start()
    };
    let (a, b) = (start(), start());
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
    let (redis, puppet) = (redis(), Puppet::new());
    let start = |deadline: u64| {
        replica(&redis.url())
            .section(&format!("delivery: {{deadline_seconds: {deadline}}}"))
            .app("other", "type: log")
            .own(puppet.app("app", json!({}), false))
            .start()
    };
    let (a, b) = (start(1), start(50));
    let body = event("app", "held", "$1");
    let first = a.begin(&body);
    puppet.arrivals(1).await;
    let claim = redis.keys().into_iter().find(|key| !key.ends_with(":rate"));
    let claim = claim.expect("the event is claimed");
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
    let (redis, puppet) = (redis(), Puppet::new());
    let start = |deadline: u64| {
        replica(&redis.url())
            .section(&format!("delivery: {{deadline_seconds: {deadline}}}"))
            .app("other", "type: log")
            .own(puppet.app("app", json!({}), false))
            .start()
    };
    let (a, b) = (start(50), start(1));
    let body = event("app", "held", "$1");
    let first = a.begin(&body);
    puppet.arrivals(1).await;
    b.notify(&body).await.assert_error(504, "M_UNKNOWN");
    puppet.let_go();
    first.await.unwrap().assert_rejects(&[]);
    assert_eq!(puppet.arrived(), 1);
}

/// A pushkey that one replica heard to be dead is rejected by another, until the client registers
/// anew.
pub(super) async fn a_dead_pushkey(url: &str) {
    let (apple, key) = apns();
    let start = || {
        replica(url)
            .apns("app", &apple, &key, "")
            .apns("other", &apple, &key, "")
            .start()
    };
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
    b.notify(&event("other", TOKEN, "$1"))
        .await
        .assert_rejects(&[]);
    // What a badge-only push learns, whose answer nobody reads.
    apple
        .for_token(&token(1))
        .always(Answer::new(410, "Unregistered"));
    a.notify(&badge("app", &pushkey(1), 1))
        .await
        .assert_rejects(&[&pushkey(1)]);
    b.notify(&event("app", &pushkey(1), "$1"))
        .await
        .assert_rejects(&[&pushkey(1)]);
    b.notify(&badge("app", &pushkey(1), 2))
        .await
        .assert_rejects(&[&pushkey(1)]);
    assert_eq!(apple.count(), 5);
}

#[tokio::test]
async fn a_pushkey_that_is_dead_at_one_replica_is_dead_at_all() {
    a_dead_pushkey(&redis().url()).await;
}

/// A pushkey's allowance is one for all replicas, and answers from memory cost nothing of it.
pub(super) async fn the_rate_limit(url: &str) {
    let (apple, key) = apns();
    let start = || {
        replica(url)
            .section("delivery: {rate_limit: {per_minute: 1, burst: 2}}")
            .apns("app", &apple, &key, "")
            .start()
    };
    let (a, b) = (start(), start());
    a.notify(&event("app", TOKEN, "$1"))
        .await
        .assert_rejects(&[]);
    b.notify(&event("app", TOKEN, "$1"))
        .await
        .assert_rejects(&[]);
    b.notify(&event("app", TOKEN, "$2"))
        .await
        .assert_rejects(&[]);
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
    let (apple, key) = apns();
    let start = || {
        replica(url)
            .section("delivery: {rate_limit: {per_minute: 30, burst: 1}}")
            .apns("app", &apple, &key, "")
            .start()
    };
    let (a, b) = (start(), start());
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
    let (redis, (apple, key)) = (redis(), apns());
    let start = || {
        replica(&redis.url())
            .section("delivery: {mass_rejection_guard: {min_pushes: 3, percent: 50}}")
            .apns("app", &apple, &key, "")
            .start()
    };
    let (a, b) = (start(), start());
    let body = |number: usize, id: &str| event("app", &pushkey(number), id);
    for number in 0..3 {
        apple
            .for_token(&token(number))
            .answer(400, "DeviceTokenNotForTopic");
    }
    for number in 0..2 {
        let answer = a.notify(&body(number, "$1")).await;
        answer.assert_rejects(&[&pushkey(number)]);
    }
    a.notify(&body(2, "$1"))
        .await
        .assert_error(502, "M_UNKNOWN");
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
    let (redis, (apple, key)) = (redis(), apns());
    let start = || replica(&redis.url()).apns("app", &apple, &key, "").start();
    let (a, b) = (start(), start());
    apple.for_token(TOKEN_HEX).answer(410, "Unregistered");
    a.notify(&event("app", TOKEN, "$1"))
        .await
        .assert_rejects(&[TOKEN]);
    let dead = redis.keys().into_iter().find(|key| key.ends_with(":dead"));
    let dead = dead.expect("it is known");
    let (value, _) = redis.get(&dead).unwrap();
    redis.set(&dead, &value, Duration::from_secs(3000));
    b.notify(&event("app", TOKEN, "$2"))
        .await
        .assert_rejects(&[TOKEN]);
    let (_, left) = redis.get(&dead).unwrap();
    assert!(left.unwrap() <= Duration::from_secs(3000));
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
    let claim = redis.keys().into_iter().find(|key| !key.ends_with(":rate"));
    let claim = claim.expect("the event is claimed");
    let (value, lasts) = redis.get(&claim).unwrap();
    apple.close_all();
    first.await.unwrap().assert_error(502, "M_UNKNOWN");
    assert!(redis.get(&claim).is_none(), "it is given back");
    // As if that had not been heard.
    redis.set(&claim, &value, lasts.unwrap());
    apple.clear_script();
    gateway.notify(&body).await.assert_rejects(&[]);
}

#[tokio::test]
async fn every_key_ends_and_none_holds_a_pushkey() {
    let (redis, (apple, key)) = (redis(), apns());
    let gateway = replica(&redis.url())
        .section("delivery: {duplicates: {window_seconds: 100}, rejections: {window_seconds: 200}}")
        .apns("com.example.app", &apple, &key, "")
        .start();
    apple.for_token(&token(1)).answer(410, "Unregistered");
    gateway
        .notify(&event("com.example.app", TOKEN, "$event"))
        .await
        .assert_rejects(&[]);
    gateway
        .notify(&event("com.example.app", &pushkey(1), "$event"))
        .await
        .assert_rejects(&[&pushkey(1)]);
    let keys = redis.keys();
    let mut seconds = Vec::new();
    for key in &keys {
        assert!(key.starts_with("peregrine:{"), "{key}");
        let (value, lasts) = redis.get(key).unwrap();
        for text in [key, &value] {
            let tells = [TOKEN, TOKEN_HEX, "event", "example"];
            assert!(!tells.iter().any(|it| text.contains(it)), "{text}");
        }
        seconds.push(lasts.expect("it ends").as_secs());
    }
    seconds.sort_unstable();
    let [.., delivered, dead] = seconds[..] else {
        panic!("{keys:?}");
    };
    assert!((60..=100).contains(&delivered), "{delivered}");
    assert!((100..=200).contains(&dead), "{dead}");
}

#[tokio::test]
async fn by_tls_and_with_a_password_from_a_file() {
    let redis = loadtest::peers::redis::Redis::start(Options {
        password: Some("hunter2".to_owned()),
        tls: true,
    });
    let (apple, key) = apns();
    let start = || {
        let setup = Setup::new()
            .section("state: {backend: redis, redis_url_file: redis.url, redis_timeout_ms: 5000}");
        std::fs::write(setup.folder().join("redis.url"), redis.url() + "\n").unwrap();
        setup.apns("app", &apple, &key, "").start()
    };
    let body = event("app", TOKEN, "$1");
    start().notify(&body).await.assert_rejects(&[]);
    start().notify(&body).await.assert_rejects(&[]);
    assert_eq!(apple.count(), 1);
}

#[tokio::test]
async fn a_reload_shares_on() {
    let (redis, (apple, key)) = (redis(), apns());
    let start = || {
        replica(&redis.url())
            .section("delivery: {duplicates: {window_seconds: 100}}")
            .apns("app", &apple, &key, "")
            .start()
    };
    let (a, b) = (start(), start());
    let yaml = a
        .setup()
        .yaml()
        .replace("backend: redis", "backend: memory");
    a.reload(&yaml.replace(": 100", ": 1000")).await.unwrap();
    let body = event("app", TOKEN, "$1");
    a.notify(&body).await.assert_rejects(&[]);
    b.notify(&body).await.assert_rejects(&[]);
    assert_eq!(apple.count(), 1);
    let key = redis.keys().into_iter().find(|key| !key.ends_with(":rate"));
    let (_, lasts) = redis.get(&key.unwrap()).unwrap();
    assert!(lasts.unwrap().as_secs() > 100, "the window of the reload");
}
