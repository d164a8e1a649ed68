//! Connections: how they come, how they fail to come, how they go.

use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;

use rustls::RootCertStore;
use tokio::net::TcpListener;
use tokio::sync::Notify;

use super::super::super::testing::{Identity, Wire, proxy};
use super::super::super::{Failure, Origin, Proxy, Sent};
use super::*;

fn tls_pool(origin: Origin, dialer: super::super::super::Dialer) -> Pool {
    Pool::new(origin, dialer, settings(), Gauge::default())
}

/// Starts an h2 server behind TLS that answers everything.
async fn tls_peer(identity: &Identity, alpn: &[&[u8]], clients: Option<RootCertStore>) -> Peer {
    let acceptor = identity.acceptor(alpn, clients);
    Peer::start(move |_, stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            if let Ok(mut h2) = h2::server::handshake(stream).await {
                answer_all(&mut h2).await;
            }
        }
    })
    .await
}

#[actix_rt::test]
async fn tls_names_and_protocols_are_checked() {
    type Row<'a> = (&'a Identity, &'a [&'a [u8]], Result<(), (Failure, &'a str)>);
    let good = Identity::of("127.0.0.1");
    let wrong = Identity::of("elsewhere.example");
    let unknown = Identity::of("127.0.0.1");
    let trusted = dialer(&[&good, &wrong], &[b"h2"]);
    let rows: [Row; 5] = [
        (&good, &[b"h2"], Ok(())),
        (&wrong, &[b"h2"], Err((Failure::Tls, "not valid for name"))),
        (&unknown, &[b"h2"], Err((Failure::Tls, "invalid peer certificate"))),
        (&good, &[], Err((Failure::NoHttp2, "does not speak HTTP/2"))),
        (&good, &[b"http/1.1"], Err((Failure::Tls, "NoApplicationProtocol"))),
    ];
    for (identity, alpn, expected) in rows {
        let peer = tls_peer(identity, alpn, None).await;
        let pool = tls_pool(peer.origin(true), trusted.clone());
        match (send(&pool).await, expected) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err((failure, says))) => {
                assert_eq!((error.failure, error.sent), (failure, Sent::Unreachable));
                assert!(error.detail.contains(says), "{error}");
            }
            (answer, _) => panic!("{expected:?}: {answer:?}"),
        }
    }
}

/// With TLS 1.3 the server's verdict on the client comes after the handshake.
#[actix_rt::test]
async fn a_refused_client_certificate_is_found_before_a_request_is_sent() {
    let identity = Identity::of("127.0.0.1");
    let mut clients = RootCertStore::empty();
    clients.add(identity.certificate.clone()).unwrap();
    let peer = tls_peer(&identity, &[b"h2"], Some(clients)).await;
    let pool = tls_pool(peer.origin(true), dialer(&[&identity], &[b"h2"]));
    let error = send(&pool).await.unwrap_err();
    assert_eq!(error.sent, Sent::Unreachable, "{error}");
    assert!(error.detail.contains("CertificateRequired"), "{error}");
}

#[actix_rt::test]
async fn a_proxy_with_credentials_is_passed() {
    let identity = Identity::of("127.0.0.1");
    let peer = tls_peer(&identity, &[b"h2"], None).await;
    let (through, heads) = proxy("200 Connection established").await;
    let mut dialer = dialer(&[&identity], &[b"h2"]);
    let url = format!("http://Aladdin:open%20sesame@{}", through.address);
    dialer.proxy = Some(Arc::new(Proxy::parse(&url).unwrap()));
    let pool = tls_pool(peer.origin(true), dialer);
    assert!(send_many(&pool, 10).await.iter().all(Result::is_ok));
    let target = peer.address;
    let expected = format!(
        "CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\
         Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n"
    );
    assert_eq!(*heads.borrow(), [expected]);
}

#[actix_rt::test]
async fn a_refused_port_is_not_hammered_and_found_again() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let origin = Origin { tls: false, host: address.ip().to_string(), port: address.port() };
    let pool = tls_pool(origin, dialer(&[], &[b"h2"]));
    let started = Instant::now();
    for answer in send_many(&pool, 50).await {
        let error = answer.unwrap_err();
        assert_eq!((error.failure, error.sent), (Failure::Connect, Sent::Unreachable));
        assert!(error.detail.contains("refused"), "{error}");
    }
    assert_eq!(pool.inner.next_connection.get(), 1, "one attempt for all");
    for _ in 0..1000 {
        let error = send(&pool).await.unwrap_err();
        assert_eq!((error.failure, error.sent), (Failure::Connect, Sent::Unreachable));
    }
    let doublings = (started.elapsed().as_millis() / 50 + 1).ilog2();
    let attempts = pool.inner.next_connection.get();
    assert!(attempts <= u64::from(doublings) + 3, "{attempts} attempts");

    let listener = TcpListener::bind(address).await.unwrap();
    actix_rt::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        answer_all(&mut h2::server::handshake(stream).await.unwrap()).await;
    });
    while send(&pool).await.is_err() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(pool.inner.trouble.borrow().is_none());
}

#[actix_rt::test]
async fn a_peer_that_never_shakes_hands_is_given_up() {
    let peer = Peer::start(|_, stream| async move {
        let _held = stream;
        std::future::pending::<()>().await;
    })
    .await;
    let impatient = PoolSettings { connect_timeout: Duration::from_millis(100), ..settings() };
    let (pool, open) = counted_pool(&peer, impatient);
    for answer in send_many(&pool, 3).await {
        let error = answer.unwrap_err();
        assert_eq!((error.failure, error.sent), (Failure::Connect, Sent::Unreachable));
    }
    assert_eq!((peer.accepted(), open.get()), (1, 0));
    let late = send_within(&pool, Duration::from_millis(5)).await;
    assert_eq!(late.unwrap_err().failure, Failure::Timeout);
}

/// A peer that closes each connection at once does not make the pool spin.
#[actix_rt::test]
async fn connections_that_never_answer_count_as_failures() {
    let peer = Peer::start(|_, stream| async move {
        let mut wire = Wire::accept(stream, &[]).await;
        wire.request().await;
    })
    .await;
    let pool = pool(&peer, settings());
    let mut told = 0;
    for _ in 0..1000 {
        let error = send(&pool).await.unwrap_err();
        told += u32::from(error.sent == Sent::Unreachable);
    }
    assert!(told > 900, "{told} of 1000 were spared");
    assert!(peer.accepted() < 20, "{} connections", peer.accepted());
}

#[actix_rt::test]
async fn a_retired_connection_ends_with_its_last_answer() {
    let go_on = Rc::new(Notify::new());
    let goodbye = Rc::new(Cell::new(false));
    let (wake, noted) = (go_on.clone(), goodbye.clone());
    let peer = Peer::start(move |index, stream| {
        let (wake, noted) = (wake.clone(), noted.clone());
        async move {
            let mut wire = Wire::accept(stream, &[]).await;
            while let Some(id) = wire.request().await {
                if index == 0 && id == 3 {
                    wake.notified().await;
                }
                wire.answer(id).await;
            }
            noted.set(wire.goodbye);
        }
    })
    .await;
    let (pool, open) = counted_pool(&peer, settings());
    let old = send(&pool).await.unwrap().connection;
    let mut slow = Box::pin(send(&pool));
    assert!(futures_util::poll!(&mut slow).is_pending());
    pool.retire(old);
    pool.retire(old);
    let new = send(&pool).await.unwrap().connection;
    assert_ne!(old, new);
    assert_eq!((peer.accepted(), open.get()), (2, 2));
    go_on.notify_one();
    assert_eq!(slow.await.unwrap().connection, old);
    until(|| open.get() == 1).await;
    until(|| goodbye.get()).await;
    assert_eq!(send(&pool).await.unwrap().connection, new);
}

#[actix_rt::test]
async fn a_dropped_pool_says_goodbye() {
    let goodbye = Rc::new(Cell::new(false));
    let noted = goodbye.clone();
    let peer = Peer::start(move |_, stream| {
        let noted = noted.clone();
        async move {
            let mut wire = Wire::accept(stream, &[]).await;
            while let Some(id) = wire.request().await {
                wire.answer(id).await;
            }
            noted.set(wire.goodbye);
        }
    })
    .await;
    let (pool, open) = counted_pool(&peer, settings());
    assert!(send(&pool).await.is_ok());
    drop(pool);
    until(|| goodbye.get()).await;
    until(|| open.get() == 0).await;
}

/// A pool that goes while its connection is being opened takes it along.
#[actix_rt::test]
async fn a_pool_dropped_while_connecting_leaves_nothing() {
    let ended = Rc::new(Cell::new(false));
    let noted = ended.clone();
    let peer = Peer::start(move |_, stream| {
        let noted = noted.clone();
        async move {
            Wire::accept(stream, &[]).await.drain().await;
            noted.set(true);
        }
    })
    .await;
    let (pool, open) = counted_pool(&peer, settings());
    let mut sending = Box::pin(send(&pool));
    assert!(futures_util::poll!(&mut sending).is_pending());
    drop(sending);
    drop(pool);
    until(|| ended.get()).await;
    until(|| open.get() == 0).await;
}
