//! A peer at work: takes connections and hands them to `http2` or `http1`.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use super::orders::{Command, Lines, Refuse, obeying};
use super::record::Record;
use super::script::Script;
use super::service::Service;
use super::thread::listen_on;
use super::{http1, http2};

/// Time for the TLS handshake.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// The protocol of a peer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Protocol {
    /// HTTP/2 over TLS.
    Http2,
    /// HTTP/1.1, over TLS if the client's first byte starts a handshake.
    Http1,
    /// What ALPN agrees on; HTTP/1.1 without it, and without TLS.
    Either,
}

/// What the handles and the thread of a peer share.
pub(super) struct Shared {
    pub(super) name: &'static str,
    pub(super) address: SocketAddr,
    pub(super) runtime: Handle,
    pub(super) script: Script,
    pub(super) record: Record,
    pub(super) latency: AtomicU64,
    pub(super) max_streams: AtomicU32,
    pub(super) opened: AtomicUsize,
    pub(super) open: AtomicUsize,
    pub(super) open_changed: watch::Sender<()>,
    pub(super) streams_refused: AtomicUsize,
    pub(super) lines: Lines,
}

/// A service with what it needs to run.
pub(super) struct Server<S> {
    pub(super) shared: Arc<Shared>,
    pub(super) service: Arc<S>,
    pub(super) tls: TlsAcceptor,
    pub(super) protocol: Protocol,
}

/// One connection, as its tasks share it.
pub(super) struct Line<C> {
    pub(super) id: u64,
    pub(super) orders: mpsc::UnboundedSender<Command>,
    pub(super) connection: Mutex<C>,
}

impl<C> Line<C> {
    pub(super) fn connection(&self) -> MutexGuard<'_, C> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts a connection as open until it is dropped.
struct Open {
    shared: Arc<Shared>,
    id: u64,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.shared.lines.remove(self.id);
        self.shared.open.fetch_sub(1, Ordering::Relaxed);
        self.shared.open_changed.send_replace(());
    }
}

impl<S: Service> Server<S> {
    /// Takes connections until the last handle is gone.
    pub(super) async fn listen(
        self: Arc<Self>,
        listener: TcpListener,
        mut orders: mpsc::UnboundedReceiver<Refuse>,
    ) -> io::Result<()> {
        let mut listener = Some(listener);
        loop {
            let accept = async {
                match &listener {
                    Some(listener) => listener.accept().await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                order = orders.recv() => {
                    let Some(Refuse { refuse, _done }) = order else { return Ok(()) };
                    if refuse {
                        listener = None;
                    } else if listener.is_none() {
                        listener = Some(listen_on(self.shared.address)?);
                    }
                }
                accepted = accept => {
                    // The client may be gone already: that is its own affair.
                    if let Ok((tcp, _)) = accepted {
                        self.open(tcp);
                    }
                }
            }
        }
    }

    fn open(self: &Arc<Self>, tcp: TcpStream) {
        let id = self.shared.opened.fetch_add(1, Ordering::Relaxed) as u64 + 1;
        let (sender, mut orders) = mpsc::unbounded_channel();
        self.shared.lines.add(id, sender.clone());
        self.shared.open.fetch_add(1, Ordering::Relaxed);
        self.shared.open_changed.send_replace(());
        let open = Open { shared: Arc::clone(&self.shared), id };
        let server = Arc::clone(self);
        tokio::spawn(async move {
            let _open = open;
            // A client may dislike our certificate, or vanish: nothing to do about it here.
            let _ = server.serve(tcp, id, sender, &mut orders).await;
        });
    }

    async fn serve(
        self: Arc<Self>,
        tcp: TcpStream,
        id: u64,
        sender: mpsc::UnboundedSender<Command>,
        orders: &mut mpsc::UnboundedReceiver<Command>,
    ) -> io::Result<()> {
        tcp.set_nodelay(true)?;
        let line =
            |connection| Arc::new(Line { id, orders: sender, connection: Mutex::new(connection) });
        if self.protocol != Protocol::Http2 {
            let Some(tls) = obeying(orders, starts_tls(&tcp)).await else {
                return Ok(());
            };
            if !tls? {
                return http1::serve(&self, tcp, line(self.service.connect(None)), orders).await;
            }
        }
        let handshake = tokio::time::timeout(HANDSHAKE, self.tls.accept(tcp));
        let Some(accepted) = obeying(orders, handshake).await else {
            return Ok(());
        };
        let tls = accepted.map_err(|_| io::ErrorKind::TimedOut)??;
        let certificate = tls.get_ref().1.peer_certificates().and_then(|chain| chain.first());
        let connection = self.service.connect(certificate.map(AsRef::as_ref));
        let is_http2 = match self.protocol {
            Protocol::Http2 => true,
            Protocol::Http1 => false,
            Protocol::Either => tls.get_ref().1.alpn_protocol() == Some(b"h2"),
        };
        if is_http2 {
            http2::serve(self, tls, line(connection), orders).await
        } else {
            http1::serve(&self, tls, line(connection), orders).await
        }
    }
}

/// Tells a TLS handshake (RFC 8446, section 5.1: content type 22) from plain HTTP.
async fn starts_tls(tcp: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    Ok(tcp.peek(&mut first).await? == 1 && first[0] == 22)
}
