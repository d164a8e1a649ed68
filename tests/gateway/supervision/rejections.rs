//! A dead pushkey is told to everybody who asks, and asked of the provider once.

use loadtest::peers::Answer;
use serde_json::json;

use super::registered;
use crate::helpers::{Setup, TOKEN, TOKEN_HEX, apns, badge, event, event_to, until};
use crate::puppet::Puppet;

const FROM_MEMORY: &str = "peregrine_rejections_answered_from_memory_total{app=\"app\"}";

#[tokio::test]
async fn answered_from_memory_until_the_client_registers_anew() {
    let (apple, key) = apns();
    let gateway =
        Setup::new().apns("app", &apple, &key, "").apns("other", &apple, &key, "").start();
    apple.for_token(TOKEN_HEX).answer(410, "Unregistered");
    for (id, ts, rejects, asked) in [
        ("$1", Some(100), true, 1),
        ("$2", Some(100), true, 1),
        ("$3", Some(99), true, 1),
        ("$4", None, true, 1),
        ("$5", Some(101), false, 2),
        ("$6", Some(100), false, 3),
    ] {
        let answer = gateway.notify(&registered("app", TOKEN, id, ts)).await;
        let rejected: &[&str] = if rejects { &[TOKEN] } else { &[] };
        answer.assert_rejects(rejected);
        assert_eq!(apple.count(), asked, "{id}");
    }
    assert_eq!(gateway.count(FROM_MEMORY).await, 3);
    gateway.notify(&event("other", TOKEN, "$1")).await.assert_rejects(&[]);
}

#[tokio::test]
async fn what_a_badge_only_push_learns_is_told_with_the_next_event() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {badge_coalesce_ms: 1}")
        .apns("app", &apple, &key, "")
        .start();
    apple.for_token(TOKEN_HEX).always(Answer::new(410, "Unregistered"));
    gateway.notify(&badge("app", TOKEN, 1)).await.assert_rejects(&[]);
    apple.wait_for(1).await;
    until("the answer is known", async || {
        let rejected = "peregrine_pushes_total{app=\"app\",provider=\"apns\",outcome=\"rejected\"";
        (gateway.count(rejected).await == 1).then_some(())
    })
    .await;
    gateway.notify(&event("app", TOKEN, "$1")).await.assert_rejects(&[TOKEN]);
    gateway.notify(&badge("app", TOKEN, 2)).await.assert_rejects(&[TOKEN]);
    assert_eq!(apple.count(), 1);
}

#[tokio::test]
async fn what_a_failed_request_learns_is_told_with_its_repeat() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {retry: {max_attempts: 1}}")
        .apns("app", &apple, &key, "")
        .start();
    let other = super::pushkey(1);
    apple.for_token(TOKEN_HEX).always(Answer::new(410, "Unregistered"));
    apple.for_token(&super::token(1)).answer(500, "InternalServerError");
    let body = event_to(&[("app", TOKEN), ("app", &other)], "$1");
    gateway.notify(&body).await.assert_error(502, "M_UNKNOWN");
    gateway.notify(&body).await.assert_rejects(&[TOKEN]);
    assert_eq!((apple.count(), gateway.count(FROM_MEMORY).await), (3, 1));
}

#[tokio::test]
async fn memory_survives_a_reload_and_ends_with_its_window() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {rejections: {window_seconds: 3600}}")
        .apns("app", &apple, &key, "sound_from_tweaks: no")
        .start();
    apple.for_token(TOKEN_HEX).answer(410, "Unregistered");
    gateway.notify(&event("app", TOKEN, "$1")).await.assert_rejects(&[TOKEN]);
    let yaml = gateway.setup().yaml();
    gateway.reload(&yaml.replace(": no", ": yes")).await.unwrap();
    gateway.notify(&event("app", TOKEN, "$1")).await.assert_rejects(&[TOKEN]);
    assert_eq!(apple.count(), 1);

    gateway.reload(&yaml.replace("3600", "1")).await.unwrap();
    until("the window ends", async || {
        let answer = gateway.notify(&event("app", TOKEN, "$1")).await;
        assert_eq!(answer.status, 200);
        (apple.count() == 2).then_some(())
    })
    .await;
}

#[tokio::test]
async fn at_capacity_the_oldest_are_asked_again() {
    const DEVICES: usize = 150;
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery:")
        .section("  rejections: {capacity: 1}")
        .section("  mass_rejection_guard: {min_pushes: 1000}")
        .apns("app", &apple, &key, "")
        .start();
    apple.always(Answer::new(410, "Unregistered"));
    // One entry for each of its parts, and there are far fewer parts than devices.
    for id in ["$1", "$2"] {
        for number in 0..DEVICES {
            let dead = super::pushkey(number);
            let answer = gateway.notify(&event("app", &dead, id)).await;
            answer.assert_rejects(&[&dead]);
        }
    }
    let asked = apple.count();
    assert!((DEVICES + 75..=2 * DEVICES).contains(&asked), "{asked}");
}

#[tokio::test]
async fn app_ids_that_nobody_knows_are_not_remembered() {
    let puppet = Puppet::new();
    let gateway =
        Setup::new().app("app.one", "type: log").own(puppet.app("other", json!({}), false)).start();
    let body = event("app.two", "key", "$1");
    gateway.notify(&body).await.assert_rejects(&["key"]);
    let yaml = gateway.setup().yaml();
    gateway.reload(&yaml.replace("app.one", "app.*")).await.unwrap();
    gateway.notify(&body).await.assert_rejects(&[]);
}
