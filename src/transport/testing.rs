//! Peers for the tests of this room: an HTTP/2 server scripted frame by frame, TLS, a proxy.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;

use rustls::crypto::aws_lc_rs;
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::{Dialer, Origin, tls};

/// `SETTINGS_MAX_CONCURRENT_STREAMS`.
pub(super) const MAX_STREAMS: u16 = 3;
/// `SETTINGS_INITIAL_WINDOW_SIZE`.
pub(super) const WINDOW: u16 = 4;

const DATA: u8 = 0;
const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const SETTINGS: u8 = 4;
const PING: u8 = 6;
const GOAWAY: u8 = 7;
const WINDOW_UPDATE: u8 = 8;

const ACK: u8 = 1;
const END_STREAM: u8 = 1;
const END_HEADERS: u8 = 4;

/// `:status: 200` in HPACK's static table.
const STATUS_200: &[u8] = &[0x88];

/// A listener on loopback that runs a script for each connection.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    accepted: Rc<Cell<usize>>,
    panicked: Rc<Cell<bool>>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        assert!(
            std::thread::panicking() || !self.panicked.get(),
            "a script panicked"
        );
    }
}

impl Peer {
    /// Starts `serve` with the number of the connection, from 0, and its bytes.
    pub(super) async fn start<F, R>(serve: F) -> Self
    where
        F: Fn(usize, TcpStream) -> R + 'static,
        R: Future<Output = ()> + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let peer = Self {
            address: listener.local_addr().unwrap(),
            accepted: Rc::default(),
            panicked: Rc::default(),
        };
        let (accepted, panicked) = (peer.accepted.clone(), peer.panicked.clone());
        actix_rt::spawn(async move {
            for index in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                accepted.set(index + 1);
                let script = actix_rt::spawn(serve(index, stream));
                let panicked = panicked.clone();
                actix_rt::spawn(async move {
                    if script.await.is_err_and(|error| error.is_panic()) {
                        panicked.set(true);
                    }
                });
            }
        });
        peer
    }

    /// Returns how many connections it accepted.
    pub(super) fn accepted(&self) -> usize {
        self.accepted.get()
    }

    pub(super) fn origin(&self, tls: bool) -> Origin {
        Origin {
            tls,
            host: self.address.ip().to_string(),
            port: self.address.port(),
        }
    }
}

/// The server's end of an HTTP/2 connection, frame by frame.
pub(super) struct Wire {
    stream: TcpStream,
    /// Streams the client reset, and why.
    pub(super) resets: Vec<(u32, u32)>,
    /// Whether the client said goodbye.
    pub(super) goodbye: bool,
    /// Answers to PING so far.
    pongs: usize,
    /// Bytes of request bodies so far.
    pub(super) received: usize,
}

struct Frame {
    kind: u8,
    flags: u8,
    id: u32,
    payload: Vec<u8>,
}

impl Wire {
    /// Reads the client's preface and sends SETTINGS.
    pub(super) async fn accept(mut stream: TcpStream, settings: &[(u16, u32)]) -> Self {
        let mut preface = [0; 24];
        stream.read_exact(&mut preface).await.unwrap();
        assert_eq!(&preface, b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
        let mut wire = Self {
            stream,
            resets: Vec::new(),
            goodbye: false,
            pongs: 0,
            received: 0,
        };
        wire.settings(settings).await;
        wire
    }

    /// Sends SETTINGS.
    pub(super) async fn settings(&mut self, settings: &[(u16, u32)]) {
        let payload: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        self.send(SETTINGS, 0, 0, &payload).await;
    }

    /// Returns the stream of the next whole request; `None` once the client is gone.
    pub(super) async fn request(&mut self) -> Option<u32> {
        loop {
            let frame = self.read().await?;
            if let Some(id) = self.note(&frame).await {
                return Some(id);
            }
        }
    }

    /// Reads to the end.
    pub(super) async fn drain(&mut self) {
        while self.request().await.is_some() {}
    }

    /// Waits until the client has seen all that was sent; returns the requests that came before.
    pub(super) async fn round_trip(&mut self) -> Vec<u32> {
        let pongs = self.pongs;
        self.send(PING, 0, 0, &[7; 8]).await;
        let mut requests = Vec::new();
        while self.pongs == pongs {
            let frame = self.read().await.expect("the client is gone");
            requests.extend(self.note(&frame).await);
        }
        requests
    }

    /// Answers 200 without a body.
    pub(super) async fn answer(&mut self, id: u32) {
        self.send(HEADERS, END_HEADERS | END_STREAM, id, STATUS_200)
            .await;
    }

    /// Answers 200 with a body in pieces; the client may be gone before its end.
    pub(super) async fn answer_with(&mut self, id: u32, pieces: &[&[u8]]) {
        self.send(HEADERS, END_HEADERS, id, STATUS_200).await;
        for (index, piece) in pieces.iter().enumerate() {
            let last = index + 1 == pieces.len();
            self.send(DATA, if last { END_STREAM } else { 0 }, id, piece)
                .await;
        }
    }

    /// Refuses or ends a stream.
    pub(super) async fn reset(&mut self, id: u32, code: u32) {
        self.send(RST_STREAM, 0, id, &code.to_be_bytes()).await;
    }

    /// Lets the client send more of a stream's body.
    pub(super) async fn widen(&mut self, id: u32, by: u32) {
        self.send(WINDOW_UPDATE, 0, id, &by.to_be_bytes()).await;
    }

    /// Says goodbye.
    pub(super) async fn go_away(&mut self, last: u32, code: u32, debug: &[u8]) {
        let payload = [&last.to_be_bytes()[..], &code.to_be_bytes(), debug].concat();
        self.send(GOAWAY, 0, 0, &payload).await;
    }

    async fn note(&mut self, frame: &Frame) -> Option<u32> {
        match frame.kind {
            SETTINGS if frame.flags & ACK == 0 => self.send(SETTINGS, ACK, 0, &[]).await,
            PING if frame.flags & ACK == 0 => self.send(PING, ACK, 0, &frame.payload).await,
            PING => self.pongs += 1,
            GOAWAY => self.goodbye = true,
            RST_STREAM => {
                let code = frame.payload[..].try_into().unwrap();
                self.resets.push((frame.id, u32::from_be_bytes(code)));
            }
            DATA => self.received += frame.payload.len(),
            _ => {}
        }
        let whole = matches!(frame.kind, HEADERS | DATA) && frame.flags & END_STREAM != 0;
        whole.then_some(frame.id)
    }

    async fn read(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.stream.read_exact(&mut head).await.ok()?;
        let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let mut payload = vec![0; length as usize];
        self.stream.read_exact(&mut payload).await.ok()?;
        Some(Frame {
            kind: head[3],
            flags: head[4],
            id: u32::from_be_bytes([head[5], head[6], head[7], head[8]]),
            payload,
        })
    }

    async fn send(&mut self, kind: u8, flags: u8, id: u32, payload: &[u8]) {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let frame = [&length[1..], &[kind, flags], &id.to_be_bytes(), payload].concat();
        // The client may be gone, which is for the test to say.
        let _ = self.stream.write_all(&frame).await;
    }
}

/// A server's certificate and key, signed by itself.
pub(super) struct Identity {
    pub(super) certificate: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Identity {
    pub(super) fn of(name: &str) -> Self {
        let issued = rcgen::generate_simple_self_signed([name.to_owned()]).unwrap();
        Self {
            certificate: issued.cert.der().clone(),
            key: PrivateKeyDer::Pkcs8(issued.signing_key.serialize_der().into()),
        }
    }

    /// Returns a TLS server with this identity that offers `alpn`, and may want to know its
    /// clients.
    pub(super) fn acceptor(&self, alpn: &[&[u8]], clients: Option<RootCertStore>) -> TlsAcceptor {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .unwrap();
        let builder = match clients {
            None => builder.with_no_client_auth(),
            Some(roots) => builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(roots.into(), provider)
                    .build()
                    .unwrap(),
            ),
        };
        let mut config = builder
            .with_single_cert(vec![self.certificate.clone()], self.key.clone_key())
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|it| it.to_vec()).collect();
        Arc::new(config).into()
    }
}

/// Returns a dialer that trusts `identities` and offers `alpn`.
pub(super) fn dialer(identities: &[&Identity], alpn: &[&[u8]]) -> Dialer {
    let mut roots = RootCertStore::empty();
    for identity in identities {
        roots.add(identity.certificate.clone()).unwrap();
    }
    Dialer::new(
        tls::client_config(&Arc::new(roots), None, alpn).unwrap(),
        None,
    )
}

/// Starts a CONNECT proxy that answers with `status` and notes the heads it was sent.
pub(super) async fn proxy(status: &'static str) -> (Peer, Rc<RefCell<Vec<String>>>) {
    let heads: Rc<RefCell<Vec<String>>> = Rc::default();
    let noted = heads.clone();
    let peer = Peer::start(move |_, mut stream| {
        let noted = noted.clone();
        async move {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            let head = String::from_utf8(head).unwrap();
            let target = head.split(' ').nth(1).unwrap().to_owned();
            noted.borrow_mut().push(head);
            // In two pieces, the end of the head cut through.
            let answer = format!("HTTP/1.1 {status}\r\nX-Filler: {}\r\n", "x".repeat(3000));
            stream.write_all(answer.as_bytes()).await.unwrap();
            stream.flush().await.unwrap();
            tokio::task::yield_now().await;
            stream.write_all(b"\r\n").await.unwrap();
            if status.starts_with("200") {
                let mut onward = TcpStream::connect(target).await.unwrap();
                let _ = copy_bidirectional(&mut stream, &mut onward).await;
            }
        }
    })
    .await;
    (peer, heads)
}
