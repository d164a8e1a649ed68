//! One keep-alive connection of a homeserver: a request, its answer, the next request.

use std::io;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

/// Connections from one source address: below the range of ports that Linux gives out by itself
/// (`ip_local_port_range`, 28,232 of them).
const PER_ADDRESS: usize = 20_000;

/// What a gateway says of a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// 200, nothing rejected.
    Settled,
    /// 200, the pushkey rejected.
    Rejected,
    /// Any other status: to be repeated.
    Refused(u16),
}

/// One keep-alive connection.
pub(super) struct Line {
    stream: TcpStream,
    answer: Vec<u8>,
}

impl Line {
    /// Opens the connection with this number, from 127.0.0.1 or one of its neighbours.
    pub(super) async fn open(gateway: SocketAddr, number: usize) -> io::Result<Self> {
        let neighbour = u8::try_from(number / PER_ADDRESS % 250).unwrap_or_default();
        let socket = TcpSocket::new_v4()?;
        if neighbour > 0 {
            let source = Ipv4Addr::new(127, 0, 0, 1 + neighbour);
            socket.bind(SocketAddrV4::new(source, 0).into())?;
        }
        let stream = socket.connect(gateway).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, answer: Vec::with_capacity(1024) })
    }

    /// Whether the gateway has closed it meanwhile, as it does with one that says nothing for long.
    pub(super) fn is_closed(&self) -> bool {
        let unasked = self.stream.try_read(&mut [0]);
        !unasked.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Sends a request and reads its whole answer.
    pub(super) async fn ask(&mut self, request: &[u8]) -> io::Result<Answer> {
        self.stream.write_all(request).await?;
        self.answer.clear();
        loop {
            if self.stream.read_buf(&mut self.answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            if let Some(answer) = whole(&self.answer)? {
                return Ok(answer);
            }
        }
    }
}

/// Reads an answer, once all of it is there.
fn whole(bytes: &[u8]) -> io::Result<Option<Answer>> {
    let mut headers = [httparse::EMPTY_HEADER; 16];
    let mut head = httparse::Response::new(&mut headers);
    let parsed = head.parse(bytes).map_err(io::Error::other)?;
    let httparse::Status::Complete(start) = parsed else {
        return Ok(None);
    };
    let status = head.code.unwrap_or_default();
    let length = head
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| std::str::from_utf8(header.value).ok()?.parse().ok())
        .unwrap_or(0);
    let Some(body) = bytes.get(start..start + length) else {
        return Ok(None);
    };
    Ok(Some(match (status, body) {
        (200, br#"{"rejected":[]}"#) => Answer::Settled,
        (200, _) => Answer::Rejected,
        (status, _) => Answer::Refused(status),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers() {
        let answer = |status: &str, body: &str| {
            format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len())
        };
        for (text, expected) in [
            (answer("200 OK", r#"{"rejected":[]}"#), Answer::Settled),
            (answer("200 OK", r#"{"rejected":["k"]}"#), Answer::Rejected),
            (answer("503 Service Unavailable", "{}"), Answer::Refused(503)),
        ] {
            assert_eq!(whole(text.as_bytes()).unwrap(), Some(expected));
            for end in [0, 5, text.len() - 1] {
                assert_eq!(whole(&text.as_bytes()[..end]).unwrap(), None);
            }
        }
        assert!(whole(b"SMTP\r\n\r\n").is_err());
    }
}
