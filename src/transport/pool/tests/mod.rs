//! The pool against peers on loopback that behave as providers do, and as they should not.

mod limits;
mod losses;
mod opening;

use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use http::Request;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;

use super::super::testing::{Peer, dialer};
use super::super::{Response, TransportError};
use super::{Pool, PoolSettings};

type Answer = Result<Response, TransportError>;

/// Far away; a test that gets there has failed.
const LONG: Duration = Duration::from_secs(20);

fn settings() -> PoolSettings {
    PoolSettings { response_timeout: LONG, ..PoolSettings::default() }
}

/// Makes a pool that speaks to `peer` without TLS.
fn pool(peer: &Peer, settings: PoolSettings) -> Pool {
    counted_pool(peer, settings).0
}

fn counted_pool(peer: &Peer, settings: PoolSettings) -> (Pool, Gauge) {
    let open = Gauge::default();
    let origin = peer.origin(false);
    let pool = Pool::new(origin, dialer(&[], &[b"h2"]), settings, open.clone());
    (pool, open)
}

fn request() -> Request<Bytes> {
    Request::post("/3/device/0123")
        .header("apns-topic", "com.example.app")
        .body(Bytes::from_static(b"{}"))
        .unwrap()
}

async fn send(pool: &Pool) -> Answer {
    send_within(pool, LONG).await
}

async fn send_within(pool: &Pool, time: Duration) -> Answer {
    pool.send(request(), Instant::now() + time).await
}

async fn send_many(pool: &Pool, count: usize) -> Vec<Answer> {
    join_all((0..count).map(|_| send(pool))).await
}

/// Lets other tasks run until `done`.
async fn until(done: impl Fn() -> bool) {
    let patience = Instant::now() + LONG;
    while !done() {
        assert!(Instant::now() < patience, "waited in vain");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Answers every request of an h2 connection.
async fn answer_all<T>(h2: &mut h2::server::Connection<T, Bytes>)
where
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin,
{
    while let Some(Ok((_, mut respond))) = h2.accept().await {
        let _ = respond.send_response(http::Response::new(()), true);
    }
}
