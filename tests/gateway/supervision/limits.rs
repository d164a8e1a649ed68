//! What one pushkey and one app may do, and what happens to the rest.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use loadtest::peers::Answer;
use peregrine::providers::{App, Blueprint, Common, Credential, Outcome, Provider, Push};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

use crate::helpers::{
    OwnApp, Setup, TOKEN, TOKEN_HEX, TestGateway, apns, badge, event, event_to, until,
};

/// One push at once, then one every two seconds.
const SLOW: &str = "delivery: {rate_limit: {per_minute: 30, burst: 1}}";

const LIMITED: &str = "peregrine_rate_limited_total{app=\"app\"}";

#[tokio::test]
async fn an_event_over_the_rate_waits_at_the_homeserver() {
    let (apple, key) = apns();
    let gateway = Setup::new().section(SLOW).apns("app", &apple, &key, "").start();
    gateway.notify(&event("app", TOKEN, "$1")).await.assert_rejects(&[]);
    let limited = gateway.notify(&event("app", TOKEN, "$2")).await;
    limited.assert_error(429, "M_LIMIT_EXCEEDED");
    assert!(matches!(limited.header("retry-after"), Some("1" | "2")));
    let wait = limited.json()["retry_after_ms"].as_u64().unwrap();
    assert!((1..=2000).contains(&wait), "{wait}");
    // Another pushkey has an allowance of its own.
    gateway.notify(&event("app", &super::pushkey(1), "$2")).await.assert_rejects(&[]);
    assert_eq!(gateway.count(LIMITED).await, 1);

    let repeat = async || gateway.notify(&event("app", TOKEN, "$2")).await;
    until("the limit allows it", async || (repeat().await.status == 200).then_some(())).await;
    assert_eq!((apple.accepted(), apple.doubled()), (3, 0));
}

#[tokio::test]
async fn an_encrypted_event_is_an_event() {
    let (apple, key) = apns();
    let gateway = Setup::new().section(SLOW).apns("app", &apple, &key, "").start();
    let mut body = event("app", TOKEN, "");
    body["notification"]["ciphertext"] = json!("c2VjcmV0");
    gateway.notify(&body).await.assert_rejects(&[]);
    gateway.notify(&body).await.assert_error(429, "M_LIMIT_EXCEEDED");
}

#[tokio::test]
async fn no_limit_is_no_limit_and_a_reload_sets_one() {
    let (apple, key) = apns();
    let gateway =
        Setup::new().section("delivery: {rate_limit: null}").apns("app", &apple, &key, "").start();
    for id in 0..70 {
        let body = event("app", TOKEN, &format!("${id}"));
        gateway.notify(&body).await.assert_rejects(&[]);
    }
    let yaml = gateway.setup().yaml();
    let limited = yaml.replace("null", "{per_minute: 1, burst: 1}");
    gateway.reload(&limited).await.unwrap();
    gateway.notify(&event("app", TOKEN, "$a")).await.assert_rejects(&[]);
    let answer = gateway.notify(&event("app", TOKEN, "$b")).await;
    answer.assert_error(429, "M_LIMIT_EXCEEDED");
}

/// Sends counts to one device in turn; each is answered with 200.
async fn send_counts(gateway: &TestGateway, counts: &[u64]) {
    for &unread in counts {
        gateway.notify(&badge("app", TOKEN, unread)).await.assert_rejects(&[]);
    }
}

#[tokio::test]
async fn of_badges_over_the_rate_the_latest_is_sent_when_the_limit_allows() {
    let (apple, key) = apns();
    let gateway = Setup::new().section(SLOW).apns("app", &apple, &key, "").start();
    send_counts(&gateway, &[1, 2, 3, 4]).await;
    let badges = [apple.next().await, apple.next().await];
    let shown: Vec<&Value> = badges.iter().map(|it| &it.json["aps"]["badge"]).collect();
    assert_eq!(shown, [1, 4]);
    assert!(gateway.drain().await);
    assert_eq!(apple.count(), 2);
}

#[tokio::test]
async fn badges_in_a_row_become_one() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {badge_coalesce_ms: 1000}")
        .apns("app", &apple, &key, "")
        .start();
    send_counts(&gateway, &[1, 2, 3]).await;
    assert_eq!(apple.next().await.json["aps"]["badge"], 3);
    send_counts(&gateway, &[4]).await;
    assert_eq!(apple.next().await.json["aps"]["badge"], 4);
    assert_eq!(apple.count(), 2);
}

#[tokio::test]
async fn an_event_with_newer_counts_makes_a_waiting_badge_stale() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {badge_coalesce_ms: 60000}")
        .apns("app", &apple, &key, "")
        .start();
    send_counts(&gateway, &[0]).await;
    gateway.notify(&event("app", TOKEN, "$1")).await.assert_rejects(&[]);
    assert!(gateway.drain().await);
    assert_eq!((apple.count(), &apple.next().await.json["event_id"]), (1, &json!("$1")));
}

#[tokio::test]
async fn a_full_app_sheds_and_memory_answers_on() {
    let (apple, key) = apns();
    let gateway = Setup::new()
        .section("delivery: {circuit_breaker: {failures: 1, open_seconds: 60}}")
        .apns("app", &apple, &key, "inflight_request_limit: 1")
        .start();
    let dead = super::pushkey(1);
    apple.for_token(&super::token(1)).always(Answer::new(410, "Unregistered"));
    gateway.notify(&event("app", TOKEN, "$1")).await.assert_rejects(&[]);
    gateway.notify(&event("app", &dead, "$1")).await.assert_rejects(&[&dead]);
    apple.for_token(TOKEN_HEX).always(Answer::stall());
    let first = gateway.begin(&event("app", TOKEN, "$2"));
    apple.wait_for(3).await;

    let shed = gateway.notify(&event("app", &super::pushkey(2), "$2")).await;
    shed.assert_error(503, "M_UNKNOWN");
    assert_eq!(shed.header("retry-after"), Some("1"));
    let shed = gateway.notify(&badge("app", &super::pushkey(2), 1)).await;
    shed.assert_error(503, "M_UNKNOWN");
    gateway.notify(&event("app", TOKEN, "$1")).await.assert_rejects(&[]);
    gateway.notify(&event("app", &dead, "$2")).await.assert_rejects(&[&dead]);
    let shed = "peregrine_shed_total{app=\"app\",cause=\"in_flight\"}";
    assert_eq!(gateway.count(shed).await, 2);

    apple.clear_script();
    apple.close_all();
    let _ = first.await.unwrap();
    assert_eq!(gateway.count("peregrine_in_flight{app=\"app\"}").await, 0);
}

#[tokio::test]
async fn what_could_not_be_delivered_before_its_deadline_is_not_let_in() {
    const PUSHES: usize = 3000;
    let crawling = Crawling::default();
    let gateway = Setup::new().own(crawling.app("app")).start();
    let devices: Vec<String> = (0..PUSHES).map(|number| format!("key-{number}")).collect();
    let devices: Vec<(&str, &str)> = devices.iter().map(|key| ("app", key.as_str())).collect();
    let crowd = gateway.begin(&event_to(&devices, "$1"));
    until("the crowd is under way", async || {
        let in_flight = gateway.count("peregrine_in_flight{app=\"app\"}").await;
        (in_flight > 2000).then_some(())
    })
    .await;
    // Thousands are before it, and a hundred a second are settled: known once that went on for a
    // while. Those that come before may wait in vain.
    let number = Cell::new(0);
    let refused = until("a newcomer is refused", async || {
        number.set(number.get() + 1);
        let body = event("app", &format!("newcomer-{}", number.get()), "$1");
        let answer = timeout(Duration::from_millis(200), gateway.notify(&body)).await;
        answer.ok().filter(|answer| answer.status == 503)
    })
    .await;
    refused.assert_error(503, "M_UNKNOWN");
    let seconds: u64 = refused.header("retry-after").unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
    let shed = "peregrine_shed_total{app=\"app\",cause=\"deadline\"}";
    assert!(gateway.count(shed).await >= 1);
    let other = gateway.notify(&event("other", "key", "$1")).await;
    other.assert_rejects(&[]);
    assert!(!crowd.is_finished(), "those that were let in go on");
    crowd.abort();
}

/// A provider that settles a hundred pushes a second, one after the other.
#[derive(Clone, Default)]
struct Crawling(Arc<AtomicU32>);

impl Crawling {
    fn app(&self, pattern: &'static str) -> OwnApp {
        let crawling = self.clone();
        Arc::new(move |metrics| {
            let common: Common = serde_json::from_value(json!({})).unwrap();
            let metrics = metrics.app(pattern, "crawling");
            App::new(pattern, "crawling", common, crawling.clone(), metrics, 0)
        })
    }
}

impl Blueprint for Crawling {
    type Provider = Self;

    fn build(&self) -> Self {
        self.clone()
    }

    fn credentials(&self) -> Vec<Credential> {
        Vec::new()
    }
}

impl Provider for Crawling {
    fn send(&self, _: Push, _: Instant) -> impl Future<Output = Outcome> + 'static {
        let turn = self.0.fetch_add(1, Ordering::Relaxed);
        async move {
            sleep(turn * Duration::from_millis(10)).await;
            Outcome::Accepted
        }
    }
}
