//! One server: its sockets, its worker threads, its last answers.

use std::io;
use std::net::{SocketAddr, TcpListener, ToSocketAddrs as _};

use actix_http::error::DispatchError;
use actix_server::{Server, ServerHandle};
use actix_service::{ServiceFactoryExt as _, fn_service};
use actix_web::web::ServiceConfig;
use tokio::net::{TcpSocket, TcpStream, UnixStream};
use tokio::task::JoinHandle;

use crate::config::Bind;
use crate::http;

/// Longest time in seconds for the last answers to be taken, after the last push is settled.
const LAST_ANSWERS_SECONDS: u64 = 2;

/// Connections waiting to be accepted on one address.
const BACKLOG: u32 = 4096;

/// Why a gateway did not start.
#[derive(Debug, thiserror::Error)]
#[error("cannot listen on {address}: {source}")]
pub struct StartError {
    address: String,
    source: io::Error,
}

/// One running server.
#[derive(Debug)]
pub(super) struct Listener {
    /// Where it listens.
    pub(super) addresses: Vec<String>,
    handle: ServerHandle,
    served: JoinHandle<io::Result<()>>,
}

impl Listener {
    /// Serves `routes` (called on each worker thread) on every address.
    pub(super) fn open(
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
        binds: &[Bind],
        workers: usize,
    ) -> Result<Self, StartError> {
        let mut server = Server::build()
            .workers(workers)
            .shutdown_timeout(LAST_ANSWERS_SECONDS)
            .disable_signals();
        let mut addresses = Vec::new();
        let signal = server.graceful_shutdown_signal();
        let stopping = move || {
            let signal = signal.clone();
            async move { signal.notified().await }
        };
        for bind in binds {
            let cannot = |source| StartError { address: bind.to_string(), source };
            match bind {
                Bind::Tcp { host, port } => {
                    for socket in sockets(host, *port).map_err(cannot)? {
                        let address = socket.local_addr().map_err(cannot)?.to_string();
                        let (routes, stopping) = (routes.clone(), stopping.clone());
                        let service = move || {
                            let accepted = async |io: TcpStream| {
                                // Without it, answers wait for the client's acknowledgements.
                                io.set_nodelay(true).map_err(DispatchError::Io)?;
                                let peer = io.peer_addr().ok();
                                Ok((io, peer))
                            };
                            fn_service(accepted)
                                .and_then(http::service(routes.clone(), stopping.clone()))
                        };
                        server = server.listen(&address, socket, service).map_err(cannot)?;
                        addresses.push(address);
                    }
                }
                Bind::Unix(path) => {
                    let (routes, stopping) = (routes.clone(), stopping.clone());
                    let service = move || {
                        let accepted = async |io: UnixStream| Ok((io, None));
                        fn_service(accepted)
                            .and_then(http::service(routes.clone(), stopping.clone()))
                    };
                    let address = bind.to_string();
                    server = server.bind_uds(&address, path, service).map_err(cannot)?;
                    addresses.push(address);
                }
            }
        }
        let server = server.run();
        Ok(Self { addresses, handle: server.handle(), served: actix_rt::spawn(server) })
    }

    /// Waits until the server ends by itself.
    pub(super) async fn ended(&mut self) {
        match (&mut self.served).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::error!(addresses = ?self.addresses, %error, "a listener failed");
            }
            Err(error) => {
                tracing::error!(addresses = ?self.addresses, %error, "a listener panicked");
            }
        }
    }

    /// Accepts no more connections.
    pub(super) async fn pause(&self) {
        self.handle.pause().await;
    }

    /// Ends the server, at once or after the last answers.
    pub(super) async fn stop(&self, graceful: bool) {
        self.handle.stop(graceful).await;
    }
}

/// Listens on every address of a host; an error if there is none that it can listen on.
fn sockets(host: &str, port: u16) -> io::Result<Vec<TcpListener>> {
    let (mut sockets, mut failure) = (Vec::new(), None);
    for address in (host, port).to_socket_addrs()? {
        match socket(address) {
            Ok(socket) => sockets.push(socket),
            Err(error) => failure = Some(error),
        }
    }
    match failure {
        Some(failure) if sockets.is_empty() => Err(failure),
        _ => Ok(sockets),
    }
}

fn socket(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4(),
        SocketAddr::V6(_) => TcpSocket::new_v6(),
    }?;
    // A restart need not wait until the kernel has forgotten the last run's connections.
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)?.into_std()
}
