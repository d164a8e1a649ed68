//! The front desk as clients see it: a real listener on a free port, raw bytes on real sockets,
//! and behind the desk an actor that answers what a test tells it to.

mod access;
mod admin;
mod answers;
mod connection;
mod refused;
mod routes;

use std::collections::VecDeque;
use std::future::pending;
use std::net::{SocketAddr, TcpListener};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix::{Actor, Context, Handler, Recipient};
use actix_server::{Server, ServerHandle};
use actix_service::{ServiceFactoryExt as _, fn_service};
use actix_web::web;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{NOTIFY, PublicState, TrustedProxies, configure, service};
use crate::dispatch::{Notified, Notify, Verdict};
use crate::telemetry::Metrics;
use crate::telemetry::config::AccessConfig;

/// Longer than anything here takes, so that a hanging test fails.
const PATIENCE: Duration = Duration::from_secs(30);

const BODY: &str = r#"{"notification":{"event_id":"$e","devices":[{"app_id":"a","pushkey":"k"}]}}"#;

/// A sorting room that answers what it is told, and settles everything else.
#[derive(Clone, Default)]
struct Scripted {
    verdicts: Arc<Mutex<VecDeque<Verdict>>>,
    seen: Arc<Mutex<Vec<Notify>>>,
}

impl Scripted {
    fn answering(verdicts: impl IntoIterator<Item = Verdict>) -> Self {
        Self {
            verdicts: Arc::new(Mutex::new(verdicts.into_iter().collect())),
            seen: Arc::default(),
        }
    }

    fn seen(&self) -> usize {
        self.seen.lock().unwrap().len()
    }
}

impl Actor for Scripted {
    type Context = Context<Self>;
}

impl Handler<Notify> for Scripted {
    type Result = actix::MessageResult<Notify>;

    fn handle(&mut self, notify: Notify, _: &mut Self::Context) -> Self::Result {
        self.seen.lock().unwrap().push(notify);
        let verdict = self.verdicts.lock().unwrap().pop_front();
        let settled = Verdict::Settled { rejected: Vec::new() };
        let verdict = verdict.unwrap_or(settled);
        let report = None;
        actix::MessageResult(Notified { verdict, report })
    }
}

fn state(dispatcher: Recipient<Notify>) -> PublicState {
    PublicState {
        dispatcher,
        max_body_bytes: 512 * 1024,
        unifiedpush: Arc::new(AtomicBool::new(false)),
        trusted_proxies: Arc::new(TrustedProxies::default()),
        access: AccessConfig::default(),
        metrics: Metrics::new(),
    }
}

/// A listening front desk; stops when dropped.
struct Desk {
    address: SocketAddr,
    server: ServerHandle,
}

impl Desk {
    fn open(state: PublicState) -> Self {
        Self::listen(move |routes| configure(routes, state.clone()))
    }

    /// Listens as the gateway does.
    fn listen(routes: impl Fn(&mut web::ServiceConfig) + Clone + Send + 'static) -> Self {
        let socket = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = socket.local_addr().unwrap();
        let accept = move || {
            let accepted = async |io: TcpStream| Ok((io, None));
            fn_service(accepted).and_then(service(routes.clone(), pending::<()>))
        };
        let server = Server::build().workers(1).disable_signals();
        let server = server.listen("desk", socket, accept).unwrap().run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { address, server: handle }
    }

    async fn connect(&self) -> Connection {
        let stream = TcpStream::connect(self.address).await.unwrap();
        Connection { stream, buffer: Vec::new() }
    }

    /// Sends one request on a connection of its own.
    async fn ask(&self, request: impl AsRef<[u8]>) -> Reply {
        let mut connection = self.connect().await;
        connection.send(request).await;
        connection.reply().await
    }

    async fn post(&self, body: impl AsRef<[u8]>) -> Reply {
        self.ask(post(body)).await
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

/// One raw connection.
struct Connection {
    stream: TcpStream,
    buffer: Vec<u8>,
}

#[derive(Debug, PartialEq, Eq)]
enum End {
    Closed,
    Reset,
}

impl Connection {
    async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
    }

    async fn fill(&mut self) -> std::io::Result<usize> {
        let read = self.stream.read_buf(&mut self.buffer);
        timeout(PATIENCE, read).await.expect("an answer in time")
    }

    /// Reads one answer to anything but HEAD.
    async fn reply(&mut self) -> Reply {
        let head = loop {
            if let Some(end) = find(&self.buffer, b"\r\n\r\n") {
                break end + 4;
            }
            assert_ne!(self.fill().await.unwrap(), 0, "closed before the answer");
        };
        let mut reply = Reply::parse(str::from_utf8(&self.buffer[..head]).unwrap());
        let length = reply.header("content-length").map_or(0, |it| it.parse().unwrap());
        while self.buffer.len() < head + length {
            assert_ne!(self.fill().await.unwrap(), 0, "closed within the answer");
        }
        reply.body = String::from_utf8(self.buffer[head..head + length].to_vec()).unwrap();
        self.buffer.drain(..head + length);
        reply
    }

    /// Waits for the end of the connection; there must be no further answer.
    async fn end(mut self) -> End {
        loop {
            match self.fill().await {
                Ok(0) if self.buffer.is_empty() => return End::Closed,
                Ok(0) => panic!("another answer: {:?}", String::from_utf8_lossy(&self.buffer)),
                Ok(_) => {}
                Err(_) => return End::Reset,
            }
        }
    }
}

/// An answer.
#[derive(Debug)]
struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: String,
}

impl Reply {
    fn parse(head: &str) -> Self {
        let mut lines = head.trim_end().split("\r\n");
        let status = lines.next().unwrap().split(' ').nth(1).unwrap();
        let headers = lines.map(|line| line.split_once(": ").unwrap());
        Self {
            status: status.parse().unwrap(),
            headers: headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect(),
            body: String::new(),
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut headers = self.headers.iter();
        let found = headers.find(|(it, _)| it == name);
        found.map(|(_, value)| value.as_str())
    }

    fn json(&self) -> serde_json::Value {
        assert_eq!(self.header("content-type"), Some("application/json"));
        serde_json::from_str(&self.body).unwrap()
    }

    fn errcode(&self) -> String {
        let json = self.json();
        assert!(!json["error"].as_str().unwrap().is_empty());
        json["errcode"].as_str().unwrap().to_owned()
    }
}

fn find(bytes: &[u8], what: &[u8]) -> Option<usize> {
    bytes.windows(what.len()).position(|window| window == what)
}

fn post(body: impl AsRef<[u8]>) -> Vec<u8> {
    post_with("", body)
}

/// A POST of a notification with further header lines, each ended by CR LF.
fn post_with(headers: &str, body: impl AsRef<[u8]>) -> Vec<u8> {
    let body = body.as_ref();
    let length = body.len();
    let head = format!(
        "POST {NOTIFY} HTTP/1.1\r\nHost: gateway\r\n{headers}Content-Length: {length}\r\n\r\n"
    );
    [head.as_bytes(), body].concat()
}
