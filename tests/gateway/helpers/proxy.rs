//! A CONNECT proxy that asks for credentials.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

/// `falke:am zug`, as `Proxy-Authorization` has it (RFC 7617).
const AUTHORIZATION: &str = "Basic ZmFsa2U6YW0genVn";

/// A running proxy; it ends with the test's runtime.
pub(crate) struct Proxy {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Proxy {
    pub(crate) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let asked = Arc::default();
        let note = Arc::clone(&asked);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(tunnel(client, Arc::clone(&note)));
            }
        });
        Self { address, asked }
    }

    /// Returns its URL with the credentials it asks for.
    pub(crate) fn url(&self) -> String {
        format!("http://falke:am%20zug@{}", self.address)
    }

    /// Returns its URL with wrong credentials.
    pub(crate) fn wrong_url(&self) -> String {
        format!("http://falke:am%20boden@{}", self.address)
    }

    /// Returns the hosts that tunnels were asked for, in order of the alphabet.
    pub(crate) fn asked(&self) -> Vec<String> {
        let mut asked = self.asked.lock().unwrap().clone();
        asked.sort();
        asked
    }
}

async fn tunnel(mut client: TcpStream, asked: Arc<Mutex<Vec<String>>>) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let Ok(byte) = client.read_u8().await else {
            return;
        };
        head.push(byte);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head
        .strip_prefix("CONNECT ")
        .and_then(|rest| rest.split(' ').next())
        .unwrap_or_else(|| panic!("a request that is no CONNECT: {head}"));
    asked.lock().unwrap().push(target.to_owned());
    if !head.contains(&format!("\r\nProxy-Authorization: {AUTHORIZATION}\r\n")) {
        let refusal = "HTTP/1.1 407 Proxy Authentication Required\r\n\
                       Proxy-Authenticate: Basic\r\nContent-Length: 0\r\n\r\n";
        let _ = client.write_all(refusal.as_bytes()).await;
        return;
    }
    let Ok(mut onward) = TcpStream::connect(target).await else {
        let refusal = "HTTP/1.1 502 Bad Gateway\r\nContent-Length: 0\r\n\r\n";
        let _ = client.write_all(refusal.as_bytes()).await;
        return;
    };
    client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
    // Either side may end without a word.
    let _ = copy_bidirectional(&mut client, &mut onward).await;
}
