//! The second half: a bare HTTP/2 client on one connection and one thread.

use std::io;
use std::rc::Rc;
use std::str::FromStr as _;
use std::sync::Arc;

use bytes::Bytes;
use h2::client::SendRequest;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Uri, Version};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::{Instant, interval};
use tokio_rustls::TlsConnector;
use uuid::Uuid;

use super::Recipe;
use super::seal::seal;
use crate::driver::clients::TICK;

/// The plaintext of a sealed body: what the gateway makes of a notification with ids only.
const MESSAGE: &[u8] = br#"{"room_id":"!seRlOToAiznowdPAgDH9KQzrF3Zp4YufJhIkRZTyir4","event_id":"$0000000000000000000000000000000000000000000","unread":3,"prio":"high"}"#;

/// Sends requests until the process is killed or the connection ends.
///
/// # Errors
///
/// Returns an error if the connection fails, or an answer is no success.
pub(super) async fn run(recipe: Recipe) -> io::Result<()> {
    let tcp = TcpStream::connect(recipe.address).await?;
    tcp.set_nodelay(true)?;
    let name = ServerName::try_from("localhost").map_err(io::Error::other)?;
    let tls = connector(&recipe.ca_pem)?.connect(name, tcp).await?;
    let (sender, connection) = h2::client::handshake(tls).await.map_err(io::Error::other)?;
    tokio::task::spawn_local(connection);
    let template = Rc::new(Template::new(recipe)?);
    // The first alone: APNs allows more streams only after it.
    template.exchange(&sender).await?;
    let mut tasks = JoinSet::new();
    let due = template.recipe.rate.map(|rate| {
        let due = Rc::new(Semaphore::new(0));
        tokio::task::spawn_local(pace(due.clone(), rate));
        due
    });
    for _ in 0..template.recipe.in_flight {
        let (template, sender, due) = (template.clone(), sender.clone(), due.clone());
        tasks.spawn_local(async move {
            loop {
                if let Some(due) = &due
                    && let Ok(permit) = due.acquire().await
                {
                    permit.forget();
                }
                if let Err(error) = template.exchange(&sender).await {
                    return error;
                }
            }
        });
    }
    // They end only by an error, which is also that of the connection.
    match tasks.join_next().await {
        Some(Ok(error)) => Err(error),
        _ => Err(io::Error::other("a task panicked")),
    }
}

/// Makes so many requests due each second, some every tick as the homeservers' clients do. A timer
/// of tokio is coarser than their ticks, so that more are due at once here: that favours the floor.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a handful, and never negative"
)]
async fn pace(due: Rc<Semaphore>, rate: f64) {
    let (mut ticks, began) = (interval(TICK), Instant::now());
    let mut made = 0;
    loop {
        ticks.tick().await;
        let all = (began.elapsed().as_secs_f64() * rate) as usize;
        due.add_permits(all - made);
        made = all;
    }
}

fn connector(ca_pem: &str) -> io::Result<TlsConnector> {
    let ca = CertificateDer::from_pem_slice(ca_pem.as_bytes()).map_err(io::Error::other)?;
    let mut roots = RootCertStore::empty();
    roots.add(ca).map_err(io::Error::other)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(io::Error::other)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

/// A recipe, ready to be sent.
struct Template {
    recipe: Recipe,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
    /// Whether each request has an id of its own.
    has_id: bool,
}

impl Template {
    fn new(recipe: Recipe) -> io::Result<Self> {
        let uri = format!("https://localhost:{}{}", recipe.address.port(), recipe.path);
        let mut headers = HeaderMap::new();
        for (name, value) in &recipe.headers {
            let name = HeaderName::from_str(name).map_err(io::Error::other)?;
            headers.insert(name, HeaderValue::from_str(value).map_err(io::Error::other)?);
        }
        Ok(Self {
            uri: Uri::from_str(&uri).map_err(io::Error::other)?,
            body: Bytes::from(recipe.body.clone()),
            has_id: headers.contains_key("apns-id"),
            headers,
            recipe,
        })
    }

    /// Sends one request and reads its answer.
    async fn exchange(&self, sender: &SendRequest<Bytes>) -> io::Result<()> {
        let mut request = Request::new(());
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.version_mut() = Version::HTTP_2;
        *request.headers_mut() = self.headers.clone();
        if self.has_id {
            let mut id = Uuid::encode_buffer();
            let id = Uuid::new_v4().hyphenated().encode_lower(&mut id);
            let id = HeaderValue::from_str(id).map_err(io::Error::other)?;
            request.headers_mut().insert("apns-id", id);
        }
        let body = match &self.recipe.subscriber {
            Some(subscriber) => seal(MESSAGE, subscriber).map_err(io::Error::other)?.into(),
            None => self.body.clone(),
        };
        let mut sender = sender.clone().ready().await.map_err(io::Error::other)?;
        let (response, mut stream) =
            sender.send_request(request, false).map_err(io::Error::other)?;
        stream.send_data(body, true).map_err(io::Error::other)?;
        let (head, mut body) = response.await.map_err(io::Error::other)?.into_parts();
        let mut last = Bytes::new();
        while let Some(chunk) = body.data().await {
            last = chunk.map_err(io::Error::other)?;
            let _ = body.flow_control().release_capacity(last.len());
        }
        if head.status.is_success() {
            return Ok(());
        }
        let reason = String::from_utf8_lossy(&last);
        Err(io::Error::other(format!("answered {}: {reason}", head.status)))
    }
}
