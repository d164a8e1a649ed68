//! One of many hosts: the protocol it speaks, how much it holds, and a rest when it is unwell.

use std::cell::{Cell, OnceCell, RefCell};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use prometheus_client::metrics::gauge::Gauge;
use tokio::time::Instant;

use super::HostsSettings;
use crate::transport::client::Client;
use crate::transport::pool::Pool;
use crate::transport::{Dialer, Failure, Origin, Response, Sent, TransportError};

/// The first rest; it doubles with each failure after it.
const FIRST_REST: Duration = Duration::from_secs(1);

/// The longest rest.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// One host with its connections.
pub(super) struct Host {
    dialer: Dialer,
    tls: bool,
    pool: Pool,
    /// Takes the place of the pool where HTTP/2 is not spoken.
    http1: OnceCell<Client>,
    speaks_http2: Cell<bool>,
    patience: Option<u32>,
    http1_connections: usize,
    max_requests: usize,
    max_body_bytes: usize,
    response_timeout: Duration,
    in_flight: Cell<usize>,
    last_used: Cell<Instant>,
    trouble: RefCell<Option<Trouble>>,
}

/// Failures since the last answer. Requests that were under way together fail together: that is
/// one.
struct Trouble {
    times: u32,
    since: Instant,
    error: TransportError,
}

impl Trouble {
    /// Returns how long the host rests from `since` on.
    fn rest(&self, patience: Option<u32>) -> Option<Duration> {
        let doublings = self.times.checked_sub(patience?)?;
        Some(FIRST_REST.saturating_mul(1 << doublings.min(16)).min(LONGEST_REST))
    }
}

impl Host {
    pub(super) fn new(
        origin: Origin,
        dialer: Dialer,
        settings: &HostsSettings,
        open: &Gauge,
    ) -> Self {
        Self {
            tls: origin.tls,
            pool: Pool::new(origin, dialer.clone(), settings.pool.clone(), open.clone()),
            dialer,
            http1: OnceCell::new(),
            speaks_http2: Cell::new(false),
            patience: settings.patience,
            http1_connections: settings.http1_connections,
            max_requests: settings.max_requests,
            max_body_bytes: settings.pool.max_body_bytes,
            response_timeout: settings.pool.response_timeout,
            in_flight: Cell::new(0),
            last_used: Cell::new(Instant::now()),
            trouble: RefCell::default(),
        }
    }

    /// Whether it holds no request.
    pub(super) fn is_idle(&self) -> bool {
        self.in_flight.get() == 0
    }

    /// Returns when it last got or settled a request.
    pub(super) fn last_used(&self) -> Instant {
        self.last_used.get()
    }

    /// Sends one request and reads its answer until `deadline`.
    pub(super) async fn send(
        &self,
        request: Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response, TransportError> {
        let _held = self.hold()?;
        let started = Instant::now();
        let answer = self.exchange(request, deadline).await;
        match &answer {
            Ok(_) => drop(self.trouble.take()),
            Err(error) if self.is_to_blame(error, started) => self.worry(error, started),
            Err(_) => {}
        }
        answer
    }

    /// Counts a request, if the host may get one more.
    fn hold(&self) -> Result<Held<'_>, TransportError> {
        let (now, in_flight) = (Instant::now(), self.in_flight.get());
        if let Some(trouble) = &*self.trouble.borrow()
            && let Some(rest) = trouble.rest(self.patience)
            // After its rest it is asked by one request at a time.
            && (now < trouble.since + rest || in_flight > 0)
        {
            let detail = format!("failed {} times, last: {}", trouble.times, trouble.error);
            return Err(TransportError::unreachable(Failure::Resting, detail));
        }
        if in_flight >= self.max_requests {
            let detail = format!("the host holds {in_flight} requests already");
            return Err(TransportError::new(Failure::Overloaded, Sent::No, detail));
        }
        self.in_flight.set(in_flight + 1);
        self.last_used.set(now);
        Ok(Held(self))
    }

    async fn exchange(
        &self,
        request: Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response, TransportError> {
        // HTTP/1.1 in a box, so that requests over HTTP/2 are no larger for it.
        if !self.tls || self.http1.get().is_some() {
            return Box::pin(self.exchange_http1(request, deadline)).await;
        }
        let spare = (!self.speaks_http2.get()).then(|| request.clone());
        let answer = self.pool.send(request, deadline).await;
        self.speaks_http2.set(answer.is_ok());
        match (answer, spare) {
            (Err(error), Some(request)) if error.failure == Failure::NoHttp2 => {
                Box::pin(self.exchange_http1(request, deadline)).await
            }
            (answer, _) => answer,
        }
    }

    async fn exchange_http1(
        &self,
        request: Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response, TransportError> {
        let client = self.http1.get_or_init(|| {
            Client::of_one_host(&self.dialer, self.max_body_bytes, self.http1_connections)
        });
        let left = deadline.saturating_duration_since(Instant::now());
        client.send(request, left.min(self.response_timeout)).await
    }

    /// Whether a failure says something about the host: not if it is our own doing, nor if the host
    /// did not get the time it may take.
    fn is_to_blame(&self, error: &TransportError, started: Instant) -> bool {
        match error.failure {
            Failure::Forbidden | Failure::Overloaded | Failure::Resting => false,
            Failure::Timeout => started.elapsed() >= self.response_timeout,
            _ => error.sent != Sent::No,
        }
    }

    fn worry(&self, error: &TransportError, started: Instant) {
        let mut trouble = self.trouble.borrow_mut();
        let times = match &*trouble {
            Some(trouble) if started <= trouble.since => return,
            Some(trouble) => trouble.times + 1,
            None => 1,
        };
        *trouble = Some(Trouble { times, since: Instant::now(), error: error.clone() });
    }
}

/// A request in the host's hands.
struct Held<'h>(&'h Host);

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.in_flight.set(self.0.in_flight.get() - 1);
        self.0.last_used.set(Instant::now());
    }
}
