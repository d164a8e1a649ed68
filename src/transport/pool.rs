//! One host, many requests: a few long-lived HTTP/2 connections, opened on first use.
//!
//! Requests wait here and never inside h2: a stream that was opened must be reset to be given up,
//! and many resets make the peer close the connection on everyone. One connection is opened at a
//! time, a further one only when all are full and have proved themselves by answers.
//! Runs on an actix arbiter, or inside a tokio `LocalSet`.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::oneshot;
use tokio::time::{Instant, timeout_at};

use super::connection::Connection;
use super::{ConnectionId, Dialer, Failure, Origin, Response, Sent, TransportError, driver};

/// The first pause between attempts to connect, after the second failure; it doubles.
const FIRST_PAUSE: Duration = Duration::from_millis(50);

/// The longest pause between attempts to connect.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// Limits of one pool.
#[derive(Debug, Clone)]
pub struct PoolSettings {
    /// Most connections that take requests at once; one that is ending does not count.
    pub max_connections: usize,
    /// Most requests waiting for a stream; one more is [`super::Failure::Overloaded`].
    pub max_waiting: usize,
    /// Longest time for DNS, TCP, proxy, TLS and the peer's SETTINGS together.
    pub connect_timeout: Duration,
    /// Longest time from sending the request to the answer's last byte.
    pub response_timeout: Duration,
    /// Time without an answer after which a PING is sent.
    pub ping_interval: Duration,
    /// Longest time for the PING's answer.
    pub ping_timeout: Duration,
    /// Largest answer read.
    pub max_body_bytes: usize,
}

impl Default for PoolSettings {
    fn default() -> Self {
        Self {
            max_connections: 2,
            max_waiting: 10_000,
            connect_timeout: Duration::from_secs(5),
            response_timeout: Duration::from_secs(10),
            ping_interval: Duration::from_secs(30),
            ping_timeout: Duration::from_secs(10),
            max_body_bytes: 64 * 1024,
        }
    }
}

/// HTTP/2 connections to one origin with one credential. Lives on one thread; clones share it.
#[derive(Clone)]
pub struct Pool {
    inner: Rc<Inner>,
}

impl Pool {
    /// Makes a pool without a connection; `open` counts its connections.
    #[must_use]
    pub fn new(origin: Origin, dialer: Dialer, settings: PoolSettings, open: Gauge) -> Self {
        let inner = Rc::new(Inner {
            origin,
            dialer,
            settings,
            open,
            connections: RefCell::default(),
            waiting: RefCell::default(),
            next_ticket: Cell::new(0),
            next_connection: Cell::new(0),
            connecting: Cell::new(false),
            trouble: RefCell::default(),
        });
        Self { inner }
    }

    /// Sends one request and reads its answer, waiting for a stream if need be, until `deadline`.
    ///
    /// Scheme and authority of the request's URI are replaced by the pool's. Dropping the future is
    /// safe at any time.
    ///
    /// # Errors
    ///
    /// Returns what failed and whether the request can have been processed.
    pub async fn send(
        &self,
        request: http::Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response, TransportError> {
        let place = self.inner.place(deadline).await?;
        let now = Instant::now();
        if now >= deadline {
            return Err(too_late());
        }
        let settings = &self.inner.settings;
        let until = deadline.min(now + settings.response_timeout);
        let answer = place.connection.begin(request)?;
        let answer = answer.read(until, settings.max_body_bytes).await?;
        self.inner.trouble.take();
        Ok(answer)
    }

    /// Takes a connection out of use: it gets no new request, and ends with its last answer.
    pub fn retire(&self, connection: ConnectionId) {
        let retired = self.inner.remove(connection);
        if let Some(connection) = retired {
            connection.leave("it was retired");
        }
    }
}

fn too_late() -> TransportError {
    let detail = "the deadline came before the request was sent";
    TransportError::new(Failure::Timeout, Sent::No, detail)
}

type Granted = Result<Place, TransportError>;

struct Inner {
    origin: Origin,
    dialer: Dialer,
    settings: PoolSettings,
    open: Gauge,
    /// Those that take requests.
    connections: RefCell<Vec<Rc<Connection>>>,
    /// Who waits for a place, by ticket: first come, first served. While somebody waits there is
    /// no place, and a connection is in use or being opened.
    waiting: RefCell<BTreeMap<u64, oneshot::Sender<Granted>>>,
    next_ticket: Cell<u64>,
    next_connection: Cell<u64>,
    connecting: Cell<bool>,
    trouble: RefCell<Option<Trouble>>,
}

/// Connections that could not be opened, or never answered, since the last answer.
struct Trouble {
    times: u32,
    /// No connection is opened before.
    until: Instant,
    error: TransportError,
}

impl Inner {
    /// Takes a place on a connection, after those who came before.
    async fn place(self: &Rc<Self>, deadline: Instant) -> Granted {
        if self.waiting.borrow().is_empty()
            && let Some(place) = self.free_place()
        {
            return Ok(place);
        }
        let (_waiter, granted) = self.wait()?;
        match timeout_at(deadline, granted).await {
            Ok(Ok(granted)) => granted,
            Ok(Err(_)) | Err(_) => Err(too_late()),
        }
    }

    /// Takes a place on the connection with the least requests.
    fn free_place(self: &Rc<Self>) -> Option<Place> {
        let connections = self.connections.borrow();
        let connection = connections
            .iter()
            .filter(|connection| connection.has_room())
            .min_by_key(|connection| connection.in_flight.get())?;
        connection.in_flight.set(connection.in_flight.get() + 1);
        Some(Place { connection: connection.clone(), pool: self.clone() })
    }

    fn wait(self: &Rc<Self>) -> Result<(Waiter<'_>, oneshot::Receiver<Granted>), TransportError> {
        let waiting = self.waiting.borrow().len();
        if waiting >= self.settings.max_waiting {
            let detail = format!("{waiting} requests wait already");
            return Err(TransportError::new(Failure::Overloaded, Sent::No, detail));
        }
        self.grow()?;
        let ticket = self.next_ticket.replace(self.next_ticket.get() + 1);
        let (grant, granted) = oneshot::channel();
        self.waiting.borrow_mut().insert(ticket, grant);
        Ok((Waiter { pool: self, ticket }, granted))
    }

    /// Gives free places to those who wait longest, and opens a connection if they are too few.
    fn serve(self: &Rc<Self>) {
        while !self.waiting.borrow().is_empty() {
            let Some(place) = self.free_place() else {
                if let Err(error) = self.grow() {
                    self.refuse(&error);
                }
                return;
            };
            let first = self.waiting.borrow_mut().pop_first();
            if let Some((_, grant)) = first {
                // A waiter leaves the queue before it goes, so somebody takes it.
                let _ = grant.send(Ok(place));
            }
        }
    }

    /// Fails everyone who waits.
    fn refuse(&self, error: &TransportError) {
        for (_, grant) in self.waiting.take() {
            let _ = grant.send(Err(error.clone()));
        }
    }

    /// Opens a connection for those who find no place, if another one is allowed and makes sense.
    ///
    /// # Errors
    ///
    /// Returns the last failure if there is no connection and it is too early for another attempt.
    fn grow(self: &Rc<Self>) -> Result<(), TransportError> {
        let connections = self.connections.borrow();
        if self.connecting.get() || connections.len() >= self.settings.max_connections.max(1) {
            return Ok(());
        }
        // APNs allows one stream until the first request succeeded, and raises that with its answer
        // or a little later; the second answer shows what the connection can do.
        // https://developer.apple.com/documentation/usernotifications/sending-notification-requests-to-apns
        if connections.iter().any(|open| open.answers() < 2) {
            return Ok(());
        }
        if let Some(trouble) = &*self.trouble.borrow()
            && Instant::now() < trouble.until
        {
            return if connections.is_empty() { Err(trouble.error.clone()) } else { Ok(()) };
        }
        self.connecting.set(true);
        let id = self.next_connection.replace(self.next_connection.get() + 1);
        actix_rt::spawn(self.clone().open(ConnectionId(id)));
        Ok(())
    }

    /// Opens a connection, and keeps it going to its end.
    async fn open(self: Rc<Self>, id: ConnectionId) {
        let opened = driver::open(id, &self.origin, &self.dialer, &self.settings).await;
        self.connecting.set(false);
        match opened {
            Ok((connection, driver)) => {
                tracing::debug!(id = id.0, host = self.origin.host, "connection opened");
                let _open = Open::count(&self.open);
                self.connections.borrow_mut().push(connection);
                self.serve();
                let pool = Rc::downgrade(&self);
                drop(self);
                let changed = || {
                    if let Some(pool) = pool.upgrade() {
                        pool.sweep();
                        pool.serve();
                    }
                };
                driver.run(changed).await;
            }
            Err(error) => {
                self.worry(error.clone());
                if self.connections.borrow().is_empty() {
                    self.refuse(&error);
                }
            }
        }
    }

    /// Puts off the next attempt after repeated failures.
    fn worry(&self, error: TransportError) {
        let mut trouble = self.trouble.borrow_mut();
        let times = trouble.as_ref().map_or(1, |trouble| trouble.times + 1);
        let host = &self.origin.host;
        if error.failure == Failure::NoHttp2 {
            tracing::debug!(host, "the host does not speak HTTP/2");
        } else if times == 1 {
            tracing::warn!(host, %error, "cannot reach the host");
        } else {
            tracing::debug!(host, %error, times, "cannot reach the host again");
        }
        let pause = match times {
            1 => Duration::ZERO,
            _ => FIRST_PAUSE.saturating_mul(1 << (times - 2).min(16)),
        };
        *trouble = Some(Trouble { times, until: Instant::now() + pause.min(LONGEST_PAUSE), error });
    }

    /// Lets go of connections that take no new request; they end with their last answer.
    fn sweep(&self) {
        let mut connections = self.connections.borrow_mut();
        let gone: Vec<_> =
            connections.extract_if(.., |connection| connection.is_leaving()).collect();
        drop(connections);
        for connection in gone {
            if connection.answers() == 0 {
                self.worry(TransportError::unreachable(Failure::Closed, connection.cause()));
            }
        }
    }

    fn remove(&self, id: ConnectionId) -> Option<Rc<Connection>> {
        let mut connections = self.connections.borrow_mut();
        let index = connections.iter().position(|open| open.id == id)?;
        Some(connections.swap_remove(index))
    }
}

/// A request's place on a connection.
struct Place {
    connection: Rc<Connection>,
    pool: Rc<Inner>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let in_flight = &self.connection.in_flight;
        in_flight.set(in_flight.get() - 1);
        if self.connection.is_leaving() {
            self.pool.sweep();
        }
        self.pool.serve();
    }
}

/// Takes a waiter out of the queue when its request is over.
struct Waiter<'a> {
    pool: &'a Inner,
    ticket: u64,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        self.pool.waiting.borrow_mut().remove(&self.ticket);
    }
}

/// Counts an open connection.
struct Open(Gauge);

impl Open {
    fn count(gauge: &Gauge) -> Self {
        gauge.inc();
        Self(gauge.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests;
