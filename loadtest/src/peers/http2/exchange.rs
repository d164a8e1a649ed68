//! One request on an HTTP/2 stream and its answer.

use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use bytes::{Bytes, BytesMut};
use h2::server::SendResponse;
use h2::{Reason, RecvStream};
use http::{Request, Response};
use tokio::sync::Notify;

use crate::peers::answer::Act;
use crate::peers::orders::Order;
use crate::peers::server::{Line, Server};
use crate::peers::service::{Decision, Service};

/// Longest request read; no provider takes more.
const MAX_BODY: usize = 1024 * 1024;

/// The streams being answered.
pub(super) struct Streams {
    pub(super) open: AtomicUsize,
    pub(super) none_open: Notify,
    /// The last stream processed; every one until GOAWAY was sent.
    pub(super) last: AtomicU32,
}

impl Streams {
    pub(super) fn open(&self) -> usize {
        self.open.load(Ordering::Relaxed)
    }

    pub(super) fn last(&self) -> u32 {
        self.last.load(Ordering::Relaxed)
    }
}

/// Counts a stream as open until it is dropped.
pub(super) struct Busy(Arc<Streams>);

impl Busy {
    pub(super) fn new(streams: &Arc<Streams>) -> Self {
        streams.open.fetch_add(1, Ordering::Relaxed);
        Self(Arc::clone(streams))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        if self.0.open.fetch_sub(1, Ordering::Relaxed) == 1 {
            self.0.none_open.notify_one();
        }
    }
}

/// One request and its answer.
pub(super) struct Exchange<S: Service> {
    pub(super) server: Arc<Server<S>>,
    pub(super) line: Arc<Line<S::Connection>>,
    pub(super) streams: Arc<Streams>,
    pub(super) respond: SendResponse<Bytes>,
    /// Whether a success proves the connection.
    pub(super) unproven: bool,
}

impl<S: Service> Exchange<S> {
    /// Reads the request, decides, and does what was decided.
    pub(super) async fn run(mut self, request: Request<RecvStream>, busy: Busy) {
        let stream = self.respond.stream_id().as_u32();
        let (head, body) = request.into_parts();
        let Some(body) = read(body).await else { return };
        if stream > self.streams.last() {
            drop(busy);
            return given_up(&mut self.respond).await;
        }
        let request = Request::from_parts(head, body);
        let Decision { act, response, reason, delay } =
            self.server.decide(&self.line, &request, stream);
        if !delay.is_zero() {
            tokio::select! {
                () = tokio::time::sleep(delay) => {}
                () = given_up(&mut self.respond) => return,
            }
        }
        let debug =
            || reason.map_or_else(Bytes::new, |it| format!("{{\"reason\":\"{it}\"}}").into());
        match act {
            Act::Accept | Act::Respond => self.answer(response),
            Act::Stall => given_up(&mut self.respond).await,
            Act::Reset(code) => self.respond.send_reset(code),
            Act::Close | Act::CloseBeforeReading => self.order(Order::Close),
            Act::GoAway => {
                // Streams of clients have odd numbers (RFC 9113, section 5.1.1).
                let last_stream = stream.saturating_sub(2);
                self.streams.last.fetch_min(last_stream, Ordering::Relaxed);
                let code = Reason::NO_ERROR;
                self.order(Order::Leave { last_stream, code, debug: debug(), abrupt: false });
                drop(busy);
                given_up(&mut self.respond).await;
            }
            Act::GoAwayAbrupt(code) => {
                let debug = debug();
                self.order(Order::Leave { last_stream: stream, code, debug, abrupt: true });
                given_up(&mut self.respond).await;
            }
        }
    }

    fn answer(&mut self, response: Option<Response<Bytes>>) {
        let Some(response) = response else { return };
        let success = response.status().is_success();
        let (head, body) = response.into_parts();
        // The client may have given up, or gone: then nobody waits for the answer.
        if let Ok(mut sender) =
            self.respond.send_response(Response::from_parts(head, ()), body.is_empty())
            && !body.is_empty()
        {
            let _ = sender.send_data(body, true);
        }
        if self.unproven && success {
            self.order(Order::Proven);
        }
    }

    fn order(&self, order: Order) {
        // Without a receiver the connection is gone, and there is nothing to order.
        let _ = self.line.orders.send(order.into());
    }
}

/// Waits until the client gives the stream up or the connection ends.
pub(super) async fn given_up(respond: &mut SendResponse<Bytes>) {
    let _ = poll_fn(|cx| respond.poll_reset(cx)).await;
}

/// Reads a request's body; `None` if it does not come to its end, or is far too long.
async fn read(mut body: RecvStream) -> Option<Bytes> {
    let first = match body.data().await {
        Some(chunk) => chunk.ok()?,
        None => return Some(Bytes::new()),
    };
    let _ = body.flow_control().release_capacity(first.len());
    if body.is_end_stream() {
        return Some(first);
    }
    let mut whole = BytesMut::from(first);
    while let Some(chunk) = body.data().await {
        let chunk = chunk.ok()?;
        let _ = body.flow_control().release_capacity(chunk.len());
        if whole.len() + chunk.len() > MAX_BODY {
            return None;
        }
        whole.extend_from_slice(&chunk);
    }
    Some(whole.freeze())
}
