//! The way to a host: DNS, TCP without Nagle's delay, a CONNECT proxy if one is set, TLS.
//!
//! Names are resolved anew for each connection: Apple asks for it, and balances by it. Where only
//! public addresses may be dialled, the address that was checked is the one that is dialled, and
//! the one that the proxy is asked for: nobody resolves the name a second time. Nothing here has a
//! time limit of its own; who dials sets one.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use rustls::ClientConfig;
use rustls_pki_types::ServerName;
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use url::{Host, Url};

use super::{Addresses, Failure, Proxy, Stream, TransportError};

/// Time after which the next address is tried beside the last: RFC 8305, section 5.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Where requests go: scheme, host and port.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Origin {
    /// Whether TLS is spoken; HTTP/2 with prior knowledge otherwise.
    pub tls: bool,
    /// The host as written in the URL (IPv6 without brackets).
    pub host: String,
    /// The port.
    pub port: u16,
}

impl Origin {
    /// Takes the origin out of an http or https URL; `None` for every other URL.
    #[must_use]
    pub fn of(url: &Url) -> Option<Self> {
        let tls = match url.scheme() {
            "https" => true,
            "http" => false,
            _ => return None,
        };
        let host = match url.host()? {
            Host::Domain(domain) => domain.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let port = url.port_or_known_default()?;
        Some(Self { tls, host, port })
    }

    /// Returns `host` or `host:port`, as `:authority` and `Host` have it.
    #[must_use]
    pub fn authority(&self) -> String {
        let usual = if self.tls { 443 } else { 80 };
        if self.port == usual { self.bracketed() } else { self.authority_with_port() }
    }

    /// Returns `host:port`, as CONNECT has it.
    pub(super) fn authority_with_port(&self) -> String {
        format!("{}:{}", self.bracketed(), self.port)
    }

    fn bracketed(&self) -> String {
        if self.host.contains(':') { format!("[{}]", self.host) } else { self.host.clone() }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.tls { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority())
    }
}

/// Opens connections. Cheap to clone, shared between threads.
#[derive(Debug, Clone)]
pub struct Dialer {
    /// TLS settings; ALPN is set by the user of the dialer.
    pub tls: Arc<ClientConfig>,
    /// The proxy, if any.
    pub proxy: Option<Arc<Proxy>>,
    /// Which addresses are dialled. The proxy itself is the operator's choice, wherever it is.
    pub addresses: Addresses,
    /// Places for names that are being looked up, where there is a limit.
    pub(super) lookups: Option<Arc<Semaphore>>,
}

impl Dialer {
    /// Makes a dialer for hosts that the operator chose.
    #[must_use]
    pub fn new(tls: Arc<ClientConfig>, proxy: Option<Arc<Proxy>>) -> Self {
        Self { tls, proxy, addresses: Addresses::Any, lookups: None }
    }

    /// Returns the same dialer without its proxy, for hosts that only exist nearby.
    #[must_use]
    pub fn direct(&self) -> Self {
        Self { proxy: None, ..self.clone() }
    }

    /// Opens a connection to `origin`, with TLS if it asks for it.
    ///
    /// # Errors
    ///
    /// Returns what failed on the way; always [`super::Sent::Unreachable`].
    pub async fn connect(&self, origin: &Origin) -> Result<Stream, TransportError> {
        let tcp = self.reach(origin).await?;
        if !origin.tls {
            return Ok(Stream::Plain(tcp));
        }
        let failed = |error: &dyn std::fmt::Display| {
            let detail = format!("no TLS with {}: {error}", origin.host);
            TransportError::unreachable(Failure::Tls, detail)
        };
        let name = ServerName::try_from(origin.host.clone()).map_err(|error| failed(&error))?;
        TlsConnector::from(self.tls.clone())
            .connect(name, tcp)
            .await
            .map(Stream::Tls)
            .map_err(|error| failed(&error))
    }

    /// Opens a TCP connection that ends at `origin`, itself or through the proxy.
    pub(super) async fn reach(&self, origin: &Origin) -> Result<TcpStream, TransportError> {
        let proxy = self.proxy.as_deref().filter(|proxy| proxy.covers(origin));
        match (proxy, self.addresses) {
            (None, _) => {
                let resolved = self.resolve(origin).await?;
                dial(&origin.host, origin.port, resolved).await
            }
            (Some(proxy), Addresses::Any) => tunnel(proxy, origin).await,
            (Some(proxy), Addresses::Public) => {
                let resolved = self.resolve(origin).await?;
                let mut last = None;
                for address in alternating(resolved) {
                    let checked = Origin { host: address.ip().to_string(), ..*origin };
                    match tunnel(proxy, &checked).await {
                        Ok(tcp) => return Ok(tcp),
                        Err(error) => last = Some(error),
                    }
                }
                Err(last.unwrap_or_else(|| no_address(&origin.host)))
            }
        }
    }

    /// Returns the addresses of `origin` that may be dialled.
    async fn resolve(&self, origin: &Origin) -> Result<Vec<SocketAddr>, TransportError> {
        let host = &origin.host;
        let all = found(host, self.look_up(host, origin.port).await)?;
        permitted(all, self.addresses).ok_or_else(|| {
            let detail = format!("{host} has no public address");
            TransportError::unreachable(Failure::Forbidden, detail)
        })
    }

    /// Looks a name up. Where lookups have places, one keeps its place until the system's resolver
    /// gives it up, even if nobody waits for it any more: it holds a thread for so long.
    async fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        let is_name = host.parse::<IpAddr>().is_err();
        let Some(lookups) = self.lookups.clone().filter(|_| is_name) else {
            return look_up(host, port).await;
        };
        let place = lookups.acquire_owned().await.map_err(io::Error::other)?;
        let host = host.to_owned();
        let lookup = actix_rt::spawn(async move {
            let _place = place;
            look_up(&host, port).await
        });
        lookup.await.map_err(io::Error::other)?
    }
}

/// Opens a tunnel through the proxy.
async fn tunnel(proxy: &Proxy, origin: &Origin) -> Result<TcpStream, TransportError> {
    let mut tcp = dial_proxy(proxy).await?;
    proxy.tunnel(&mut tcp, origin).await?;
    Ok(tcp)
}

/// Asks a proxy for a tunnel that nobody will use, and returns the status of its answer.
///
/// # Errors
///
/// Returns why there is none.
pub async fn ask_proxy(proxy: &Proxy, origin: &Origin) -> Result<u16, TransportError> {
    let mut tcp = dial_proxy(proxy).await?;
    proxy.ask(&mut tcp, origin).await
}

async fn dial_proxy(proxy: &Proxy) -> Result<TcpStream, TransportError> {
    let (host, port) = (proxy.host.as_str(), proxy.port);
    let opening = async { dial(host, port, found(host, look_up(host, port).await)?).await };
    opening.await.map_err(|error| TransportError { failure: Failure::Proxy, ..error })
}

/// Connects to the first of a host's addresses that answers.
async fn dial(
    host: &str,
    port: u16,
    resolved: Vec<SocketAddr>,
) -> Result<TcpStream, TransportError> {
    let stream = race(alternating(resolved)).await.and_then(|stream| {
        // HEADERS and DATA are separate writes: Nagle's algorithm would hold the second back for
        // the peer's delayed ACK, some 40 ms for each request.
        stream.set_nodelay(true)?;
        Ok(stream)
    });
    stream.map_err(|error| {
        let detail = format!("cannot connect to {host} port {port}: {error}");
        TransportError::unreachable(Failure::Connect, detail)
    })
}

/// Looks a name up, unless it is an address already.
async fn look_up(host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
    Ok(tokio::net::lookup_host((host, port)).await?.collect())
}

/// Says what a lookup has found.
fn found(
    host: &str,
    looked_up: io::Result<Vec<SocketAddr>>,
) -> Result<Vec<SocketAddr>, TransportError> {
    let addresses = looked_up.map_err(|error| {
        TransportError::unreachable(Failure::Dns, format!("cannot resolve {host}: {error}"))
    })?;
    if addresses.is_empty() {
        return Err(no_address(host));
    }
    Ok(addresses)
}

/// Returns the addresses that may be dialled; `None` if there are none.
fn permitted(mut all: Vec<SocketAddr>, addresses: Addresses) -> Option<Vec<SocketAddr>> {
    all.retain(|address| addresses.allow(address.ip()));
    (!all.is_empty()).then_some(all)
}

fn no_address(host: &str) -> TransportError {
    TransportError::unreachable(Failure::Dns, format!("{host} has no address"))
}

/// Orders addresses so that families take turns, the resolver's favourite first: RFC 8305, section
/// 4.
fn alternating(addresses: Vec<SocketAddr>) -> impl ExactSizeIterator<Item = SocketAddr> {
    let first_is_v6 = addresses.first().is_some_and(SocketAddr::is_ipv6);
    let (mut favourites, mut others): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|address| address.is_ipv6() == first_is_v6);
    let mut ordered = Vec::with_capacity(favourites.len() + others.len());
    favourites.reverse();
    others.reverse();
    while let Some(address) = favourites.pop() {
        ordered.push(address);
        ordered.extend(others.pop());
    }
    others.reverse();
    ordered.extend(others);
    ordered.into_iter()
}

/// Tries addresses one after the other, and beside each other where one is slow.
async fn race(mut addresses: impl ExactSizeIterator<Item = SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts = FuturesUnordered::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        attempts.extend(addresses.next().map(TcpStream::connect));
        tokio::select! {
            attempt = attempts.next() => match attempt {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) => last = error,
                None => return Err(last),
            },
            () = tokio::time::sleep(ATTEMPT_DELAY), if addresses.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests;
