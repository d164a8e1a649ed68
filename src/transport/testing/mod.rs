//! Peers for the tests of this room: a listener that runs a script for each connection, and a
//! proxy.
//!
//! `wire` is HTTP/2 frame by frame, `tls` who the peers are and who trusts them.

use std::cell::{Cell, RefCell};
use std::future::Future;
use std::net::SocketAddr;
use std::rc::Rc;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use super::Origin;

mod tls;
mod wire;

pub(super) use self::tls::{Identity, dialer};
pub(super) use self::wire::{MAX_STREAMS, WINDOW, Wire};

/// A listener on loopback that runs a script for each connection.
pub(super) struct Peer {
    pub(super) address: SocketAddr,
    accepted: Rc<Cell<usize>>,
    panicked: Rc<Cell<bool>>,
}

impl Drop for Peer {
    fn drop(&mut self) {
        assert!(std::thread::panicking() || !self.panicked.get(), "a script panicked");
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
        Origin { tls, host: self.address.ip().to_string(), port: self.address.port() }
    }
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
