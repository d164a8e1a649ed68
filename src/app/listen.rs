//! One server: its sockets, its worker threads, its limits on slow clients.

use std::io;

use actix_web::dev::ServerHandle;
use actix_web::web::ServiceConfig;
use actix_web::{App, HttpServer};
use tokio::task::JoinHandle;

use crate::config::Bind;
use crate::http::{DISCONNECT_TIMEOUT, HEAD_TIMEOUT, KEEP_ALIVE};

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
        let mut server = HttpServer::new(move || App::new().configure(&routes))
            .workers(workers)
            .backlog(BACKLOG)
            .tcp_nodelay(true)
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_TIMEOUT)
            .client_disconnect_timeout(DISCONNECT_TIMEOUT)
            .shutdown_timeout(LAST_ANSWERS_SECONDS)
            .disable_signals();
        let mut sockets = Vec::new();
        for bind in binds {
            server = match bind {
                Bind::Tcp { host, port } => server.bind((host.as_str(), *port)),
                Bind::Unix(path) => {
                    sockets.push(bind.to_string());
                    server.bind_uds(path)
                }
            }
            .map_err(|source| StartError {
                address: bind.to_string(),
                source,
            })?;
        }
        let bound = server
            .addrs()
            .into_iter()
            .map(|address| address.to_string());
        let addresses = bound.chain(sockets).collect();
        let server = server.run();
        Ok(Self {
            addresses,
            handle: server.handle(),
            served: actix_rt::spawn(server),
        })
    }

    /// Waits until the server ends by itself.
    pub(super) async fn ended(&mut self) {
        match (&mut self.served).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::error!(%error, "a listener failed"),
            Err(error) => tracing::error!(%error, "a listener panicked"),
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
