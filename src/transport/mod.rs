//! The roads: connections to providers, and what can go wrong on them.
//!
//! `pool` is for one host and many requests (HTTP/2; `driver` opens each `connection`), `client`
//! for many hosts and few requests each (HTTP/1.1 by awc), `hosts` for many hosts that somebody
//! else chose (either of both for each). `dial` makes the TCP and TLS `stream` for them, to
//! `address`es that may be dialled and through a `proxy` if one is set, `tls` holds roots and
//! client certificates, `token_cache` a credential that is renewed. Knows no provider: it says
//! whether a request can have been processed, never what an answer means.

mod address;
pub mod client;
mod connection;
pub mod dial;
mod driver;
pub mod hosts;
pub mod pool;
mod proxy;
mod stream;
#[cfg(test)]
mod testing;
pub mod tls;
pub mod token_cache;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, StatusCode};

pub use address::Addresses;
pub use dial::{Dialer, Origin};
pub use proxy::Proxy;
pub use stream::Stream;

/// How this gateway introduces itself, where a host may want to know.
pub const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("peregrine/", env!("CARGO_PKG_VERSION")));

/// A provider's answer, read whole.
#[derive(Debug, Clone)]
pub struct Response {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The body, at most the pool's or client's `max_body_bytes`.
    pub body: Bytes,
    /// The connection it came on, for [`pool::Pool::retire`].
    pub connection: ConnectionId,
}

/// Names one connection of one pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct ConnectionId(pub u64);

/// Why no answer came.
#[derive(Debug, Clone, thiserror::Error)]
#[error("{failure}: {detail}")]
pub struct TransportError {
    /// What failed.
    pub failure: Failure,
    /// Whether the provider can have seen the request.
    pub sent: Sent,
    /// More about it, for the log; never content.
    pub detail: String,
}

impl TransportError {
    /// No connection could be had.
    fn unreachable(failure: Failure, detail: impl Into<String>) -> Self {
        Self::new(failure, Sent::Unreachable, detail)
    }

    fn new(failure: Failure, sent: Sent, detail: impl Into<String>) -> Self {
        Self { failure, sent, detail: detail.into() }
    }
}

/// Whether a request that failed can have been processed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// It never left, or the peer said it did not look at it (`REFUSED_STREAM`, above GOAWAY's last
    /// id): repeating it at once is safe and free.
    No,
    /// No connection could be had: nothing was sent, but repeating at once would fail again.
    Unreachable,
    /// It may have been processed.
    Perhaps,
}

/// What failed; a metric label.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Failure {
    /// The host has no address.
    Dns,
    /// No TCP connection.
    Connect,
    /// The proxy refused, or failed.
    Proxy,
    /// The TLS handshake failed.
    Tls,
    /// The host does not speak HTTP/2.
    NoHttp2,
    /// The host, or each of its addresses, is one that must not be dialled.
    Forbidden,
    /// The host failed again and again, and is left alone for a while.
    Resting,
    /// The connection ended.
    Closed,
    /// The peer refused the stream.
    Refused,
    /// The peer is closing the connection.
    GoAway,
    /// No answer in time.
    Timeout,
    /// Too many requests wait for a stream.
    Overloaded,
    /// The answer is larger than allowed, or broken.
    Answer,
}

impl Failure {
    /// Returns the label.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Dns => "dns",
            Self::Connect => "connect",
            Self::Proxy => "proxy",
            Self::Tls => "tls",
            Self::NoHttp2 => "no_http2",
            Self::Forbidden => "forbidden_address",
            Self::Resting => "host_resting",
            Self::Closed => "connection_closed",
            Self::Refused => "stream_refused",
            Self::GoAway => "goaway",
            Self::Timeout => "timeout",
            Self::Overloaded => "overloaded",
            Self::Answer => "broken_answer",
        }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
