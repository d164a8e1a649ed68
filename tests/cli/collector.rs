//! A server that takes what is sent to it over HTTP/1.1, and answers what it is told.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;

use crate::process::PATIENCE;

/// A listening collector; it ends with the test.
pub(crate) struct Collector {
    pub(crate) address: SocketAddr,
    taken: Receiver<Taken>,
}

/// One request.
pub(crate) struct Taken {
    /// Its first line and its headers.
    pub(crate) head: String,
    /// Its body.
    pub(crate) body: Vec<u8>,
}

impl Collector {
    /// Answers every request with this status line; none is no answer at all.
    pub(crate) fn start(status: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (give, taken) = channel();
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let give = give.clone();
                thread::spawn(move || serve(&stream, status, &give));
            }
        });
        Self { address, taken }
    }

    /// Waits for a request.
    pub(crate) fn next(&self) -> Taken {
        self.taken.recv_timeout(PATIENCE).expect("a request comes")
    }

    /// Returns the requests that came.
    pub(crate) fn all(&self) -> Vec<Taken> {
        self.taken.try_iter().collect()
    }
}

/// Serves a connection to its end.
fn serve(stream: &TcpStream, status: Option<&str>, give: &Sender<Taken>) -> Option<()> {
    let mut from = BufReader::new(stream);
    loop {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            if from.read_line(&mut head).ok()? == 0 {
                return None;
            }
        }
        let lower = head.to_lowercase();
        let (_, length) = lower.split_once("content-length: ")?;
        let length = length.lines().next()?.parse().ok()?;
        let mut body = vec![0; length];
        from.read_exact(&mut body).ok()?;
        give.send(Taken { head, body }).ok()?;
        if let Some(status) = status {
            write!(&mut &*stream, "HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n").ok()?;
        }
    }
}
