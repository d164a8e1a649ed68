//! HTTP as homeservers speak it: one request on a connection of its own, or a connection that is
//! kept.

use std::net::SocketAddr;

use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::{PATIENCE, TestGateway};

/// An HTTP answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) head: String,
    pub(crate) text: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    }

    /// Asserts a 200 that rejects exactly these pushkeys.
    #[track_caller]
    pub(crate) fn assert_rejects(&self, pushkeys: &[&str]) {
        assert_eq!((self.status, self.json()), (200, json!({ "rejected": pushkeys })));
    }

    /// Asserts an error with this status and errcode.
    #[track_caller]
    pub(crate) fn assert_error(&self, status: u16, errcode: &str) {
        assert_eq!((self.status, &self.json()["errcode"]), (status, &json!(errcode)), "{self:?}");
    }
}

/// What a homeserver hears of one push.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Hears {
    /// 200, and nothing is rejected.
    Settled,
    /// 200, and the pushkey is rejected.
    Rejected,
    /// 502.
    Failed,
}

impl Answer {
    /// Asserts that the homeserver hears this of the push to a pushkey.
    #[track_caller]
    pub(crate) fn assert_hears(&self, hears: Hears, pushkey: &str) {
        match hears {
            Hears::Settled => self.assert_rejects(&[]),
            Hears::Rejected => self.assert_rejects(&[pushkey]),
            Hears::Failed => self.assert_error(502, "M_UNKNOWN"),
        }
    }
}

/// Sends one request on a connection of its own.
pub(crate) async fn request(to: SocketAddr, method: &str, path: &str, body: &[u8]) -> Answer {
    let exchange = async {
        let mut stream = TcpStream::connect(to).await.unwrap();
        let head = format!(
            "{method} {path} HTTP/1.1\r\nHost: gateway.test\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len(),
        );
        stream.write_all(&[head.as_bytes(), body].concat()).await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        String::from_utf8(answer).unwrap()
    };
    let answer = timeout(PATIENCE, exchange).await.expect("an answer comes");
    let (head, text) = answer.split_once("\r\n\r\n").expect("an answer has a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok());
    Answer {
        status: status.expect("an answer has a status"),
        head: head.to_owned(),
        text: text.to_owned(),
    }
}

/// A connection that is kept, as homeservers keep theirs.
pub(crate) struct Line {
    stream: BufReader<TcpStream>,
}

impl Line {
    pub(crate) async fn to(gateway: &TestGateway) -> Self {
        let stream = TcpStream::connect(gateway.public).await.unwrap();
        Self { stream: BufReader::new(stream) }
    }

    /// Sends a notification; `None` if the connection was closed instead of an answer.
    pub(crate) async fn notify(&mut self, body: &Value) -> Option<Answer> {
        let body = body.to_string();
        let request = format!(
            "POST /_matrix/push/v1/notify HTTP/1.1\r\nHost: gateway.test\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len(),
        );
        self.stream.write_all(request.as_bytes()).await.ok()?;
        timeout(PATIENCE, self.read()).await.expect("an answer comes")
    }

    async fn read(&mut self) -> Option<Answer> {
        let mut head = String::new();
        while !head.ends_with("\r\n\r\n") {
            let read = self.stream.read_line(&mut head).await.ok()?;
            if read == 0 {
                return None;
            }
        }
        let mut answer =
            Answer { status: head.split(' ').nth(1)?.parse().ok()?, head, text: String::new() };
        let length: usize = answer.header("content-length")?.parse().ok()?;
        let mut text = vec![0; length];
        self.stream.read_exact(&mut text).await.ok()?;
        answer.text = String::from_utf8(text).unwrap();
        Some(answer)
    }
}

impl Line {
    /// Connects, if somebody listens.
    pub(crate) async fn open(to: SocketAddr) -> Option<Self> {
        let stream = TcpStream::connect(to).await.ok()?;
        Some(Self { stream: BufReader::new(stream) })
    }
}
