//! One HTTP/2 connection of a peer: accepts streams, obeys orders, answers.

mod exchange;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::Bytes;
use h2::server::{Connection, SendResponse};
use h2::{Reason, RecvStream};
use http::Request;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;

use super::orders::{Command, Order, obeying};
use super::server::{Line, Server};
use super::service::Service;
use super::wire::{Control, Wire};
use exchange::{Busy, Exchange, Streams, given_up};

const STREAM_WINDOW: u32 = 256 * 1024;
const CONNECTION_WINDOW: u32 = 4 * 1024 * 1024;
/// Pause before a SETTINGS frame is tried again while the last one is not acknowledged.
const SETTINGS_RETRY: Duration = Duration::from_millis(2);
/// Time for the client to close after GOAWAY and end of stream.
const LINGER: Duration = Duration::from_secs(1);

/// The end of a connection, in steps.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Phase {
    Open,
    /// GOAWAY was sent; streams before it are still answered.
    Leaving,
    /// Everything was said; closes at this time if the client does not.
    Ending(Instant),
}

/// The connection's own state.
struct Driver<S: Service> {
    server: Arc<Server<S>>,
    line: Arc<Line<S::Connection>>,
    control: Arc<Control>,
    streams: Arc<Streams>,
    /// How many streams may be open.
    limit: usize,
    /// Whether the limit is still that of the time before the first success.
    unproven: bool,
    /// Whether a SETTINGS frame is due.
    settings_due: bool,
    frozen: bool,
    newest: u32,
    phase: Phase,
}

/// Serves one connection until it ends.
pub(super) async fn serve<S: Service, T: AsyncRead + AsyncWrite + Unpin>(
    server: Arc<Server<S>>,
    io: T,
    line: Arc<Line<S::Connection>>,
    orders: &mut mpsc::UnboundedReceiver<Command>,
) -> io::Result<()> {
    let first = server.service.first_streams(&line.connection());
    let limit = first.unwrap_or_else(|| server.shared.max_streams.load(Ordering::Relaxed));
    let control = Control::new(limit);
    let handshake = h2::server::Builder::new()
        .initial_window_size(STREAM_WINDOW)
        .initial_connection_window_size(CONNECTION_WINDOW)
        // The wire replaces it, and the driver enforces what the wire says.
        .max_concurrent_streams(u32::MAX)
        .handshake(Wire::new(io, Arc::clone(&control)));
    let Some(h2) = obeying(orders, handshake).await else {
        return Ok(());
    };
    let driver = Driver {
        server,
        line,
        control,
        streams: Arc::new(Streams {
            open: AtomicUsize::new(0),
            none_open: Notify::new(),
            last: AtomicU32::new(u32::MAX),
        }),
        limit: limit as usize,
        unproven: first.is_some(),
        settings_due: false,
        frozen: false,
        newest: 0,
        phase: Phase::Open,
    };
    driver.run(h2.map_err(io::Error::other)?, orders).await;
    Ok(())
}

impl<S: Service> Driver<S> {
    async fn run<T: AsyncRead + AsyncWrite + Unpin>(
        mut self,
        mut h2: Connection<Wire<T>, Bytes>,
        orders: &mut mpsc::UnboundedReceiver<Command>,
    ) {
        let streams = Arc::clone(&self.streams);
        loop {
            if self.settings_due && h2.set_initial_window_size(STREAM_WINDOW).is_ok() {
                self.settings_due = false;
            }
            let (leaving, end) = match self.phase {
                Phase::Open => (false, None),
                Phase::Leaving => (true, None),
                Phase::Ending(end) => (false, Some(end)),
            };
            let idle = leaving && self.streams.open() == 0;
            tokio::select! {
                biased;
                command = orders.recv() => match command {
                    Some(command) if self.obey(&command.order) => {}
                    _ => return,
                },
                accepted = h2.accept(), if !self.frozen => match accepted {
                    Some(Ok((request, respond))) => {
                        if !self.accept(request, respond).await {
                            return;
                        }
                    }
                    _ => return,
                },
                // Only now, when the connection was polled: the last answer is on its way.
                () = std::future::ready(()), if idle && !self.frozen => {
                    self.control.end();
                    self.phase = Phase::Ending(Instant::now() + LINGER);
                }
                () = streams.none_open.notified(), if leaving => {}
                () = tokio::time::sleep(SETTINGS_RETRY), if self.settings_due && !self.frozen => {}
                () = tokio::time::sleep_until(end.unwrap_or_else(Instant::now)), if end.is_some() => return,
            }
        }
    }

    /// Obeys an order; returns whether the connection goes on.
    fn obey(&mut self, order: &Order) -> bool {
        match order {
            Order::Close => return false,
            Order::Freeze => self.frozen = true,
            Order::Thaw => self.frozen = false,
            Order::Proven if self.unproven => {
                self.unproven = false;
                self.allow(self.server.shared.max_streams.load(Ordering::Relaxed));
            }
            Order::Proven => {}
            Order::Streams(_) if self.unproven => {}
            Order::Streams(streams) => self.allow(*streams),
            Order::GoAway => self.leave(self.newest, Reason::NO_ERROR, b"", false),
            Order::Leave { last_stream, code, debug, abrupt } => {
                self.leave(*last_stream, *code, debug, *abrupt);
            }
        }
        true
    }

    fn allow(&mut self, streams: u32) {
        self.control.set_streams(streams);
        self.limit = streams as usize;
        self.settings_due = true;
    }

    fn leave(&mut self, last_stream: u32, code: Reason, debug: &[u8], abrupt: bool) {
        // A second GOAWAY must not name a later stream (RFC 9113, section 6.8).
        let last = self.streams.last.fetch_min(last_stream, Ordering::Relaxed).min(last_stream);
        self.control.goaway(last, code, debug, abrupt);
        match self.phase {
            Phase::Ending(_) => {}
            _ if abrupt => self.phase = Phase::Ending(Instant::now() + LINGER),
            _ => self.phase = Phase::Leaving,
        }
    }

    /// Takes a new stream; returns whether the connection goes on.
    async fn accept(
        &mut self,
        request: Request<RecvStream>,
        mut respond: SendResponse<Bytes>,
    ) -> bool {
        let id = respond.stream_id().as_u32();
        if id > self.streams.last() {
            tokio::spawn(async move {
                let _unread = request;
                given_up(&mut respond).await;
            });
            return true;
        }
        self.newest = id;
        if self.streams.open() >= self.limit {
            // Streams the client has just reset end in tasks of their own: they come first.
            tokio::task::yield_now().await;
        }
        if self.streams.open() >= self.limit {
            self.server.shared.streams_refused.fetch_add(1, Ordering::Relaxed);
            respond.send_reset(Reason::REFUSED_STREAM);
            return true;
        }
        if self.server.shared.script.closes_before_reading() {
            return false;
        }
        let exchange = Exchange {
            server: Arc::clone(&self.server),
            line: Arc::clone(&self.line),
            streams: Arc::clone(&self.streams),
            respond,
            unproven: self.unproven,
        };
        tokio::spawn(exchange.run(request, Busy::new(&self.streams)));
        true
    }
}
