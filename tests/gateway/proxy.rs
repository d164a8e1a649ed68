//! Everything through a proxy that asks for credentials.

use crate::helpers::proxy::Proxy;
use crate::helpers::{Setup, TOKEN, apns, event, fcm};

/// Returns `localhost:PORT` of a peer.
fn target(address: std::net::SocketAddr) -> String {
    format!("localhost:{}", address.port())
}

#[tokio::test]
async fn every_provider_and_the_token_endpoint_are_reached_through_it() {
    let ((apple, key), google, proxy) = (apns(), fcm(), Proxy::start().await);
    let gateway = Setup::new()
        .section("runtime: {workers: 1}")
        .section(&format!("proxy: {}", proxy.url()))
        .apns("app.ios", &apple, &key, "")
        .fcm("app.android", &google, "")
        .start();
    for app_id in ["app.ios", "app.android"] {
        for event_id in ["$1", "$2"] {
            gateway.notify(&event(app_id, TOKEN, event_id)).await.assert_rejects(&[]);
        }
    }
    let peers = [apple.address(), google.address(), google.oauth().address()];
    let mut expected = peers.map(target);
    expected.sort();
    assert_eq!(proxy.asked(), expected);
    for peer in [&*apple, &*google, &**google.oauth()] {
        assert_eq!((peer.connections_opened(), peer.refused()), (1, 0));
    }
    assert_eq!((apple.accepted(), google.accepted()), (2, 2));
}

#[tokio::test]
async fn wrong_credentials_are_502_and_nothing_leaves() {
    let ((apple, key), google, proxy) = (apns(), fcm(), Proxy::start().await);
    let gateway = Setup::new()
        .section(&format!("proxy: {}", proxy.wrong_url()))
        .section("delivery: {retry: {max_attempts: 2, base_delay_ms: 1}}")
        .apns("app.ios", &apple, &key, "")
        .fcm("app.android", &google, "")
        .start();
    for app_id in ["app.ios", "app.android"] {
        let answer = gateway.notify(&event(app_id, TOKEN, "$e")).await;
        answer.assert_error(502, "M_UNKNOWN");
    }
    for peer in [&*apple, &*google, &**google.oauth()] {
        assert_eq!(peer.connections_opened(), 0);
    }
    assert!(proxy.asked().contains(&target(apple.address())));
    assert!(proxy.asked().contains(&target(google.oauth().address())));
}

#[tokio::test]
async fn the_environments_proxy_has_exceptions() {
    let ((apple, key), google, proxy) = (apns(), fcm(), Proxy::start().await);
    let exceptions = format!("{},example.org", target(apple.address()));
    let gateway = Setup::new()
        .env("HTTPS_PROXY", &proxy.url())
        .env("NO_PROXY", &exceptions)
        .apns("app.ios", &apple, &key, "")
        .fcm("app.android", &google, "")
        .start();
    for app_id in ["app.ios", "app.android"] {
        gateway.notify(&event(app_id, TOKEN, "$e")).await.assert_rejects(&[]);
    }
    let mut expected = [google.address(), google.oauth().address()].map(target);
    expected.sort();
    assert_eq!(proxy.asked(), expected);
}

#[tokio::test]
async fn the_metadata_server_is_never_behind_it() {
    let (google, proxy) = (fcm(), Proxy::start().await);
    let host = google.oauth().http_url().replace("http://", "");
    let keys = format!(
        "type: fcm\nproject_id: project\ncredentials: metadata_server\nendpoint: {}",
        google.url(),
    );
    let gateway = Setup::new()
        .env("GCE_METADATA_HOST", &host)
        .section(&format!("proxy: {}", proxy.url()))
        .app("app.android", &keys)
        .start();
    gateway.notify(&event("app.android", TOKEN, "$e")).await.assert_rejects(&[]);
    assert_eq!(proxy.asked(), [target(google.address())]);
    assert_eq!((google.oauth().issued(), google.accepted()), (1, 1));
}
