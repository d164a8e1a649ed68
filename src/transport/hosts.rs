//! Many hosts that somebody else chose: web push services, and whatever a URL in a pusher names.
//!
//! Each host has connections of its own, HTTP/2 where it speaks it. How many hosts are kept, how
//! much one of them may hold, and how long it may take are all limited, so that a dead or hostile
//! one costs the others nothing. A URL is a stranger's word: https only, no user info, and never an
//! address that is not public, unless the dialer may go anywhere.

mod host;

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Uri};
use prometheus_client::metrics::gauge::Gauge;
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep};
use url::{Position, Url};

use self::host::Host;
use super::pool::PoolSettings;
use super::{Addresses, Dialer, Failure, Origin, Response, Sent, TransportError};

/// Most names looked up at once. Each takes one of a worker's few threads for such work, as long as
/// the system's resolver waits for a name server that may never answer.
const MAX_LOOKUPS: usize = 4;

/// Limits over many hosts.
#[derive(Debug, Clone)]
pub struct HostsSettings {
    /// Most hosts with connections; the one unused for longest makes room for another.
    pub max_hosts: usize,
    /// Most requests that one host may hold; one more is [`Failure::Overloaded`].
    pub max_requests: usize,
    /// Time without a request after which a host's connections are closed.
    pub idle: Duration,
    /// Failures in a row after which a host is left alone for a while; `None` is never.
    pub patience: Option<u32>,
    /// Most connections to a host that speaks HTTP/1.1 only: each carries one request at a time.
    pub http1_connections: usize,
    /// Limits of one host's connections, and of each answer.
    pub pool: PoolSettings,
}

impl Default for HostsSettings {
    fn default() -> Self {
        let max_requests = 256;
        Self {
            max_hosts: 512,
            max_requests,
            idle: Duration::from_secs(90),
            patience: Some(3),
            http1_connections: 16,
            pool: PoolSettings { max_waiting: max_requests, ..PoolSettings::default() },
        }
    }
}

/// Connections to many hosts. Lives on one thread; clones share it.
#[derive(Clone)]
pub struct Hosts {
    inner: Rc<Inner>,
}

struct Inner {
    dialer: Dialer,
    settings: HostsSettings,
    open: Gauge,
    hosts: RefCell<HashMap<Origin, Rc<Host>>>,
    sweeping: Cell<bool>,
}

impl Hosts {
    /// Makes it without a connection. `dialer` must offer `h2` and `http/1.1`; its
    /// [`Dialer::addresses`] say where requests may go. `open` counts HTTP/2 connections.
    #[must_use]
    pub fn new(mut dialer: Dialer, settings: HostsSettings, open: Gauge) -> Self {
        dialer.lookups = Some(Arc::new(Semaphore::new(MAX_LOOKUPS)));
        let inner = Rc::new(Inner {
            dialer,
            settings,
            open,
            hosts: RefCell::default(),
            sweeping: Cell::new(false),
        });
        Self { inner }
    }

    /// Sends one request to `url`, which takes the place of the request's URI, and reads its answer
    /// until `deadline`. Redirects are answers like any other.
    ///
    /// # Errors
    ///
    /// Returns what failed and whether the request can have been processed;
    /// [`Failure::Forbidden`] if this URL must not be requested at all.
    pub async fn send(
        &self,
        url: &Url,
        mut request: Request<Bytes>,
        deadline: Instant,
    ) -> Result<Response, TransportError> {
        let origin = origin(url, self.inner.dialer.addresses)?;
        // A fragment is not sent.
        *request.uri_mut() = Uri::try_from(&url[..Position::AfterQuery])
            .map_err(|error| forbidden(format!("not a URL that HTTP can carry: {error}")))?;
        let host = self.inner.host(origin)?;
        host.send(request, deadline).await
    }
}

/// Says whether a URL may be requested at all, as far as the URL tells.
///
/// # Errors
///
/// Returns [`Failure::Forbidden`] if it may not.
pub fn check(url: &Url, addresses: Addresses) -> Result<(), TransportError> {
    origin(url, addresses).map(drop)
}

/// Returns where a URL leads, if requests may go there as far as the URL tells.
fn origin(url: &Url, addresses: Addresses) -> Result<Origin, TransportError> {
    let origin = Origin::of(url).filter(|origin| origin.tls || addresses == Addresses::Any);
    let origin = origin.ok_or_else(|| forbidden(format!("{} is not https", url.scheme())))?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err(forbidden("the URL has user info"));
    }
    // Names are judged by their addresses when they are dialled.
    if origin.host.parse().is_ok_and(|address| !addresses.allow(address)) {
        return Err(forbidden(format!("{} is not public", origin.host)));
    }
    Ok(origin)
}

fn forbidden(detail: impl Into<String>) -> TransportError {
    TransportError::unreachable(Failure::Forbidden, detail)
}

impl Inner {
    /// Returns the host, making room for one met for the first time.
    fn host(self: &Rc<Self>, origin: Origin) -> Result<Rc<Host>, TransportError> {
        let mut hosts = self.hosts.borrow_mut();
        if let Some(host) = hosts.get(&origin) {
            return Ok(host.clone());
        }
        if hosts.len() >= self.settings.max_hosts {
            let idle = hosts.iter().filter(|(_, host)| host.is_idle());
            let oldest = idle.min_by_key(|(_, host)| host.last_used());
            let Some(oldest) = oldest.map(|(origin, _)| origin.clone()) else {
                let detail = format!("{} hosts are in use", hosts.len());
                return Err(TransportError::new(Failure::Overloaded, Sent::No, detail));
            };
            hosts.remove(&oldest);
        }
        let host = Host::new(origin.clone(), self.dialer.clone(), &self.settings, &self.open);
        let host = Rc::new(host);
        hosts.insert(origin, host.clone());
        if !self.sweeping.replace(true) {
            actix_rt::spawn(sweep(Rc::downgrade(self), self.settings.idle));
        }
        Ok(host)
    }
}

/// Forgets hosts that were not used for a while, and with them their connections, until there are
/// none.
async fn sweep(hosts: Weak<Inner>, idle: Duration) {
    loop {
        sleep(idle).await;
        let Some(inner) = hosts.upgrade() else { return };
        let now = Instant::now();
        let mut hosts = inner.hosts.borrow_mut();
        hosts.retain(|_, host| !host.is_idle() || now < host.last_used() + idle);
        if hosts.is_empty() {
            inner.sweeping.set(false);
            return;
        }
    }
}

#[cfg(test)]
mod tests;
