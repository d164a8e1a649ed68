//! One HTTP/2 connection as its requests see it: room, one exchange, and how it may fail.
//!
//! `driver` opens it and moves its bytes, `pool` decides who may use it. Whoever holds a
//! [`Connection`] keeps it open: with the last holder gone, it ends with its last stream.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};

use bytes::{Bytes, BytesMut};
use h2::client::{ResponseFuture, SendRequest};
use h2::{Reason, RecvStream};
use http::uri::{Authority, PathAndQuery, Scheme, Uri};
use http::{Request, Version};
use tokio::time::{Instant, timeout_at};

use super::{ConnectionId, Failure, Response, Sent, TransportError};

/// Most requests at once, whatever the peer allows.
const MAX_STREAMS: usize = 1000;

/// Most bytes of a body in one frame. h2 writes one of more bytes than these to the socket by
/// itself ([`super::Stream`] says why), and many of fewer bytes together.
const MAX_PIECE: usize = 1023;

/// Most streams reset without an answer between them. Peers take more for an attack and close the
/// connection (CVE-2023-44487; the h2 crate's servers at 20), and one that stays silent to so many
/// is no longer worth using.
const MAX_UNANSWERED: usize = 16;

/// A connection that can take requests.
pub(super) struct Connection {
    pub(super) id: ConnectionId,
    /// Requests on it, by the pool's count.
    pub(super) in_flight: Cell<usize>,
    scheme: Scheme,
    authority: Authority,
    sender: RefCell<SendRequest<Bytes>>,
    /// Streams the peer allows.
    limit: Cell<usize>,
    answers: Cell<u64>,
    last_answer: Cell<Instant>,
    unanswered: Cell<usize>,
    /// Streams whose reset would be one too many; they go with the connection.
    abandoned: RefCell<Vec<ResponseFuture>>,
    /// Whether it takes no new request.
    leaving: Cell<bool>,
    /// Why it ended, or is about to.
    cause: RefCell<Option<String>>,
}

impl Connection {
    /// Makes a connection that the peer allows `limit` streams.
    pub(super) fn new(
        id: ConnectionId,
        scheme: Scheme,
        authority: Authority,
        sender: SendRequest<Bytes>,
        limit: usize,
    ) -> Self {
        Self {
            id,
            in_flight: Cell::new(0),
            scheme,
            authority,
            sender: RefCell::new(sender),
            limit: Cell::new(limit),
            answers: Cell::new(0),
            last_answer: Cell::new(Instant::now()),
            unanswered: Cell::new(0),
            abandoned: RefCell::default(),
            leaving: Cell::new(false),
            cause: RefCell::default(),
        }
    }

    /// Returns whether the peer allows one more request.
    pub(super) fn has_room(&self) -> bool {
        !self.leaving.get() && self.in_flight.get() < self.limit.get().min(MAX_STREAMS)
    }

    /// Returns how many requests it has answered.
    pub(super) fn answers(&self) -> u64 {
        self.answers.get()
    }

    /// Returns when it last answered a request, or was opened.
    pub(super) fn last_answer(&self) -> Instant {
        self.last_answer.get()
    }

    /// Returns whether it takes no new request.
    pub(super) fn is_leaving(&self) -> bool {
        self.leaving.get()
    }

    /// Returns why it takes no new request.
    pub(super) fn cause(&self) -> String {
        self.cause.borrow().clone().unwrap_or_default()
    }

    /// Sends a request, which h2 writes as soon as it can.
    pub(super) fn begin(&self, request: Request<Bytes>) -> Result<Answer<'_>, TransportError> {
        let (head, mut body) = self.address(request);
        // A clone, since h2 lets each handle have only one request it has not yet written.
        let mut sender = self.sender.borrow().clone();
        let (response, mut stream) =
            sender.send_request(head, body.is_empty()).map_err(|error| self.not_sent(&error))?;
        drop(sender);
        if !body.is_empty() {
            // h2 keeps the body and writes it as the peer's window allows.
            while body.len() > MAX_PIECE {
                let piece = body.split_to(MAX_PIECE);
                stream.send_data(piece, false).map_err(|error| self.lost(&error))?;
            }
            stream.send_data(body, true).map_err(|error| self.lost(&error))?;
        }
        Ok(Answer { connection: self, response: Some(response) })
    }

    /// Gives a request its scheme and authority, and parts it from its body.
    fn address(&self, request: Request<Bytes>) -> (Request<()>, Bytes) {
        let (mut head, body) = request.into_parts();
        let mut uri = head.uri.into_parts();
        uri.scheme = Some(self.scheme.clone());
        uri.authority = Some(self.authority.clone());
        uri.path_and_query.get_or_insert(PathAndQuery::from_static("/"));
        // All three parts are there, so they make a URI.
        head.uri = Uri::from_parts(uri).unwrap_or_default();
        head.version = Version::HTTP_2;
        (Request::from_parts(head, ()), body)
    }

    async fn read(
        &self,
        mut body: RecvStream,
        max_body_bytes: usize,
    ) -> Result<Bytes, TransportError> {
        let mut whole = BytesMut::new();
        while let Some(chunk) = body.data().await {
            let chunk = chunk.map_err(|error| self.lost(&error))?;
            if whole.len() + chunk.len() > max_body_bytes {
                let detail = format!("the answer is larger than {max_body_bytes} bytes");
                return Err(TransportError::new(Failure::Answer, Sent::Perhaps, detail));
            }
            // It fails only for more than was received.
            let _ = body.flow_control().release_capacity(chunk.len());
            if whole.is_empty() && body.is_end_stream() {
                return Ok(chunk);
            }
            whole.extend_from_slice(&chunk);
        }
        Ok(whole.freeze())
    }

    /// Gives a stream up without its answer.
    fn abandon(&self, response: ResponseFuture) {
        let unanswered = self.unanswered.get() + 1;
        self.unanswered.set(unanswered);
        if unanswered >= self.limit.get().clamp(1, MAX_UNANSWERED) && !self.leaving.get() {
            let cause = format!("{unanswered} requests in a row had no answer");
            let (id, host) = (self.id.0, self.authority.host());
            tracing::warn!(id, host, cause, "connection is taken out of use");
            self.leave(cause);
        }
        if unanswered > MAX_UNANSWERED {
            self.abandoned.borrow_mut().push(response);
        }
    }

    /// Takes it out of use; what it carries goes on.
    pub(super) fn leave(&self, cause: impl Into<String>) {
        self.leaving.set(true);
        self.cause.borrow_mut().get_or_insert_with(|| cause.into());
    }

    /// Returns why h2 opens no stream any more, if it does not.
    fn fault(&self) -> Option<h2::Error> {
        let mut cx = Context::from_waker(Waker::noop());
        match self.sender.borrow_mut().poll_ready(&mut cx) {
            Poll::Ready(Err(error)) => Some(error),
            _ => None,
        }
    }

    /// Looks at what the driver read; returns whether the pool should know.
    pub(super) fn look(&self, limit: usize) -> bool {
        let raised = self.limit.replace(limit) < limit;
        if self.leaving.get() {
            return raised;
        }
        let Some(error) = self.fault() else {
            return raised;
        };
        let (id, host) = (self.id.0, self.authority.host());
        if error.reason() == Some(Reason::NO_ERROR) {
            tracing::debug!(id, host, %error, "the peer is closing the connection");
        } else {
            tracing::warn!(id, host, %error, "the peer is closing the connection");
        }
        self.leave(error.to_string());
        true
    }

    /// Notes that the connection is over.
    pub(super) fn ended(&self, cause: String) {
        let (id, host, in_flight) = (self.id.0, self.authority.host(), self.in_flight.get());
        if in_flight > 0 {
            tracing::warn!(id, host, in_flight, cause, "connection lost");
        } else {
            tracing::debug!(id, host, cause, "idle connection ended");
        }
        self.leave(cause);
    }

    fn not_sent(&self, error: &h2::Error) -> TransportError {
        if let Some(fault) = self.fault() {
            self.leave(fault.to_string());
            return TransportError::new(Failure::Closed, Sent::No, fault.to_string());
        }
        // The connection is fine, so it is the request that h2 cannot send.
        TransportError::unreachable(Failure::Refused, error.to_string())
    }

    fn lost(&self, error: &h2::Error) -> TransportError {
        let (failure, sent) = if error.is_go_away() && error.is_remote() {
            // h2 fails streams with the peer's GOAWAY only if they are above its last id.
            (Failure::GoAway, Sent::No)
        } else if error.is_reset() && error.is_remote() {
            match error.reason() {
                Some(Reason::REFUSED_STREAM) => (Failure::Refused, Sent::No),
                _ => (Failure::Refused, Sent::Perhaps),
            }
        } else if error.is_reset() {
            (Failure::Answer, Sent::Perhaps)
        } else {
            (Failure::Closed, Sent::Perhaps)
        };
        let detail = match &*self.cause.borrow() {
            Some(cause) if failure == Failure::Closed => cause.clone(),
            _ => error.to_string(),
        };
        TransportError::new(failure, sent, detail)
    }
}

/// An answer that is due, first of all its head; dropped before that came, the stream is abandoned.
pub(super) struct Answer<'a> {
    connection: &'a Connection,
    response: Option<ResponseFuture>,
}

impl Answer<'_> {
    /// Reads it whole until `until`.
    pub(super) async fn read(
        self,
        until: Instant,
        max_body_bytes: usize,
    ) -> Result<Response, TransportError> {
        let connection = self.connection;
        let reading = async {
            let head = self.await.map_err(|error| connection.lost(&error))?;
            let (head, body) = head.into_parts();
            let body = connection.read(body, max_body_bytes).await?;
            Ok(Response {
                status: head.status,
                headers: head.headers,
                body,
                connection: connection.id,
            })
        };
        timeout_at(until, reading).await.unwrap_or_else(|_| {
            let detail = "the request was sent, no answer came in time";
            Err(TransportError::new(Failure::Timeout, Sent::Perhaps, detail))
        })
    }
}

impl Future for Answer<'_> {
    type Output = Result<http::Response<RecvStream>, h2::Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(response) = &mut self.response else {
            return Poll::Pending;
        };
        let answer = ready!(Pin::new(response).poll(cx));
        self.response = None;
        if answer.is_ok() {
            let connection = self.connection;
            connection.answers.set(connection.answers.get() + 1);
            connection.last_answer.set(Instant::now());
            connection.unanswered.set(0);
        }
        Poll::Ready(answer)
    }
}

impl Drop for Answer<'_> {
    fn drop(&mut self) {
        if let Some(response) = self.response.take() {
            self.connection.abandon(response);
        }
    }
}
