//! Scripts: what is answered when several things are written; and records of what came.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Request;

use super::Client;
use super::apns::{TOKEN, TOPIC, key, push, token};
use crate::peers::apns::{Apns, Options};
use crate::peers::{Answer, Recording};

fn event(token: &str, event_id: &str) -> Request<Bytes> {
    let mut request = push(token, "");
    *request.body_mut() = format!(r#"{{"event_id":"{event_id}"}}"#).into();
    request
}

#[tokio::test]
async fn answers_come_in_their_order() {
    let key = key();
    let apns = Apns::start(Options::default().key(&key));
    let token = token(&key);
    apns.always(Answer::html(502));
    apns.answer(500, "InternalServerError");
    apns.answer_next(Answer::new(429, "TooManyRequests").retry_after(7));
    apns.for_token(TOKEN).answer(503, "Shutdown");
    apns.for_token("00").always(Answer::new(400, "BadDeviceToken"));

    let mut client = Client::open(&apns).await;
    let reply = client.ask(push(&token, r#"{"a":1}"#)).await;
    assert_eq!((reply.status, reply.reason().as_str()), (503, "Shutdown"));
    // An invalid request takes nothing from the script.
    assert_eq!(client.ask(push("", r#"{"a":1}"#)).await.reason(), "InvalidProviderToken");
    assert_eq!(client.ask(push(&token, r#"{"a":1}"#)).await.status, 500);
    let reply = client.ask(push(&token, r#"{"a":1}"#)).await;
    assert_eq!((reply.status, &reply.headers["retry-after"]), (429, &"7".parse().unwrap()));
    for _ in 0..2 {
        let reply = client.ask(push(&token, r#"{"a":1}"#)).await;
        assert_eq!((reply.status, reply.body.starts_with(b"<!DOCTYPE")), (502, true));
    }
    let mut other = push(&token, r#"{"a":1}"#);
    *other.uri_mut() = "https://localhost/3/device/00".parse().unwrap();
    assert_eq!(client.ask(other).await.reason(), "BadDeviceToken");
    apns.clear_script();
    assert_eq!(client.ask(push(&token, r#"{"a":1}"#)).await.status, 200);
}

#[tokio::test]
async fn rules_see_the_request() {
    let key = key();
    let apns = Apns::start(Options::default().key(&key));
    let token = token(&key);
    apns.answer_with(|request| {
        (request.json["event_id"] == "$bad").then(|| Answer::new(400, "BadDeviceToken"))
    });
    let mut client = Client::open(&apns).await;
    assert_eq!(client.ask(event(&token, "$good")).await.status, 200);
    assert_eq!(client.ask(event(&token, "$bad")).await.reason(), "BadDeviceToken");
}

#[tokio::test]
async fn answers_wait_if_told_to() {
    let key = key();
    let apns = Apns::start(Options::default().key(&key));
    let token = token(&key);
    apns.answer_next(Answer::accept().after(Duration::from_millis(30)));
    apns.latency(Duration::from_millis(20));
    let mut client = Client::open(&apns).await;
    let start = Instant::now();
    assert_eq!(client.ask(push(&token, r#"{"a":1}"#)).await.status, 200);
    assert!(start.elapsed() >= Duration::from_millis(50));
}

#[tokio::test]
async fn everything_is_recorded() {
    let key = key();
    let apns = Apns::start(Options::default().key(&key));
    let token = token(&key);
    let mut client = Client::open(&apns).await;
    apns.answer(503, "ServiceUnavailable");
    for event_id in ["$1", "$1", "$1", "$2"] {
        client.ask(event(&token, event_id)).await;
    }
    apns.wait_for(4).await;
    let first = apns.next().await;
    assert_eq!(first.path, format!("/3/device/{TOKEN}"));
    assert_eq!(first.header("apns-topic"), TOPIC);
    assert_eq!((first.token.as_str(), first.event_id.as_deref()), (TOKEN, Some("$1")));
    assert_eq!((first.json["event_id"].as_str(), first.body.len()), (Some("$1"), 17));
    assert_eq!((first.connection, first.stream, first.status), (1, 1, Some(503)));
    assert_eq!(apns.next().await.status, Some(200));
    assert_eq!(apns.received().len(), 4);

    assert_eq!((apns.count(), apns.accepted(), apns.refused()), (4, 3, 0));
    assert_eq!((apns.accepted_for(TOKEN), apns.accepted_for("00")), (3, 0));
    assert_eq!((apns.accepted_event(TOKEN, "$1"), apns.doubled()), (2, 1));
    assert_eq!((apns.connections_opened(), apns.connections_open()), (1, 1));
    apns.clear_record();
    assert_eq!((apns.count(), apns.received().len(), apns.doubled()), (0, 0, 0));
}

#[tokio::test]
async fn less_is_recorded_if_less_is_wanted() {
    let key = key();
    let apns = Apns::start(Options::default().key(&key));
    let token = token(&key);
    let mut client = Client::open(&apns).await;
    apns.recording(Recording::Counts);
    client.ask(event(&token, "$1")).await;
    assert_eq!((apns.count(), apns.received().len(), apns.accepted_for(TOKEN)), (1, 0, 1));
    apns.recording(Recording::Totals);
    client.ask(event(&token, "$1")).await;
    assert_eq!((apns.count(), apns.accepted(), apns.accepted_for(TOKEN)), (2, 2, 1));
}
