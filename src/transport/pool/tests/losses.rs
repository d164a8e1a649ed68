//! Requests and connections that come to nothing, and what is said about them.

use std::cell::Cell;
use std::rc::Rc;

use futures_util::future::join;
use http::StatusCode;

use super::super::super::testing::Wire;
use super::super::super::{Failure, Sent};
use super::*;

const NO_ERROR: u32 = 0;
const INTERNAL_ERROR: u32 = 2;
const REFUSED_STREAM: u32 = 7;
const CANCEL: u32 = 8;
const ENHANCE_YOUR_CALM: u32 = 11;

/// Answers everything on every connection.
async fn serve_all(stream: tokio::net::TcpStream) {
    let mut wire = Wire::accept(stream, &[]).await;
    while let Some(id) = wire.request().await {
        wire.answer(id).await;
    }
}

fn kind(answer: Answer) -> (Failure, Sent) {
    let error = answer.unwrap_err();
    (error.failure, error.sent)
}

#[actix_rt::test]
async fn a_graceful_goaway_in_a_burst_loses_nothing() {
    let peer = Peer::start(|index, stream| async move {
        let mut h2 = h2::server::Builder::new()
            .max_concurrent_streams(50)
            .handshake::<_, Bytes>(stream)
            .await
            .unwrap();
        let mut served = 0;
        while let Some(Ok((_, mut respond))) = h2.accept().await {
            served += 1;
            if index == 0 && served == 120 {
                h2.graceful_shutdown();
            }
            let _ = respond.send_response(http::Response::new(()), true);
        }
    })
    .await;
    let (pool, open) = counted_pool(&peer, settings());
    let persistent = (0..500).map(|_| async {
        loop {
            match send(&pool).await {
                Ok(answer) => break answer,
                Err(error) => assert_eq!(error.sent, Sent::No, "{error}"),
            }
        }
    });
    let answers = join_all(persistent).await;
    assert!(answers.iter().all(|it| it.status == StatusCode::OK));
    assert!((2..=3).contains(&peer.accepted()));
    until(|| usize::try_from(open.get()).unwrap() < peer.accepted()).await;
}

#[actix_rt::test]
async fn goaway_parts_what_was_seen_from_what_was_not() {
    let peer = Peer::start(|index, stream| async move {
        if index > 0 {
            return serve_all(stream).await;
        }
        let mut wire = Wire::accept(stream, &[]).await;
        for _ in 0..3 {
            wire.request().await.unwrap();
        }
        wire.go_away(3, NO_ERROR, br#"{"reason":"Shutdown"}"#).await;
        wire.round_trip().await;
        wire.answer(1).await;
        wire.answer(3).await;
        wire.drain().await;
    })
    .await;
    let pool = pool(&peer, settings());
    let mut answers = send_many(&pool, 3).await;
    let unseen = answers.pop().unwrap().unwrap_err();
    assert_eq!((unseen.failure, unseen.sent), (Failure::GoAway, Sent::No));
    assert!(unseen.detail.contains("Shutdown"), "{unseen}");
    assert!(answers.iter().all(Result::is_ok));
    assert!(send(&pool).await.is_ok());
    assert_eq!(peer.accepted(), 2);
}

#[actix_rt::test]
async fn an_abrupt_end_may_have_been_too_late() {
    let rows: [(Option<u32>, &str); 2] =
        [(None, "closed"), (Some(ENHANCE_YOUR_CALM), "too_many_pings")];
    for (goaway, says) in rows {
        let peer = Peer::start(move |index, stream| async move {
            if index > 0 {
                return serve_all(stream).await;
            }
            let mut wire = Wire::accept(stream, &[]).await;
            for _ in 0..10 {
                wire.request().await.unwrap();
            }
            if let Some(code) = goaway {
                wire.go_away(19, code, b"too_many_pings").await;
                wire.round_trip().await;
            }
        })
        .await;
        let (pool, open) = counted_pool(&peer, settings());
        for answer in send_many(&pool, 10).await {
            let error = answer.unwrap_err();
            assert_eq!((error.failure, error.sent), (Failure::Closed, Sent::Perhaps));
            assert!(error.detail.contains(says), "{error}");
        }
        assert!(send(&pool).await.is_ok());
        assert_eq!((peer.accepted(), open.get()), (2, 1));
    }
}

#[actix_rt::test]
async fn a_reset_stream_says_whether_it_was_seen() {
    let peer = Peer::start(|_, stream| async move {
        let mut wire = Wire::accept(stream, &[]).await;
        let first = wire.request().await.unwrap();
        wire.reset(first, REFUSED_STREAM).await;
        let second = wire.request().await.unwrap();
        wire.reset(second, INTERNAL_ERROR).await;
        let third = wire.request().await.unwrap();
        wire.answer(third).await;
        wire.drain().await;
    })
    .await;
    let pool = pool(&peer, settings());
    assert_eq!(kind(send(&pool).await), (Failure::Refused, Sent::No));
    assert_eq!(kind(send(&pool).await), (Failure::Refused, Sent::Perhaps));
    assert!(send(&pool).await.is_ok());
    assert_eq!(peer.accepted(), 1, "the connection is as good as before");
}

#[actix_rt::test]
async fn a_frozen_peer_is_found_by_ping() {
    let peer = Peer::start(|index, stream| async move {
        let mut wire = Wire::accept(stream, &[]).await;
        while let Some(id) = wire.request().await {
            if index == 0 && id == 3 {
                // Holds the connection, and neither reads nor writes.
                return std::future::pending().await;
            }
            wire.answer(id).await;
        }
    })
    .await;
    let watchful = PoolSettings {
        ping_interval: Duration::from_millis(30),
        ping_timeout: Duration::from_millis(200),
        ..settings()
    };
    let (pool, open) = counted_pool(&peer, watchful);
    assert!(send(&pool).await.is_ok());
    let error = send(&pool).await.unwrap_err();
    assert_eq!((error.failure, error.sent), (Failure::Closed, Sent::Perhaps));
    assert!(error.detail.contains("PING"), "{error}");
    assert!(send(&pool).await.is_ok());
    assert_eq!((peer.accepted(), open.get()), (2, 1));
}

#[actix_rt::test]
async fn pings_keep_a_silent_connection() {
    let peer = Peer::start(|_, stream| serve_all(stream)).await;
    let watchful =
        PoolSettings { ping_interval: Duration::from_millis(5), ping_timeout: LONG, ..settings() };
    let (pool, open) = counted_pool(&peer, watchful);
    assert!(send(&pool).await.is_ok());
    // Some twenty PINGs, each answered.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert!(send(&pool).await.is_ok());
    assert_eq!((peer.accepted(), open.get()), (1, 1));
}

#[actix_rt::test]
async fn a_request_without_an_answer_ends_alone() {
    let cancelled = Rc::new(Cell::new(false));
    let noted = cancelled.clone();
    let peer = Peer::start(move |_, stream| {
        let noted = noted.clone();
        async move {
            let mut wire = Wire::accept(stream, &[]).await;
            let silent = wire.request().await.unwrap();
            let slow = wire.request().await.unwrap();
            while wire.resets.is_empty() {
                assert!(wire.round_trip().await.is_empty());
            }
            assert_eq!(wire.resets, [(silent, CANCEL)]);
            noted.set(true);
            wire.answer(slow).await;
            wire.drain().await;
        }
    })
    .await;
    let pool = pool(&peer, settings());
    let silent = send_within(&pool, Duration::from_millis(200));
    let (silent, slow) = join(silent, send(&pool)).await;
    assert_eq!(kind(silent), (Failure::Timeout, Sent::Perhaps));
    assert!(slow.is_ok());
    assert!(cancelled.get());
}

#[actix_rt::test]
async fn the_response_timeout_is_shorter_than_the_deadline() {
    let peer = Peer::start(|_, stream| async move {
        Wire::accept(stream, &[]).await.drain().await;
    })
    .await;
    let impatient = PoolSettings { response_timeout: Duration::from_millis(30), ..settings() };
    let pool = pool(&peer, impatient);
    assert_eq!(kind(send(&pool).await), (Failure::Timeout, Sent::Perhaps));
}

/// Hundreds of timeouts at once are neither hundreds of resets nor anybody else's loss.
#[actix_rt::test]
async fn many_timeouts_spare_the_neighbour() {
    let resets = Rc::new(Cell::new(0));
    let noted = resets.clone();
    let peer = Peer::start(move |index, stream| {
        let noted = noted.clone();
        async move {
            if index > 0 {
                return serve_all(stream).await;
            }
            let mut wire = Wire::accept(stream, &[]).await;
            let neighbour = wire.request().await.unwrap();
            for _ in 0..300 {
                wire.request().await.unwrap();
            }
            while wire.resets.is_empty() {
                wire.round_trip().await;
            }
            wire.round_trip().await;
            noted.set(wire.resets.len());
            wire.answer(neighbour).await;
            wire.drain().await;
        }
    })
    .await;
    let pool = pool(&peer, settings());
    let neighbour = send(&pool);
    let others = join_all((0..300).map(|_| send_within(&pool, Duration::from_millis(500))));
    let (neighbour, others) = join(neighbour, others).await;
    for other in others {
        assert_eq!(kind(other), (Failure::Timeout, Sent::Perhaps));
    }
    assert!(neighbour.is_ok());
    assert!((1..=16).contains(&resets.get()), "{}", resets.get());
    assert!(send(&pool).await.is_ok(), "on another connection");
    assert_eq!(peer.accepted(), 2);
}

#[actix_rt::test]
async fn an_idle_connection_closed_by_the_peer_is_forgotten() {
    let peer = Peer::start(|_, stream| async move {
        let mut wire = Wire::accept(stream, &[]).await;
        let id = wire.request().await.unwrap();
        wire.answer(id).await;
        wire.round_trip().await;
    })
    .await;
    let (pool, open) = counted_pool(&peer, settings());
    for round in 1..=5 {
        assert!(send(&pool).await.is_ok());
        until(|| open.get() == 0).await;
        assert_eq!(peer.accepted(), round);
    }
}
