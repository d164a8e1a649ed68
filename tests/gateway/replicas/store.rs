//! What stands in Redis, how it is reached, and what a reload changes of that.

use loadtest::peers::redis::{Options, Redis};

use super::{key_of_event, pair, redis, replica};
use crate::helpers::{Setup, TOKEN, TOKEN_HEX, apns, event};
use crate::supervision::{pushkey, token};

#[tokio::test]
async fn every_key_ends_and_none_holds_a_pushkey() {
    let (redis, (apple, key)) = (redis(), apns());
    let gateway = replica(&redis.url())
        .section("delivery: {duplicates: {window_seconds: 100}, rejections: {window_seconds: 200}}")
        .apns("com.example.app", &apple, &key, "")
        .start();
    apple.for_token(&token(1)).answer(410, "Unregistered");
    gateway.notify(&event("com.example.app", TOKEN, "$event")).await.assert_rejects(&[]);
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
    let redis = Redis::start(Options { password: Some("hunter2".to_owned()), tls: true });
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
    let redis = redis();
    let (a, b, apple) = pair(&redis.url(), "delivery: {duplicates: {window_seconds: 100}}");
    let yaml = a.setup().yaml().replace("backend: redis", "backend: memory");
    a.reload(&yaml.replace(": 100", ": 1000")).await.unwrap();
    let body = event("app", TOKEN, "$1");
    a.notify(&body).await.assert_rejects(&[]);
    b.notify(&body).await.assert_rejects(&[]);
    assert_eq!(apple.count(), 1);
    let (_, lasts) = redis.get(&key_of_event(&redis)).unwrap();
    assert!(lasts.unwrap().as_secs() > 100, "the window of the reload");
}
