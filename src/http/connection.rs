//! One connection of a client, from its first byte on.
//!
//! actix-http times only the first head of a connection, and answers a head it cannot read with a
//! bare status. So a connection knows here how far its request is: whoever begins a head has to
//! finish it in time, on a connection that served a thousand requests before as on a new one, and
//! whatever is answered before a request reaches a route gets the error object and the id that
//! every other answer has.

use std::cell::Cell;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_http::error::DispatchError;
use actix_http::{Extensions, HttpService};
use actix_service::{IntoServiceFactory as _, ServiceFactory, ServiceFactoryExt as _};
use actix_service::{fn_service, map_config};
use actix_web::App;
use actix_web::dev::AppConfig;
use actix_web::web::ServiceConfig;
use bytes::{Buf as _, Bytes};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep, sleep_until};

use super::error::{Refusal, on_the_wire};
use super::head::X_REQUEST_ID;

/// How long a client may take for a request's head, from the connection's or the head's first byte.
const HEAD_TIMEOUT: Duration = Duration::from_secs(10);

/// How long an idle connection is kept. Synapse keeps its own for 2 minutes (`HTTPConnectionPool` in
/// `synapse/http/client.py`) and must be the first to close: a request on a connection that we
/// close meanwhile fails.
const KEEP_ALIVE: Duration = Duration::from_secs(130);

/// Serves `routes` on accepted sockets, each with its client's address. `stopping` makes a future
/// that ends when idle connections shall close.
pub fn service<IO, Stopping>(
    routes: impl Fn(&mut ServiceConfig),
    stopping: impl Fn() -> Stopping + 'static,
) -> impl ServiceFactory<
    (IO, Option<SocketAddr>),
    Config = (),
    Response = (),
    Error = DispatchError,
    InitError = (),
>
where
    IO: AsyncRead + AsyncWrite + Unpin + 'static,
    Stopping: Future<Output = ()> + 'static,
{
    let app = App::new().configure(routes).into_factory();
    let app = app.map_err(|error: actix_web::Error| error.error_response());
    let http = HttpService::build()
        .graceful_shutdown_signal(stopping)
        .keep_alive(KEEP_ALIVE)
        .client_request_timeout(Duration::ZERO)
        // Zero keeps actix from reading on, without a bound, what a refused client still sends:
        // `unread` does that within bounds.
        .client_disconnect_timeout(Duration::ZERO)
        .on_connect_ext(|connection: &Connection<IO>, data: &mut Extensions| {
            data.insert(connection.progress.clone());
        })
        .h1(map_config(app, |()| AppConfig::default()));
    fn_service(|(io, peer)| async move { Ok((Connection::new(io), peer)) }).and_then(http)
}

/// How far the request on a connection is. Its route says so in between.
#[derive(Debug)]
pub(super) struct Progress(Cell<Phase>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// A head is due until then.
    Head(Instant),
    /// A route has the request.
    Routed,
    /// The route has answered; nothing of that is sent yet.
    Answered,
    /// Nothing of the next request is there.
    Idle,
}

impl Progress {
    /// Says that a request has reached its route.
    pub(super) fn routed(&self) {
        self.0.set(Phase::Routed);
    }

    /// Says that the route has answered.
    pub(super) fn answered(&self) {
        self.0.set(Phase::Answered);
    }

    fn read_some(&self) {
        if self.0.get() == Phase::Idle {
            self.0.set(Phase::Head(Instant::now() + HEAD_TIMEOUT));
        }
    }

    fn wrote_some(&self) {
        if self.0.get() == Phase::Answered {
            self.0.set(Phase::Idle);
        }
    }

    fn head_due(&self) -> Option<Instant> {
        match self.0.get() {
            Phase::Head(due) => Some(due),
            Phase::Routed | Phase::Answered | Phase::Idle => None,
        }
    }
}

/// A socket that knows how far the request on it is.
#[derive(Debug)]
struct Connection<IO> {
    io: IO,
    progress: Rc<Progress>,
    /// Set for some head; a later one finds it and sets it anew only if it runs out.
    timer: Option<Pin<Box<Sleep>>>,
    /// What is sent instead of an answer that no route gave.
    instead: Bytes,
}

impl<IO: AsyncRead + AsyncWrite + Unpin> Connection<IO> {
    fn new(io: IO) -> Self {
        let due = Instant::now() + HEAD_TIMEOUT;
        Self {
            io,
            progress: Rc::new(Progress(Cell::new(Phase::Head(due)))),
            timer: None,
            instead: Bytes::new(),
        }
    }

    /// Waits until the head that is due is late, and says so to the client.
    fn poll_late(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let Some(due) = self.progress.head_due() else {
            return Poll::Pending;
        };
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(due)));
        loop {
            ready!(timer.as_mut().poll(cx));
            if timer.deadline() >= due {
                break;
            }
            timer.as_mut().reset(due);
        }
        let late = on_the_wire(&Refusal::head_too_slow());
        // As far as it goes: a client with a full receive buffer is not one that reads answers.
        let _ = Pin::new(&mut self.io).poll_write(cx, &late);
        Poll::Ready(())
    }

    /// Sends what is left of the answer given instead of actix's own.
    fn poll_instead(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while !self.instead.is_empty() {
            let sent = ready!(Pin::new(&mut self.io).poll_write(cx, &self.instead))?;
            if sent == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.instead.advance(sent);
        }
        Poll::Ready(Ok(()))
    }

    /// Returns what to send instead of `bytes`, if they are an answer to a head that reached no
    /// route.
    fn instead_of(&self, bytes: &[u8]) -> Option<Bytes> {
        self.progress.head_due()?;
        let status = bytes.strip_prefix(b"HTTP/1.1 ")?.first_chunk::<3>()?;
        // What a route answers has an id, even if the next head has begun meanwhile.
        let name = X_REQUEST_ID;
        let name = name.as_str().as_bytes();
        let has_id = bytes.windows(name.len()).any(|window| window == name);
        let refusal = Refusal::unreadable_head(*status).filter(|_| !has_id)?;
        Some(on_the_wire(&refusal))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncRead for Connection<IO> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let before = buffer.filled().len();
        if let Poll::Ready(read) = Pin::new(&mut this.io).poll_read(cx, buffer) {
            if buffer.filled().len() > before {
                this.progress.read_some();
            }
            return Poll::Ready(read);
        }
        this.poll_late(cx).map(|()| Err(io::ErrorKind::TimedOut.into()))
    }
}

impl<IO: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Connection<IO> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        ready!(this.poll_instead(cx))?;
        if let Some(instead) = this.instead_of(bytes) {
            this.instead = instead;
            return Poll::Ready(Ok(bytes.len()));
        }
        this.progress.wrote_some();
        Pin::new(&mut this.io).poll_write(cx, bytes)
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_instead(cx))?;
        Pin::new(&mut this.io).poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        ready!(this.poll_instead(cx))?;
        Pin::new(&mut this.io).poll_shutdown(cx)
    }
}
