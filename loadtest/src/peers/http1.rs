//! One HTTP/1.1 connection of a peer: one request after the other.

use std::io;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::{Request, Response};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc;

use super::answer::Act;
use super::orders::{Command, obeying};
use super::server::{Line, Server};
use super::service::{Decision, Service};

const MAX_REQUEST: usize = 1024 * 1024;
const MAX_HEADERS: usize = 64;

/// Serves one connection until it ends.
pub(super) async fn serve<S: Service, T: AsyncRead + AsyncWrite + Unpin>(
    server: &Server<S>,
    io: T,
    line: Arc<Line<S::Connection>>,
    orders: &mut mpsc::UnboundedReceiver<Command>,
) -> io::Result<()> {
    obeying(orders, exchanges(server, io, &line)).await.unwrap_or(Ok(()))
}

async fn exchanges<S: Service, T: AsyncRead + AsyncWrite + Unpin>(
    server: &Server<S>,
    mut io: T,
    line: &Line<S::Connection>,
) -> io::Result<()> {
    let mut buffer = BytesMut::new();
    loop {
        let Some((request, body_length)) = read_head(&mut io, &mut buffer).await? else {
            return Ok(());
        };
        if server.shared.script.closes_before_reading() {
            return Ok(());
        }
        while buffer.len() < body_length {
            read_more(&mut io, &mut buffer).await?;
        }
        let request = request.map(|()| buffer.split_to(body_length).freeze());
        let Decision { act, response, delay, .. } = server.decide(line, &request, 0);
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        match (act, response) {
            (Act::Stall, _) => {
                // Ends when the client does.
                return read_more(&mut io, &mut buffer).await;
            }
            (_, Some(response)) => io.write_all(&written(&response)).await?,
            (_, None) => return Ok(()),
        }
        io.flush().await?;
    }
}

/// Reads a request's head; `None` at the end of the stream.
async fn read_head<T: AsyncRead + Unpin>(
    io: &mut T,
    buffer: &mut BytesMut,
) -> io::Result<Option<(Request<()>, usize)>> {
    loop {
        if let Some((request, body_length, head_length)) = parse_head(buffer)? {
            let _ = buffer.split_to(head_length);
            return Ok(Some((request, body_length)));
        }
        if io.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
        if buffer.len() > MAX_REQUEST {
            return Err(io::ErrorKind::InvalidData.into());
        }
    }
}

fn parse_head(buffer: &[u8]) -> io::Result<Option<(Request<()>, usize, usize)>> {
    let mut headers = [httparse::EMPTY_HEADER; MAX_HEADERS];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(head_length) = head.parse(buffer).map_err(io::Error::other)?
    else {
        return Ok(None);
    };
    let mut request = Request::builder()
        .method(head.method.unwrap_or_default())
        .uri(head.path.unwrap_or_default());
    for header in head.headers.iter() {
        request = request.header(header.name, header.value);
    }
    let request = request.body(()).map_err(io::Error::other)?;
    let body_length = match request.headers().get(http::header::CONTENT_LENGTH) {
        None => 0,
        Some(length) => length
            .to_str()
            .ok()
            .and_then(|length| length.parse().ok())
            .filter(|length| *length <= MAX_REQUEST)
            .ok_or(io::ErrorKind::InvalidData)?,
    };
    Ok(Some((request, body_length, head_length)))
}

async fn read_more<T: AsyncRead + Unpin>(io: &mut T, buffer: &mut BytesMut) -> io::Result<()> {
    match io.read_buf(buffer).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(()),
    }
}

/// Returns an answer as it stands on the wire.
fn written(response: &Response<Bytes>) -> Vec<u8> {
    let mut out = format!("HTTP/1.1 {}\r\n", response.status()).into_bytes();
    for (name, value) in response.headers() {
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
        out.extend_from_slice(b"\r\n");
    }
    out.extend_from_slice(format!("content-length: {}\r\n\r\n", response.body().len()).as_bytes());
    out.extend_from_slice(response.body());
    out
}
