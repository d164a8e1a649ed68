//! The peers by themselves, asked by a bare `h2` client.

mod apns;
mod connection;
mod fcm;
mod oauth;
mod script;
mod unifiedpush;
mod webhook;
mod webpush;

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use h2::client::SendRequest;
use http::{HeaderMap, Request};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::{Peer, pki};

/// Longest time any test waits for anything.
const LIMIT: Duration = Duration::from_secs(20);

async fn bounded<T>(event: impl Future<Output = T>) -> T {
    tokio::time::timeout(LIMIT, event).await.expect("it did not happen in time")
}

async fn tls(peer: &Peer, protocol: &[u8], certificate: Option<&str>) -> TlsStream<TcpStream> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(pki::ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let mut config = match certificate {
        None => config.with_no_client_auth(),
        Some(pem) => {
            let chain = CertificateDer::pem_slice_iter(pem.as_bytes()).map(Result::unwrap);
            let key = PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap();
            config.with_client_auth_cert(chain.collect(), key).unwrap()
        }
    };
    config.alpn_protocols = vec![protocol.to_vec()];
    let tcp = TcpStream::connect(peer.address()).await.unwrap();
    tcp.set_nodelay(true).unwrap();
    let name = ServerName::try_from("localhost").unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, tcp).await.unwrap()
}

/// An HTTP/2 connection to a peer.
struct Client {
    send: SendRequest<Bytes>,
    ping: h2::PingPong,
    connection: JoinHandle<Result<(), h2::Error>>,
}

/// An answer, read whole.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Bytes,
}

impl Reply {
    fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    fn reason(&self) -> String {
        self.json()["reason"].as_str().unwrap().to_owned()
    }
}

impl Client {
    async fn open(peer: &Peer) -> Self {
        Self::over(tls(peer, b"h2", None).await).await
    }

    async fn with_certificate(peer: &Peer, pem: &str) -> Self {
        Self::over(tls(peer, b"h2", Some(pem)).await).await
    }

    async fn over(io: TlsStream<TcpStream>) -> Self {
        let (send, mut connection) = bounded(h2::client::handshake(io)).await.unwrap();
        let mut ping = connection.ping_pong().unwrap();
        let connection = tokio::spawn(connection);
        // Its answer shows that the SETTINGS frame before it was read.
        bounded(ping.ping(h2::Ping::opaque())).await.unwrap();
        Self { send, ping, connection }
    }

    fn streams(&self) -> usize {
        self.send.current_max_send_streams()
    }

    /// Sends a request; returns what waits for its answer.
    fn start(
        &mut self,
        request: Request<Bytes>,
    ) -> impl Future<Output = Result<Reply, h2::Error>> + use<> {
        let (head, body) = request.into_parts();
        let (response, mut stream) =
            self.send.send_request(Request::from_parts(head, ()), body.is_empty()).unwrap();
        if !body.is_empty() {
            stream.send_data(body, true).unwrap();
        }
        bounded(async move {
            let (head, mut body) = response.await?.into_parts();
            let mut whole = BytesMut::new();
            while let Some(chunk) = body.data().await {
                let chunk = chunk?;
                body.flow_control().release_capacity(chunk.len())?;
                whole.extend_from_slice(&chunk);
            }
            Ok(Reply { status: head.status.as_u16(), headers: head.headers, body: whole.freeze() })
        })
    }

    async fn ask(&mut self, request: Request<Bytes>) -> Reply {
        self.start(request).await.unwrap()
    }
}
