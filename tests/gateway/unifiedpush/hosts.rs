//! Endpoints that strangers chose go through the same door as those of web push: its cases in
//! short.

use loadtest::peers::Answer;
use loadtest::peers::unifiedpush::UnifiedPush;
use serde_json::Value;

use super::{APP, push, setup};
use crate::helpers::{PRIVATE, Setup, TestGateway, event};
use crate::webpush::hosts::inside;

/// Sends one event to an endpoint and asserts that it is dropped unsent, its pusher kept.
async fn assert_dropped(gateway: &TestGateway, server: &UnifiedPush, endpoint: &str) {
    let refused = format!(
        r#"peregrine_pushes_total{{app="{APP}",provider="unifiedpush",outcome="permanent",reason="endpoint_not_allowed"}}"#,
    );
    let before = gateway.count(&refused).await;
    let answer = gateway.notify(&event(APP, endpoint, "$e")).await;
    answer.assert_rejects(&[]);
    assert_eq!(gateway.count(&refused).await, before + 1, "{endpoint}");
    assert_eq!(server.connections_opened(), 0, "{endpoint}");
}

#[tokio::test]
async fn nothing_inside_is_reached() {
    let server = UnifiedPush::start();
    let gateway = Setup::new().app(APP, "type: unifiedpush").start();
    for endpoint in inside(server.address().port()) {
        assert_dropped(&gateway, &server, &endpoint).await;
    }
}

#[tokio::test]
async fn only_allowed_hosts_are_reached() {
    let server = UnifiedPush::start();
    let port = server.address().port();
    let keys = format!("type: unifiedpush\n{PRIVATE}\nallowed_endpoints: ['*.push.example']");
    let gateway = Setup::new().app(APP, &keys).start();
    for host in ["localhost", "127.0.0.1", "push.example"] {
        assert_dropped(&gateway, &server, &format!("https://{host}:{port}/x")).await;
    }
}

#[tokio::test]
async fn redirects_lead_nowhere_and_nothing_is_repeated_to_the_homeserver() {
    let (server, other) = (UnifiedPush::start(), UnifiedPush::start());
    let gateway = setup("").start();
    let elsewhere = other.endpoint().url;
    for status in [301, 302, 303, 307, 308] {
        let redirect = Answer::status(status).header("location", &elsewhere);
        server.answer_next(redirect.body("the internal page"));
        let to = server.endpoint();
        let answer = gateway.notify(&push(&to, "$e", &Value::Null)).await;
        answer.assert_rejects(&[]);
    }
    assert_eq!((server.count(), other.connections_opened()), (5, 0));
}

#[tokio::test]
async fn a_dead_push_server_opens_no_circuit() {
    let (dead, good) = (UnifiedPush::start(), UnifiedPush::start());
    dead.refuse_connections(true);
    let delivery = "delivery: {retry: {max_attempts: 1}, circuit_breaker: {failures: 2}}";
    let gateway = setup("").section(delivery).start();
    for _ in 0..5 {
        let answer = gateway.notify(&push(&dead.endpoint(), "$e", &Value::Null)).await;
        answer.assert_error(502, "M_UNKNOWN");
    }
    let answer = gateway.notify(&push(&good.endpoint(), "$e", &Value::Null)).await;
    answer.assert_rejects(&[]);
    assert_eq!(good.accepted(), 1);
}
