//! Streams: how many, on how many connections, and who waits for them.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use futures_util::future::join;
use tokio::sync::Notify;

use super::super::super::testing::{MAX_STREAMS, WINDOW, Wire};
use super::super::super::{Failure, Sent};
use super::*;

#[actix_rt::test]
async fn a_cold_burst_shares_one_connection() {
    let peer = Peer::start(|_, stream| async move {
        answer_all(&mut h2::server::handshake(stream).await.unwrap()).await;
    })
    .await;
    let (pool, open) = counted_pool(&peer, settings());
    let answers = send_many(&pool, 1000).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(peer.accepted(), 1);
    assert_eq!(open.get(), 1);
}

/// Apple's way: one stream, and a thousand after the first success.
#[actix_rt::test]
async fn a_raised_limit_is_used_at_once() {
    let peer = Peer::start(|_, stream| async move {
        let mut wire = Wire::accept(stream, &[(MAX_STREAMS, 1)]).await;
        let first = wire.request().await.unwrap();
        assert!(wire.round_trip().await.is_empty(), "one stream is one stream");
        wire.answer(first).await;
        let second = wire.request().await.unwrap();
        assert!(wire.round_trip().await.is_empty());
        wire.settings(&[(MAX_STREAMS, 1000)]).await;
        let mut rest = Vec::new();
        while rest.len() < 98 {
            rest.push(wire.request().await.unwrap());
        }
        for id in rest.into_iter().chain([second]) {
            wire.answer(id).await;
        }
        wire.drain().await;
    })
    .await;
    let pool = pool(&peer, settings());
    assert!(send_many(&pool, 100).await.iter().all(Result::is_ok));
    assert_eq!(peer.accepted(), 1);
}

#[actix_rt::test]
async fn a_peer_with_four_streams_gets_four_at_a_time() {
    let most = Rc::new(Cell::new(0));
    let seen = most.clone();
    let peer = Peer::start(move |_, stream| {
        let most = seen.clone();
        async move {
            let mut wire = Wire::accept(stream, &[(MAX_STREAMS, 4)]).await;
            while let Some(id) = wire.request().await {
                let mut open = wire.round_trip().await;
                open.push(id);
                most.set(most.get().max(open.len()));
                for id in open {
                    wire.answer(id).await;
                }
            }
        }
    })
    .await;
    let (pool, open) = counted_pool(&peer, settings());
    assert!(send_many(&pool, 100).await.iter().all(Result::is_ok));
    assert_eq!(most.get(), 4);
    assert_eq!(peer.accepted(), 2, "a second connection, and no third");
    assert_eq!(open.get(), 2);
}

#[actix_rt::test]
async fn a_waiter_leaves_at_its_deadline_without_a_stream() {
    let seen = Rc::new(RefCell::new(Vec::new()));
    let go_on = Rc::new(Notify::new());
    let (noted, wake) = (seen.clone(), go_on.clone());
    let peer = Peer::start(move |_, stream| {
        let (noted, wake) = (noted.clone(), wake.clone());
        async move {
            let mut wire = Wire::accept(stream, &[(MAX_STREAMS, 1)]).await;
            let first = wire.request().await.unwrap();
            noted.borrow_mut().push(first);
            wake.notified().await;
            let early = wire.round_trip().await;
            noted.borrow_mut().extend(early);
            wire.answer(first).await;
            let next = wire.request().await.unwrap();
            noted.borrow_mut().push(next);
            assert!(wire.resets.is_empty());
            wire.answer(next).await;
            wire.drain().await;
        }
    })
    .await;
    let one_waits = PoolSettings { max_waiting: 1, ..settings() };
    let pool = pool(&peer, one_waits);
    let first = send(&pool);
    let others = async {
        until(|| seen.borrow().len() == 1).await;
        for _ in 0..3 {
            let late = send_within(&pool, Duration::from_millis(5)).await.unwrap_err();
            assert_eq!((late.failure, late.sent), (Failure::Timeout, Sent::No));
        }
        go_on.notify_one();
        send(&pool).await
    };
    let (first, last) = join(first, others).await;
    assert!(first.is_ok() && last.is_ok());
    assert_eq!(*seen.borrow(), [1, 3], "those who left never had a stream");
}

#[actix_rt::test]
async fn too_many_waiters_are_told_at_once() {
    let peer = Peer::start(|_, stream| async move {
        let mut wire = Wire::accept(stream, &[(MAX_STREAMS, 1)]).await;
        while let Some(id) = wire.request().await {
            wire.answer(id).await;
        }
    })
    .await;
    let ten_wait = PoolSettings { max_waiting: 10, ..settings() };
    let pool = pool(&peer, ten_wait);
    let answers = send_many(&pool, 12).await;
    let (served, shed): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    assert_eq!((served.len(), shed.len()), (10, 2));
    for error in shed.into_iter().map(Result::unwrap_err) {
        assert_eq!((error.failure, error.sent), (Failure::Overloaded, Sent::No));
    }
}

#[actix_rt::test]
async fn first_come_first_served() {
    let peer = Peer::start(|_, stream| async move {
        let mut wire = Wire::accept(stream, &[(MAX_STREAMS, 1)]).await;
        while let Some(id) = wire.request().await {
            wire.answer(id).await;
        }
    })
    .await;
    let one_connection = PoolSettings { max_connections: 1, ..settings() };
    let pool = pool(&peer, one_connection);
    let order = RefCell::new(Vec::new());
    let all = (0..20).map(|number| {
        let (pool, order) = (&pool, &order);
        async move {
            send(pool).await.unwrap();
            order.borrow_mut().push(number);
        }
    });
    join_all(all).await;
    assert_eq!(*order.borrow(), (0..20).collect::<Vec<_>>());
}

#[actix_rt::test]
async fn a_dropped_request_frees_its_place() {
    let seen = Rc::new(Cell::new(0));
    let noted = seen.clone();
    let peer = Peer::start(move |_, stream| {
        let noted = noted.clone();
        async move {
            let mut wire = Wire::accept(stream, &[(MAX_STREAMS, 2)]).await;
            // The first two stay unanswered, the others do not.
            while let Some(id) = wire.request().await {
                noted.set(noted.get() + 1);
                if id > 3 {
                    wire.answer(id).await;
                }
            }
        }
    })
    .await;
    let pool = pool(&peer, settings());
    let mut first = Box::pin(send(&pool));
    let mut second = Box::pin(send(&pool));
    let mut waiting = Box::pin(send(&pool));
    tokio::select! {
        biased;
        _ = &mut first => unreachable!("it has no answer"),
        _ = &mut second => unreachable!("it has no answer"),
        _ = &mut waiting => unreachable!("it has no place"),
        () = until(|| seen.get() == 2) => {}
    }
    drop(waiting);
    assert!(pool.inner.waiting.borrow().is_empty());
    drop(first);
    assert!(send(&pool).await.is_ok());
    drop(second);
    let connection = pool.inner.connections.borrow().first().cloned();
    assert!(connection.is_none_or(|it| it.in_flight.get() == 0));
}

/// A grant that was never picked up goes to the next in the queue.
#[actix_rt::test]
async fn a_place_granted_to_nobody_goes_on() {
    let peer = Peer::start(|_, stream| async move {
        let mut wire = Wire::accept(stream, &[(MAX_STREAMS, 1)]).await;
        while let Some(id) = wire.request().await {
            wire.answer(id).await;
        }
    })
    .await;
    let pool = pool(&peer, settings());
    let mut forgotten = Box::pin(send(&pool));
    let mut waiting = Box::pin(send(&pool));
    assert!(futures_util::poll!(&mut forgotten).is_pending());
    assert!(futures_util::poll!(&mut waiting).is_pending());
    // The first one is granted a place, and nobody polls it.
    until(|| pool.inner.waiting.borrow().len() == 1).await;
    drop(forgotten);
    assert!(waiting.await.is_ok());
}

#[actix_rt::test]
async fn a_body_is_sent_as_the_window_allows() {
    let peer = Peer::start(|_, stream| async move {
        let mut wire = Wire::accept(stream, &[(WINDOW, 10)]).await;
        while wire.received < 10 {
            wire.round_trip().await;
        }
        assert!(wire.round_trip().await.is_empty());
        wire.widen(1, 90_000).await;
        let id = wire.request().await.unwrap();
        assert_eq!((id, wire.received), (1, 40_000));
        wire.answer(id).await;
        wire.drain().await;
    })
    .await;
    let pool = pool(&peer, settings());
    let large = Request::post("/").body(Bytes::from(vec![b'x'; 40_000]));
    let answer = pool.send(large.unwrap(), Instant::now() + LONG).await;
    assert!(answer.is_ok());
}

#[actix_rt::test]
async fn answers_are_read_up_to_the_cap() {
    type Row = (&'static [&'static [u8]], Option<&'static [u8]>);
    let rows: [Row; 6] = [
        (&[b"{}"], Some(b"{}")),
        (&[b"{", b"", b"}"], Some(b"{}")),
        (&[b"{}", b""], Some(b"{}")),
        (&[b""], Some(b"")),
        (&[b"12345678"], Some(b"12345678")),
        (&[b"12345", b"6789"], None),
    ];
    let peer = Peer::start(move |_, stream| async move {
        let mut wire = Wire::accept(stream, &[]).await;
        for (pieces, _) in rows {
            let id = wire.request().await.unwrap();
            wire.answer_with(id, pieces).await;
        }
        wire.drain().await;
    })
    .await;
    let eight = PoolSettings { max_body_bytes: 8, ..settings() };
    let pool = pool(&peer, eight);
    for (pieces, body) in rows {
        match (send(&pool).await, body) {
            (Ok(answer), Some(body)) => assert_eq!(answer.body, body, "{pieces:?}"),
            (Err(error), None) => {
                assert_eq!((error.failure, error.sent), (Failure::Answer, Sent::Perhaps));
            }
            (answer, _) => panic!("{pieces:?}: {answer:?}"),
        }
    }
}
