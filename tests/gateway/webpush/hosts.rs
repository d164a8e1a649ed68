//! Endpoints that strangers chose: what is not asked at all, and what a bad host costs the others.

use std::net::TcpListener;

use futures_util::future::join_all;
use loadtest::peers::Answer;
use loadtest::peers::webpush::{Options, WebPush};
use serde_json::{Value, json};

use super::{APP, push};
use crate::helpers::bodies::EAGER;
use crate::helpers::proxy::Proxy;
use crate::helpers::{PRIVATE, Setup, TestGateway};

/// Every way to name the peer on this port, and other places inside.
pub(crate) fn inside(port: u16) -> Vec<String> {
    let hosts = [
        "https://127.0.0.1",
        "https://localhost",
        "https://LOCALHOST",
        "https://127.1",
        "https://2130706433",
        "https://0x7f000001",
        "https://0177.0.0.1",
        "https://127.0.0.1.",
        "https://0.0.0.0",
        "https://[::1]",
        "https://[::]",
        "https://[::ffff:127.0.0.1]",
        "https://[::ffff:7f00:1]",
        "https://[64:ff9b::7f00:1]",
        "https://10.0.0.1",
        "https://172.16.0.1",
        "https://192.168.0.1",
        "https://169.254.169.254",
        "https://100.64.0.1",
        "https://[fe80::1]",
        "https://[fd00::1]",
        "https://user:pass@127.0.0.1",
        "https://push.example@127.0.0.1",
        "http://127.0.0.1",
        "http://localhost",
        "ftp://localhost",
        "gopher://localhost",
    ];
    hosts.iter().map(|host| format!("{host}:{port}/push/x")).collect()
}

/// Sends one event to an endpoint and asserts that it is dropped unsent, its pusher kept.
async fn assert_dropped(gateway: &TestGateway, service: &WebPush, endpoint: &str) {
    let refused = format!(
        r#"peregrine_pushes_total{{app="{APP}",provider="webpush",outcome="permanent",reason="endpoint_not_allowed"}}"#,
    );
    let before = gateway.count(&refused).await;
    let to = service.subscribe();
    let data = json!({ "endpoint": endpoint });
    let answer = gateway.notify(&push(&to, "$e", &data)).await;
    assert_eq!(answer.status, 200, "{endpoint}");
    answer.assert_rejects(&[]);
    assert_eq!(gateway.count(&refused).await, before + 1, "{endpoint}");
    assert_eq!(service.connections_opened(), 0, "{endpoint}");
}

#[tokio::test]
async fn nothing_inside_is_reached() {
    let service = WebPush::start(&Options::default());
    let gateway = Setup::new().webpush(APP, "").start();
    for endpoint in inside(service.address().port()) {
        assert_dropped(&gateway, &service, &endpoint).await;
    }
}

#[tokio::test]
async fn a_proxy_is_no_way_around() {
    let service = WebPush::start(&Options::default());
    let proxy = Proxy::start().await;
    let setup = Setup::new().section(&format!("proxy: {}", proxy.url()));
    let gateway = setup.webpush(APP, "").start();
    for endpoint in inside(service.address().port()) {
        assert_dropped(&gateway, &service, &endpoint).await;
    }
    assert!(proxy.asked().is_empty());
}

#[tokio::test]
async fn only_allowed_hosts_are_reached() {
    let service = WebPush::start(&Options::default());
    let port = service.address().port();
    let keys = format!("{PRIVATE}\nallowed_endpoints: ['*.push.example', 'LOCALHOST:{port}']");
    let gateway = Setup::new().webpush(APP, &keys).start();
    for host in ["127.0.0.1", "push.example", "localhost.push.example.evil"] {
        assert_dropped(&gateway, &service, &format!("https://{host}:{port}/push/x")).await;
    }
    let to = service.subscribe();
    gateway.notify(&push(&to, "$e", &Value::Null)).await.assert_rejects(&[]);
    assert_eq!(service.accepted(), 1);
}

#[tokio::test]
async fn private_addresses_and_http_can_be_allowed() {
    let service = WebPush::start(&Options::default());
    let gateway = Setup::new().webpush(APP, PRIVATE).start();
    let port = service.address().port();
    for origin in [
        format!("http://127.0.0.1:{port}"),
        format!("https://127.0.0.1:{port}"),
        format!("https://localhost:{port}"),
    ] {
        let to = service.subscribe_at(&origin);
        gateway.notify(&push(&to, "$e", &Value::Null)).await.assert_rejects(&[]);
        let push = service.next().await;
        assert_eq!((push.token.as_str(), push.status), (to.token(), Some(201)));
    }
    assert_eq!(service.vapid_tokens().len(), 3, "a token for each origin");
}

#[tokio::test]
async fn redirects_lead_nowhere() {
    let (service, other) =
        (WebPush::start(&Options::default()), WebPush::start(&Options::default()));
    let gateway = Setup::new().webpush(APP, PRIVATE).start();
    let elsewhere = other.subscribe().endpoint;
    for status in [301, 302, 303, 307, 308] {
        service.answer_next(Answer::status(status).header("location", &elsewhere));
        let to = service.subscribe();
        gateway.notify(&push(&to, "$e", &Value::Null)).await.assert_rejects(&[]);
    }
    assert_eq!((service.count(), other.connections_opened()), (5, 0));
}

#[tokio::test]
async fn a_dead_host_starves_nobody() {
    let (dead, good) = (WebPush::start(&Options::default()), WebPush::start(&Options::default()));
    dead.always(Answer::stall());
    let gateway = Setup::new().webpush(APP, PRIVATE).start();
    let to_the_dead = join_all((0..60).map(|_| {
        let to = dead.subscribe();
        let gateway = &gateway;
        async move { gateway.notify(&push(&to, "$e", &Value::Null)).await }
    }));
    let to_the_good = async {
        dead.wait_for(10).await;
        for _ in 0..60 {
            let to = good.subscribe();
            gateway.notify(&push(&to, "$e", &Value::Null)).await.assert_rejects(&[]);
        }
    };
    tokio::select! {
        biased;
        () = to_the_good => {}
        answers = to_the_dead => panic!("the dead came first: {answers:?}"),
    }
    assert_eq!(good.accepted(), 60);
}

/// Else anyone could shut out everyone with a pusher whose endpoint never works.
#[tokio::test]
async fn a_host_that_fails_opens_no_circuit() {
    let good = WebPush::start(&Options::default());
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("https://{}/push/x", closed.local_addr().unwrap());
    drop(closed);
    let delivery = EAGER.replace("1000000", "3");
    let gateway = Setup::new().section(&delivery).webpush(APP, PRIVATE).start();
    for _ in 0..10 {
        let to = good.subscribe();
        let data = json!({ "endpoint": nowhere });
        let answer = gateway.notify(&push(&to, "$e", &data)).await;
        answer.assert_error(502, "M_UNKNOWN");
    }
    let to = good.subscribe();
    gateway.notify(&push(&to, "$e", &Value::Null)).await.assert_rejects(&[]);
}
