//! How an HTTP/2 connection is opened, its bytes are moved and its silence is noticed.
//!
//! One task for each connection runs its driver and ends with it. The driver does not hold the
//! connection, so that it ends when nobody else does.

use std::future::{Future as _, poll_fn};
use std::pin::{Pin, pin};
use std::rc::{Rc, Weak};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use h2::client::SendRequest;
use h2::{Ping, PingPong, Reason};
use http::uri::{Authority, Scheme};
use tokio::time::{Instant, sleep_until, timeout};

use super::connection::Connection;
use super::pool::PoolSettings;
use super::{ConnectionId, Dialer, Failure, Origin, Stream, TransportError};

/// Bytes an answer may have on the way; answers are small.
const STREAM_WINDOW: u32 = 64 * 1024;

/// Bytes all answers together may have on the way.
const CONNECTION_WINDOW: u32 = 1024 * 1024;

/// Largest head of an answer.
const MAX_HEADER_BYTES: u32 = 16 * 1024;

/// Locally reset streams remembered, so that their late answers are ignored and not faults.
const REMEMBERED_RESETS: usize = 1000;

/// What moves a connection's bytes; see [`Driver::run`].
pub(super) struct Driver {
    h2: h2::client::Connection<Stream, Bytes>,
    pings: PingPong,
    connection: Weak<Connection>,
    ping_interval: Duration,
    ping_timeout: Duration,
}

/// Opens a connection and waits for the peer's SETTINGS.
///
/// The answer to a first PING proves that they came, as they precede every other frame (RFC 9113,
/// section 3.4); it also brings to light a refused client certificate, which TLS 1.3 reports only
/// after the handshake.
pub(super) async fn open(
    id: ConnectionId,
    origin: &Origin,
    dialer: &Dialer,
    settings: &PoolSettings,
) -> Result<(Rc<Connection>, Driver), TransportError> {
    let opening = async {
        let authority = Authority::try_from(origin.authority()).map_err(|error| {
            let detail = format!("{:?} is not a host: {error}", origin.host);
            TransportError::unreachable(Failure::Connect, detail)
        })?;
        let stream = dialer.connect(origin).await?;
        if origin.tls && stream.alpn() != Some(b"h2") {
            let agreed = stream.alpn().unwrap_or(b"nothing").escape_ascii();
            let host = &origin.host;
            let detail = format!("{host} does not speak HTTP/2: ALPN agreed on {agreed}");
            return Err(TransportError::unreachable(Failure::NoHttp2, detail));
        }
        let (sender, h2, pings) = shake_hands(stream).await.map_err(|error| {
            let detail = format!("no HTTP/2 with {}: {error}", origin.host);
            TransportError::unreachable(Failure::Connect, detail)
        })?;
        let scheme = if origin.tls { Scheme::HTTPS } else { Scheme::HTTP };
        let limit = h2.max_concurrent_send_streams();
        let connection = Rc::new(Connection::new(id, scheme, authority, sender, limit));
        let driver = Driver {
            h2,
            pings,
            connection: Rc::downgrade(&connection),
            ping_interval: settings.ping_interval,
            ping_timeout: settings.ping_timeout,
        };
        Ok((connection, driver))
    };
    timeout(settings.connect_timeout, opening).await.unwrap_or_else(|_| {
        let within = settings.connect_timeout;
        let detail = format!("no connection to {} within {within:?}", origin.host);
        Err(TransportError::unreachable(Failure::Connect, detail))
    })
}

type Parts = (SendRequest<Bytes>, h2::client::Connection<Stream, Bytes>, PingPong);

async fn shake_hands(stream: Stream) -> Result<Parts, h2::Error> {
    let (sender, mut h2) = h2::client::Builder::new()
        .enable_push(false)
        .initial_max_send_streams(1) // until SETTINGS say more
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        .max_header_list_size(MAX_HEADER_BYTES)
        .max_concurrent_reset_streams(REMEMBERED_RESETS)
        .handshake(stream)
        .await?;
    // It can be taken once, which is here.
    let mut pings = h2.ping_pong().ok_or(Reason::INTERNAL_ERROR)?;
    {
        let mut pong = pin!(pings.ping(Ping::opaque()));
        poll_fn(|cx| {
            if let Poll::Ready(end) = Pin::new(&mut h2).poll(cx) {
                return Poll::Ready(Err(end.err().unwrap_or(Reason::NO_ERROR.into())));
            }
            pong.as_mut().poll(cx)
        })
        .await?;
    }
    Ok((sender, h2, pings))
}

impl Driver {
    /// Moves bytes until the connection ends, and calls `changed` when a request may find room
    /// on it that found none before, and when it takes no new ones.
    pub(super) async fn run(self, changed: impl Fn()) {
        let Self { mut h2, pings, connection, ping_interval, ping_timeout } = self;
        let mut watch = pin!(watch(&connection, pings, ping_interval, ping_timeout));
        let cause = poll_fn(|cx| {
            if let Poll::Ready(end) = Pin::new(&mut h2).poll(cx) {
                return Poll::Ready(match end {
                    Ok(()) => "the connection was closed".to_owned(),
                    Err(error) => error.to_string(),
                });
            }
            let limit = h2.max_concurrent_send_streams();
            if connection.upgrade().is_some_and(|it| it.look(limit)) {
                changed();
            }
            watch.as_mut().poll(cx).map(|()| format!("no answer to PING within {ping_timeout:?}"))
        })
        .await;
        if let Some(connection) = connection.upgrade() {
            connection.ended(cause);
        }
        // Fails what is in flight, if that has not happened yet.
        drop(h2);
        changed();
    }
}

/// Asks for a sign of life whenever no answer came for a while; ends when there is none.
async fn watch(
    connection: &Weak<Connection>,
    mut pings: PingPong,
    ping_interval: Duration,
    ping_timeout: Duration,
) {
    let mut last_sign = Instant::now();
    loop {
        sleep_until(last_sign + ping_interval).await;
        let answered = connection.upgrade().map(|it| it.last_answer());
        if let Some(answered) = answered.filter(|&answered| answered > last_sign) {
            last_sign = answered;
            continue;
        }
        match timeout(ping_timeout, pings.ping(Ping::opaque())).await {
            Ok(Ok(_pong)) => last_sign = Instant::now(),
            // The connection is closing, and its end says why.
            Ok(Err(_)) => std::future::pending().await,
            Err(_) => return,
        }
    }
}
