//! The load on those who take notifications: keep-alive connections, each with one request under
//! way, with as little CPU as can be, since it shares the machine with what is measured.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::Instant;

/// Makes the body of the nth notification.
pub(super) type Body = Arc<dyn Fn(u64) -> String + Send + Sync>;

/// Homeservers that number their notifications over all their calls.
#[derive(Clone)]
pub(super) struct Homeservers {
    pub(super) body: Body,
    pub(super) sent: Arc<AtomicU64>,
}

impl Homeservers {
    pub(super) fn new(body: impl Fn(u64) -> String + Send + Sync + 'static) -> Self {
        Self {
            body: Arc::new(body),
            sent: Arc::default(),
        }
    }

    /// Sends until `duration` has passed. Returns how many requests were answered 200.
    ///
    /// # Errors
    ///
    /// Returns an error if there is no connection, or any other answer.
    pub(super) async fn send(
        &self,
        to: SocketAddr,
        connections: usize,
        duration: Duration,
    ) -> io::Result<u64> {
        let until = Instant::now() + duration;
        let mut tasks = JoinSet::new();
        for _ in 0..connections {
            let stream = TcpStream::connect(to).await?;
            stream.set_nodelay(true)?;
            tasks.spawn(self.clone().connection(stream, until));
        }
        let mut answered = 0;
        while let Some(joined) = tasks.join_next().await {
            answered += joined.map_err(io::Error::other)??;
        }
        Ok(answered)
    }

    async fn connection(self, mut stream: TcpStream, until: Instant) -> io::Result<u64> {
        let mut answered = 0;
        let mut answer = Vec::with_capacity(2048);
        while Instant::now() < until {
            let body = (self.body)(self.sent.fetch_add(1, Ordering::Relaxed));
            let request = format!(
                "POST /_matrix/push/v1/notify HTTP/1.1\r\nHost: gateway.test\r\n\
                 User-Agent: Synapse/1.163.2\r\nAccept: application/json\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len(),
            );
            stream.write_all(request.as_bytes()).await?;
            answer.clear();
            let status = loop {
                if stream.read_buf(&mut answer).await? == 0 {
                    return Err(io::ErrorKind::UnexpectedEof.into());
                }
                if let Some(status) = whole(&answer)? {
                    break status;
                }
            };
            if status != 200 {
                let answer = String::from_utf8_lossy(&answer);
                return Err(io::Error::other(format!("answered {answer}")));
            }
            answered += 1;
        }
        Ok(answered)
    }
}

/// Returns the status of an answer that is there to its end.
fn whole(answer: &[u8]) -> io::Result<Option<u16>> {
    let mut headers = [httparse::EMPTY_HEADER; 32];
    let mut head = httparse::Response::new(&mut headers);
    let parsed = head.parse(answer).map_err(io::Error::other)?;
    let httparse::Status::Complete(end) = parsed else {
        return Ok(None);
    };
    let length = head
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok())
        .unwrap_or(0);
    Ok(head.code.filter(|_| answer.len() >= end + length))
}
