//! The thread of a peer: started with the peer, ended with its last handle.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize};
use std::sync::{Arc, mpsc as std_mpsc};
use std::thread::{self, JoinHandle};

use tokio::net::{TcpListener, TcpSocket};
use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, watch};
use tokio_rustls::TlsAcceptor;

use super::Peer;
use super::orders::{Lines, Refuse};
use super::record::Record;
use super::script::Script;
use super::server::{Protocol, Server, Shared};
use super::service::Service;

const BACKLOG: u32 = 1024;

/// The peer's thread; it ends when this is dropped.
pub(super) struct Thread {
    listener: Option<mpsc::UnboundedSender<Refuse>>,
    handle: Option<JoinHandle<()>>,
}

impl Thread {
    /// Closes the listening socket, or opens it again, and waits until that is done.
    pub(super) fn refuse(&self, refuse: bool) {
        let (done, wait) = std_mpsc::channel();
        if let Some(listener) = &self.listener {
            let _ = listener.send(Refuse { refuse, _done: done });
        }
        if self.handle.as_ref().is_some_and(is_another) {
            // Ends with an error when the order is dropped.
            let _ = wait.recv();
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.listener.take());
        if let Some(handle) = self.handle.take()
            && is_another(&handle)
        {
            // A panic of the peer's thread was printed when it happened.
            let _ = handle.join();
        }
    }
}

/// Tells another thread from this one, which cannot wait for itself.
fn is_another(handle: &JoinHandle<()>) -> bool {
    handle.thread().id() != thread::current().id()
}

/// Starts a peer on its own thread.
///
/// # Panics
///
/// If no thread or no port can be had.
pub(super) fn start<S: Service>(
    service: Arc<S>,
    tls: TlsAcceptor,
    protocol: Protocol,
    max_streams: u32,
) -> Peer {
    let (ready, started) = std_mpsc::channel();
    let (listener, orders) = mpsc::unbounded_channel();
    let run = move || -> io::Result<()> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        runtime.block_on(async {
            // Bound but never listening: keeps the port ours while connections are refused.
            let reserved = socket(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))?;
            let address = reserved.local_addr()?;
            let shared = Arc::new(Shared {
                name: S::NAME,
                address,
                runtime: Handle::current(),
                script: Script::default(),
                record: Record::default(),
                latency: AtomicU64::new(0),
                max_streams: AtomicU32::new(max_streams),
                opened: AtomicUsize::new(0),
                open: AtomicUsize::new(0),
                open_changed: watch::Sender::default(),
                streams_refused: AtomicUsize::new(0),
                lines: Lines::new(),
            });
            let server = Arc::new(Server { shared: Arc::clone(&shared), service, tls, protocol });
            let listening = listen_on(address)?;
            let _ = ready.send(shared);
            server.listen(listening, orders).await
        })
    };
    let name = format!("simulated {}", S::NAME);
    let handle = thread::Builder::new()
        .name(name)
        .spawn(move || {
            if let Err(error) = run() {
                panic!("the simulated {} ended: {error}", S::NAME);
            }
        })
        .unwrap_or_else(|error| panic!("cannot start a thread for {}: {error}", S::NAME));
    let shared =
        started.recv().unwrap_or_else(|_| panic!("cannot start the simulated {}", S::NAME));
    let thread = Thread { listener: Some(listener), handle: Some(handle) };
    Peer { shared, thread: Arc::new(thread) }
}

fn socket(address: SocketAddr) -> io::Result<TcpSocket> {
    let socket = TcpSocket::new_v4()?;
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    Ok(socket)
}

/// Listens on an address that is reserved for us.
pub(super) fn listen_on(address: SocketAddr) -> io::Result<TcpListener> {
    socket(address)?.listen(BACKLOG)
}
