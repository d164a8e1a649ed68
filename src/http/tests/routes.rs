//! Which method on which path gives what.

use std::sync::atomic::Ordering;

use actix::Actor as _;
use tokio::io::AsyncWriteExt as _;

use super::{BODY, Desk, End, NOTIFY, Scripted, post_with, state};

/// Asks, checks what is the same for every answer, and returns status and `Allow`.
async fn ask(desk: &Desk, method: &str, target: &str) -> (u16, String) {
    let request = format!("{method} {target} HTTP/1.1\r\nHost: gateway\r\n\r\n");
    let reply = desk.ask(request).await;
    let id = reply.header("x-request-id").map(str::len);
    assert_eq!(id, Some(32), "{method} {target}: {reply:?}");
    match (reply.status, target) {
        (200, NOTIFY) => assert_eq!(reply.json()["unifiedpush"]["gateway"], "matrix"),
        (200, _) => assert_eq!(reply.body, ""),
        _ => assert_eq!(reply.errcode(), "M_UNRECOGNIZED", "{method} {target}"),
    }
    let allow = reply.header("allow").unwrap_or_default();
    (reply.status, allow.to_owned())
}

#[actix_web::test]
async fn every_method_on_every_path() {
    let desk = Desk::open(state(Scripted::default().start().recipient()));
    for (method, target, status, allow) in [
        ("GET", "/health", 200, ""),
        ("GET", "/health?verbose=1", 200, ""),
        ("GET", "http://gateway/health", 200, ""),
        ("POST", "/health", 405, "GET, HEAD"),
        ("OPTIONS", "/health", 405, "GET, HEAD"),
        ("GET", NOTIFY, 405, "POST"),
        ("PUT", NOTIFY, 405, "POST"),
        ("OPTIONS", NOTIFY, 405, "POST"),
        ("BREW", NOTIFY, 405, "POST"),
        ("POST", "/_matrix/push/v1/notify/", 404, ""),
        ("POST", "/_matrix/push/v1/notify/x", 404, ""),
        ("POST", "//_matrix/push/v1/notify", 404, ""),
        ("POST", "/_matrix/push/v2/notify", 404, ""),
        ("GET", "/_matrix/push/v1", 404, ""),
        ("GET", "/_matrix", 404, ""),
        ("GET", "/", 404, ""),
        ("GET", "/health/", 404, ""),
        ("GET", "/health/live", 404, ""),
        ("GET", "/metrics", 404, ""),
        ("GET", "/%ff%00", 404, ""),
        ("OPTIONS", "*", 404, ""),
    ] {
        let answer = ask(&desk, method, target).await;
        assert_eq!(answer, (status, allow.to_owned()), "{method} {target}");
    }
}

#[actix_web::test]
async fn unifiedpush_finds_its_gateway() {
    let state = state(Scripted::default().start().recipient());
    state.unifiedpush.store(true, Ordering::Relaxed);
    let desk = Desk::open(state);
    for (method, target, status, allow) in [
        ("GET", NOTIFY, 200, ""),
        ("PUT", NOTIFY, 405, "GET, HEAD, POST"),
        ("OPTIONS", NOTIFY, 405, "GET, HEAD, POST"),
        ("GET", "/_matrix/push/v1/notify/", 404, ""),
    ] {
        let answer = ask(&desk, method, target).await;
        assert_eq!(answer, (status, allow.to_owned()), "{method} {target}");
    }
}

#[actix_web::test]
async fn head_is_answered_like_get_without_a_body() {
    let state = state(Scripted::default().start().recipient());
    let unifiedpush = state.unifiedpush.clone();
    let desk = Desk::open(state);
    for (path, status, json) in
        [("/health", 200, false), (NOTIFY, 405, true), ("/nowhere", 404, true), (NOTIFY, 200, true)]
    {
        unifiedpush.store(status == 200, Ordering::Relaxed);
        let mut connection = desk.connect().await;
        let request = format!(
            "HEAD {path} HTTP/1.1\r\nHost: gateway\r\n\r\n\
             GET /health HTTP/1.1\r\nHost: gateway\r\nConnection: close\r\n\r\n"
        );
        connection.send(request).await;
        while connection.fill().await.unwrap() > 0 {}
        let text = String::from_utf8(connection.buffer).unwrap();
        let (head, next) = text.split_once("\r\n\r\n").unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{head}");
        let is_json = head.contains("content-type: application/json");
        assert_eq!(is_json, json, "{head}");
        assert!(next.starts_with("HTTP/1.1 200"), "{path}: {next}");
    }
}

#[actix_web::test]
async fn every_answer_shows_the_request_id() {
    let desk = Desk::open(state(Scripted::default().start().recipient()));
    let huge = "x".repeat(600 * 1024);
    for (headers, body, status) in [("", BODY, 200), ("", "{", 400), ("", huge.as_str(), 413)] {
        let headers = format!("{headers}X-Request-Id: from/the-proxy:1\r\n");
        let reply = desk.ask(post_with(&headers, body)).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.header("x-request-id"), Some("from/the-proxy:1"));
        let ids = reply.headers.iter().filter(|(name, _)| name == "x-request-id");
        assert_eq!(ids.count(), 1);
    }
    for bad in ["", "a b", "a\tb", "\u{e9}", &"x".repeat(129)] {
        let reply = desk.ask(post_with(&format!("X-Request-Id: {bad}\r\n"), BODY)).await;
        assert_eq!(reply.status, 200);
        assert_eq!(reply.header("x-request-id").unwrap().len(), 32, "{bad}");
    }
}

#[actix_web::test]
async fn odd_but_harmless_requests_are_served() {
    let desk = Desk::open(state(Scripted::default().start().recipient()));
    for headers in [
        "Content-Type: text/plain\r\n",
        "Content-Type: \r\n",
        "Accept-Encoding: gzip\r\n",
        "Content-Encoding: identity\r\n",
        "Content-Encoding: gzip\r\n",
        "Expect: something\r\n",
        "Upgrade: h2c\r\nConnection: Upgrade\r\n",
        "X-Forwarded-For: ,,,\r\n",
        "Cookie: a=b; c\r\n",
        "Connection: close\r\n",
    ] {
        let reply = desk.ask(post_with(headers, BODY)).await;
        assert_eq!(reply.status, 200, "{headers}");
    }
    let not_utf8 = [
        b"POST /_matrix/push/v1/notify HTTP/1.1\r\nHost: g\r\n\
          User-Agent: caf\xe9\xff\r\nX-Request-Id: \xff\r\nX-Forwarded-For: \xff\r\n\
          Content-Encoding: \xff\r\nContent-Length: 75\r\n\r\n",
        BODY.as_bytes(),
    ]
    .concat();
    assert_eq!(BODY.len(), 75);
    assert_eq!(desk.ask(not_utf8).await.status, 200);
}

#[actix_web::test]
async fn requests_follow_each_other_on_one_connection() {
    let scripted = Scripted::default();
    let desk = Desk::open(state(scripted.clone().start().recipient()));
    let mut connection = desk.connect().await;
    let twice = [post_with("", BODY), post_with("", BODY)].concat();
    connection.send(twice).await;
    for _ in 0..2 {
        assert_eq!(connection.reply().await.status, 200);
    }
    assert_eq!(scripted.seen(), 2);
}

#[actix_web::test]
async fn old_and_odd_protocols() {
    let desk = Desk::open(state(Scripted::default().start().recipient()));
    let length = BODY.len();
    let old = format!("POST {NOTIFY} HTTP/1.0\r\nContent-Length: {length}\r\n\r\n{BODY}");
    for (request, status) in [
        ("GET /health HTTP/1.0\r\n\r\n", 200),
        (&old, 200),
        ("GET /health HTTP/1.1\r\n\r\n", 400),
        ("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
        ("\x16\x03\x01\x02\x00\x01\x00\x01\n\n", 400),
    ] {
        assert_eq!(desk.ask(request).await.status, status, "{request}");
    }
    for request in [
        "CONNECT example.com:443 HTTP/1.1\r\nHost: example.com\r\n\r\n",
        "GET /nowhere HTTP/1.1\r\nHost: g\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    ] {
        let mut connection = desk.connect().await;
        connection.send(request).await;
        connection.stream.shutdown().await.unwrap();
        assert_eq!(connection.reply().await.errcode(), "M_UNRECOGNIZED");
        assert_eq!(connection.end().await, End::Closed);
    }
}
