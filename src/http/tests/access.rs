//! The access line.

use std::net::SocketAddr;
use std::sync::Arc;

use actix::Actor as _;
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use serde_json::Value;

use super::{NOTIFY, Scripted, state};
use crate::http::{PublicState, TrustedProxies, configure};
use crate::telemetry::config::LogFormat;
use crate::telemetry::logs::testing::Collecting;

/// Sends one request and returns the log it left, line by line.
async fn log_of(state: PublicState, request: TestRequest) -> Vec<Value> {
    let log = Collecting::begin(LogFormat::Json);
    let routes = move |routes: &mut web::ServiceConfig| configure(routes, state.clone());
    let app = init_service(App::new().configure(routes)).await;
    call_service(&app, request.to_request()).await;
    let parse = |line: &String| serde_json::from_str(line).unwrap();
    log.lines().iter().map(parse).collect()
}

fn request(body: &str) -> TestRequest {
    let peer: SocketAddr = "127.0.0.1:4711".parse().unwrap();
    TestRequest::post()
        .uri(NOTIFY)
        .peer_addr(peer)
        .insert_header(("X-Request-Id", "req-1"))
        .insert_header(("X-Forwarded-For", "6.6.6.6, 203.0.113.9"))
        .set_payload(body.to_owned())
}

const BODY: &str = r#"{"notification":{"event_id":"$ev","content":{"body":"a secret"},
    "devices":[{"app_id":"a","pushkey":"KEY1"},{"app_id":"a","pushkey":"KEY2"}]}}"#;

#[actix_web::test]
async fn one_line_says_who_and_what() {
    let state = state(Scripted::default().start().recipient());
    let lines = log_of(state, request(BODY)).await;
    let [line] = &lines[..] else {
        panic!("one line, not {lines:?}");
    };
    assert_eq!(line["target"], "peregrine::access");
    assert_eq!(line["level"], "INFO");
    assert_eq!(line["request_id"], "req-1");
    assert_eq!(line["client"], "127.0.0.1");
    assert_eq!(line["status"], 200);
    assert_eq!(line["event_id"], "$ev");
    assert!(line["ms"].is_u64());
    let text = line.to_string();
    assert!(!text.contains("KEY") && !text.contains("secret"), "{text}");
}

#[actix_web::test]
async fn refused_bodies_have_a_line_too() {
    let state = state(Scripted::default().start().recipient());
    let lines = log_of(state, request("{")).await;
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["status"], 400);
    assert_eq!(lines[0]["errcode"], "M_NOT_JSON");
    assert!(lines[0].get("event_id").is_none());
    assert!(lines[0].get("devices").is_none());
}

#[actix_web::test]
async fn refused_heads_have_a_line_too() {
    let state = state(Scripted::default().start().recipient());
    let request = request(BODY).insert_header(("X-Large", "x".repeat(70_000)));
    let lines = log_of(state, request).await;
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0]["status"], 431);
    assert_eq!(lines[0]["errcode"], "M_TOO_LARGE");
    assert_eq!(lines[0]["request_id"], "req-1");
}

#[actix_web::test]
async fn who_the_client_is() {
    for (trusted, believe, client) in [
        (None, false, "127.0.0.1"),
        (None, true, "127.0.0.1"),
        (Some("127.0.0.0/8"), false, "127.0.0.1"),
        (Some("127.0.0.0/8"), true, "203.0.113.9"),
    ] {
        let trusted: Vec<String> = trusted.into_iter().map(str::to_owned).collect();
        let mut state = state(Scripted::default().start().recipient());
        state.trusted_proxies = Arc::new(TrustedProxies::parse(&trusted).unwrap());
        state.access.x_forwarded_for = believe;
        let lines = log_of(state, request(BODY)).await;
        assert_eq!(lines[0]["client"], client, "{trusted:?} {believe}");
    }
}

#[actix_web::test]
async fn no_line_for_the_rest() {
    let mut silent = state(Scripted::default().start().recipient());
    silent.access.enabled = false;
    assert_eq!(log_of(silent, request(BODY)).await, [] as [Value; 0]);
    let state = state(Scripted::default().start().recipient());
    let health = TestRequest::get().uri("/health");
    assert_eq!(log_of(state, health).await, [] as [Value; 0]);
}

#[actix_web::test]
async fn long_event_ids_are_cut() {
    let state = state(Scripted::default().start().recipient());
    let id = format!("${}", "é".repeat(5000));
    let body = format!(
        r#"{{"notification":{{"event_id":"{id}","devices":[{{"app_id":"a","pushkey":"k"}}]}}}}"#
    );
    let lines = log_of(state, request(&body)).await;
    let shown = lines[0]["event_id"].as_str().unwrap();
    assert!(id.starts_with(shown));
    assert_eq!(shown.len(), 255);
}
