//! Faults of the connection, as a client sees them.

use std::time::Duration;

use futures_util::future::join_all;
use h2::Reason;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::apns::{TOKEN, key, push, token};
use super::{Client, bounded, tls};
use crate::peers::Answer;
use crate::peers::apns::{Apns, Options};

const BODY: &str = r#"{"aps":{"badge":1}}"#;

/// Starts APNs; returns it with a provider token.
fn start(options: Options) -> (Apns, String) {
    let key = key();
    (Apns::start(options.key(&key)), token(&key))
}

/// Waits until the client knows of `streams` streams.
async fn streams(client: &mut Client, streams: usize) {
    bounded(async {
        while client.streams() != streams {
            client.ping.ping(h2::Ping::opaque()).await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn a_connection_has_one_stream_until_its_first_success() {
    let (apns, token) = start(Options::default());
    let mut client = Client::open(&apns).await;
    assert_eq!(client.streams(), 1);
    apns.answer(410, "Unregistered");
    assert_eq!(client.ask(push(&token, BODY)).await.status, 410);
    assert_eq!(client.ask(push(&token, BODY)).await.status, 200);
    streams(&mut client, 1000).await;
}

#[tokio::test]
async fn the_number_of_streams_changes_on_an_open_connection() {
    let (apns, token) = start(Options::default().max_streams(7));
    let mut client = Client::open(&apns).await;
    assert_eq!(client.ask(push(&token, BODY)).await.status, 200);
    streams(&mut client, 7).await;
    for count in [3, 500] {
        apns.max_streams(count);
        streams(&mut client, count as usize).await;
    }
    let pushes: Vec<_> = (0..500).map(|_| client.start(push(&token, BODY))).collect();
    assert!(join_all(pushes).await.into_iter().all(|reply| reply.unwrap().status == 200));
    assert_eq!(apns.streams_refused(), 0);
}

/// Builds a frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u8, payload: &[u8]) -> Vec<u8> {
    let length = u8::try_from(payload.len()).unwrap();
    [&[0, 0, length, kind, flags, 0, 0, 0, stream], payload].concat()
}

#[tokio::test]
async fn a_stream_too_many_is_refused() {
    let (apns, token) = start(Options::default());
    // A client that does not heed SETTINGS: two HEADERS frames whose bodies are still to come.
    let mut io = tls(&apns, b"h2", None).await;
    let head = [&[0x83, 0x87, 0x04, 3][..], b"/3/", &[0x41, 1], b"x"].concat();
    let opening = [
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
        frame(4, 0, 0, &[]),
        frame(1, 4, 1, &head),
        frame(1, 4, 3, &head),
    ];
    io.write_all(&opening.concat()).await.unwrap();
    let mut read = Vec::new();
    let refused = frame(3, 0, 3, &[0, 0, 0, 7]);
    bounded(async {
        while !read.windows(refused.len()).any(|frame| frame == refused) {
            assert!(io.read_buf(&mut read).await.unwrap() > 0, "{read:?}");
        }
    })
    .await;
    assert_eq!((apns.streams_refused(), apns.count()), (1, 0));

    // A stream that was given up makes room at once.
    let mut client = Client::open(&apns).await;
    for _ in 0..50 {
        apns.answer_next(Answer::stall());
        let stalled = client.start(push(&token, BODY));
        apns.next().await;
        drop(stalled);
        let reply = client.start(push(&token, BODY));
        apns.next().await;
        assert_eq!(reply.await.unwrap().status, 200);
    }
    assert_eq!(apns.streams_refused(), 1);
}

#[tokio::test]
async fn a_graceful_goaway_leaves_out_its_stream_and_all_after_it() {
    let (apns, token) = start(Options::default().first_streams(10));
    apns.answer_next(Answer::accept().after(Duration::from_millis(50)));
    apns.answer_next(Answer::goaway().reason("Shutdown"));
    let mut client = Client::open(&apns).await;
    let pushes: Vec<_> = (0..4).map(|_| client.start(push(&token, BODY))).collect();
    let replies = join_all(pushes).await;
    assert_eq!(replies[0].as_ref().unwrap().status, 200);
    for reply in &replies[1..] {
        let error = reply.as_ref().unwrap_err();
        assert!(error.is_go_away() && error.is_remote(), "{error}");
        assert_eq!(error.reason(), Some(Reason::NO_ERROR));
        assert!(error.to_string().contains("Shutdown"), "{error}");
    }
    apns.wait_for_connections(0).await;
    assert_eq!(apns.accepted(), 1);
    let mut fresh = Client::open(&apns).await;
    assert_eq!(fresh.ask(push(&token, BODY)).await.status, 200);
}

#[tokio::test]
async fn an_abrupt_goaway_answers_nothing() {
    let (apns, token) = start(Options::default().first_streams(10));
    apns.answer_next(Answer::stall());
    apns.answer_next(Answer::goaway_abrupt(Reason::ENHANCE_YOUR_CALM));
    let mut client = Client::open(&apns).await;
    let pushes: Vec<_> = (0..2).map(|_| client.start(push(&token, BODY))).collect();
    for reply in join_all(pushes).await {
        assert!(!reply.unwrap_err().is_reset());
    }
    let end = bounded(client.connection).await.unwrap().unwrap_err();
    assert_eq!(end.reason(), Some(Reason::ENHANCE_YOUR_CALM), "{end}");
}

#[tokio::test]
async fn goaway_lets_what_is_under_way_end() {
    let (apns, token) = start(Options::default().first_streams(10));
    apns.latency(Duration::from_millis(50));
    let mut client = Client::open(&apns).await;
    let reply = client.start(push(&token, BODY));
    apns.wait_for(1).await;
    apns.goaway();
    assert_eq!(reply.await.unwrap().status, 200);
    bounded(client.connection).await.unwrap().unwrap();
    apns.wait_for_connections(0).await;
}

#[tokio::test]
async fn goaway_ends_an_idle_connection_after_its_last_answer() {
    let (apns, token) = start(Options::default());
    for _ in 0..20 {
        let mut client = Client::open(&apns).await;
        let reply = client.start(push(&token, BODY));
        apns.next().await;
        apns.goaway();
        assert_eq!(reply.await.unwrap().status, 200);
    }
}

#[tokio::test]
async fn a_frozen_connection_is_silent_until_it_thaws() {
    let (apns, token) = start(Options::default());
    let mut client = Client::open(&apns).await;
    assert_eq!(client.ask(push(&token, BODY)).await.status, 200);
    apns.freeze();
    let reply = client.start(push(&token, BODY));
    let pong = client.ping.ping(h2::Ping::opaque());
    tokio::time::timeout(Duration::from_millis(200), pong).await.unwrap_err();
    assert_eq!((apns.count(), apns.connections_open()), (1, 1));

    let mut other = Client::open(&apns).await;
    assert_eq!(other.ask(push(&token, BODY)).await.status, 200);
    apns.thaw();
    assert_eq!(reply.await.unwrap().status, 200);

    apns.freeze();
    apns.close_all();
    bounded(client.connection).await.unwrap().unwrap_err();
    apns.wait_for_connections(0).await;
}

#[tokio::test]
async fn refused_connections_are_refused_by_tcp() {
    let (apns, token) = start(Options::default());
    let mut client = Client::open(&apns).await;
    apns.refuse_connections(true);
    let refused = tokio::net::TcpStream::connect(apns.address()).await.unwrap_err();
    assert_eq!(refused.kind(), std::io::ErrorKind::ConnectionRefused);
    assert_eq!(client.ask(push(&token, BODY)).await.status, 200);
    apns.refuse_connections(false);
    let mut client = Client::open(&apns).await;
    assert_eq!(client.ask(push(&token, BODY)).await.status, 200);
}

#[tokio::test]
async fn connections_are_cut_before_or_after_reading() {
    let (apns, token) = start(Options::default());
    for (answer, count) in [(Answer::close_before_reading(), 0), (Answer::close(), 1)] {
        apns.answer_next(answer);
        let mut client = Client::open(&apns).await;
        let error = client.start(push(&token, BODY)).await.unwrap_err();
        assert!(!error.is_reset() && !error.is_go_away(), "{error}");
        assert_eq!(apns.count(), count);
    }
    let mut client = Client::open(&apns).await;
    assert_eq!(client.ask(push(&token, BODY)).await.status, 200);
    assert_eq!((apns.accepted_for(TOKEN), apns.connections_opened()), (1, 3));
}

#[tokio::test]
async fn streams_are_reset_with_any_code() {
    let (apns, token) = start(Options::default());
    let mut client = Client::open(&apns).await;
    for code in [Reason::REFUSED_STREAM, Reason::INTERNAL_ERROR] {
        apns.answer_next(Answer::reset(code));
        let error = client.start(push(&token, BODY)).await.unwrap_err();
        assert!(error.is_reset() && error.is_remote(), "{error}");
        assert_eq!(error.reason(), Some(code));
    }
    assert_eq!(client.ask(push(&token, BODY)).await.status, 200);
}

#[test]
fn a_peer_ends_with_its_last_handle() {
    let (apns, _) = start(Options::default());
    let clone = apns.clone();
    let address = apns.address();
    drop(apns);
    std::net::TcpStream::connect(address).unwrap();
    drop(clone);
    std::net::TcpStream::connect(address).unwrap_err();
}
