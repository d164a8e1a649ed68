//! A Redis that is gone, stuck or wrong: no push is lost, none waits, and sharing goes on by
//! itself.

use futures_util::future::join_all;
use loadtest::peers::redis::{Options, Redis};
use serde_json::Value;

use super::{pair, pair_of, redis, replica, replica_within};
use crate::helpers::bodies::EAGER;
use crate::helpers::{TOKEN, TestGateway, apns, event, until};
use crate::supervision::pushkey;

const ERRORS: &str = "peregrine_state_errors_total";

/// Waits until events that one of them delivers are known to the other.
async fn until_shared(a: &TestGateway, b: &TestGateway) {
    let tried = std::sync::atomic::AtomicUsize::new(0);
    let duplicates = "peregrine_duplicates_total{app=\"app\"}";
    until("events are shared again", async || {
        let number = tried.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let body = event("app", &pushkey(9_000_000 + number), "$shared");
        let before = b.count(duplicates).await;
        a.notify(&body).await.assert_rejects(&[]);
        b.notify(&body).await.assert_rejects(&[]);
        (b.count(duplicates).await > before).then_some(())
    })
    .await;
}

async fn notes(gateway: &TestGateway) -> Value {
    let answer = gateway.admin("/health/ready").await;
    assert_eq!(answer.status, 200, "it delivers all the same: {answer:?}");
    answer.json()["notes"].clone()
}

async fn until_told(gateway: &TestGateway) {
    until("readiness tells", async || notes(gateway).await.is_array().then_some(())).await;
}

#[tokio::test]
async fn one_that_vanishes_under_load_loses_nothing() {
    let redis = redis();
    let make = || replica_within(&redis.url(), 1000).section(EAGER);
    let (a, b, apple) = pair_of(make);
    until_shared(&a, &b).await;
    let before = apple.accepted();
    for (number, act) in [Redis::vanish, Redis::come_back, Redis::vanish].into_iter().enumerate() {
        let devices = |half: usize| {
            let first = number * 400 + half * 200;
            first..first + 200
        };
        let bursts = join_all([a.burst("app", devices(0)), b.burst("app", devices(1))]);
        let disturbed = async {
            apple.wait_for(apple.count() + 50).await;
            act(&redis);
        };
        let (answers, ()) = tokio::join!(bursts, disturbed);
        for answer in answers.iter().flatten() {
            answer.assert_rejects(&[]);
        }
    }
    assert_eq!(apple.accepted() - before, 1200);
    assert_eq!(apple.doubled(), 0, "no event was sent to both");
    assert!(a.count(ERRORS).await > 0);
    redis.come_back();
    until_shared(&a, &b).await;
    until("readiness has nothing to tell any more", async || {
        notes(&a).await.is_null().then_some(())
    })
    .await;
}

#[tokio::test]
async fn one_that_is_stuck_costs_a_timeout_and_not_one_for_each_push() {
    let redis = redis();
    let make = || replica_within(&redis.url(), 200).section("delivery: {rate_limit: null}");
    let (a, b, apple) = pair_of(make);
    until_shared(&a, &b).await;
    redis.freeze();
    let (errors, before) = (a.count(ERRORS).await, apple.count());
    for id in 0..300 {
        let body = event("app", TOKEN, &format!("${id}"));
        a.notify(&body).await.assert_rejects(&[]);
        // Memory alone knows it.
        a.notify(&body).await.assert_rejects(&[]);
    }
    assert_eq!(apple.count() - before, 300);
    let errors = a.count(ERRORS).await - errors;
    assert!((1..100).contains(&errors), "{errors} errors for 600 pushes");
    until_told(&a).await;
    redis.come_back();
    until_shared(&a, &b).await;
}

#[tokio::test]
async fn one_that_is_not_there_at_the_start_is_a_warning() {
    let (redis, (apple, key)) = (redis(), apns());
    redis.vanish();
    let start = || replica(&redis.url()).apns("app", &apple, &key, "").start();
    let (a, b) = (start(), start());
    let body = event("app", TOKEN, "$1");
    a.notify(&body).await.assert_rejects(&[]);
    b.notify(&body).await.assert_rejects(&[]);
    assert_eq!(apple.accepted(), 2, "a duplicate is better than a loss");
    until_told(&a).await;
    let unreachable = format!("{ERRORS}{{cause=\"unreachable\"}}");
    assert!(a.count(&unreachable).await > 0);
    redis.come_back();
    until_shared(&a, &b).await;
}

#[tokio::test]
async fn one_that_refuses_is_asked_again_when_it_works() {
    let redis = redis();
    let (a, b, apple) = pair(&redis.url(), "");
    let mut devices = 0..;
    for error in [
        "READONLY You can't write against a read only replica.",
        "OOM command not allowed when used memory > 'maxmemory'.",
        "LOADING Redis is loading the dataset in memory",
    ] {
        until_shared(&a, &b).await;
        redis.refuse(error);
        let body = event("app", &pushkey(devices.next().unwrap()), "$1");
        a.notify(&body).await.assert_rejects(&[]);
        until_told(&a).await;
        redis.come_back();
    }
    let refused = format!("{ERRORS}{{cause=\"refused\"}}");
    assert!(a.count(&refused).await > 0);
    assert_eq!(apple.doubled(), 0);
}

#[tokio::test]
async fn one_that_lost_its_scripts_gets_them_again() {
    let redis = redis();
    let (a, b, _apple) = pair(&redis.url(), "");
    until_shared(&a, &b).await;
    let opened = redis.opened();
    redis.forget_everything();
    until_shared(&a, &b).await;
    assert_eq!(redis.opened(), opened, "on the same connections");
}

#[tokio::test]
async fn a_wrong_password_is_told_and_never_shown() {
    let redis = Redis::start(Options { password: Some("right".to_owned()), tls: false });
    let (apple, key) = apns();
    let gateway =
        replica(&redis.url().replace("right", "wrong")).apns("app", &apple, &key, "").start();
    gateway.notify(&event("app", TOKEN, "$1")).await.assert_rejects(&[]);
    until_told(&gateway).await;
    let refused = format!("{ERRORS}{{cause=\"refused\"}}");
    assert!(gateway.count(&refused).await > 0);
    assert!(redis.keys().is_empty());
}
