//! The homeservers' side: keep-alive HTTP/1.1 connections that send one notification after another,
//! each with its own event id, as Synapse does it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

/// What the clients of one run saw.
#[derive(Debug, Clone)]
pub(super) struct Seen {
    /// Answers by status class: 2xx, 4xx, 5xx.
    pub(super) ok: u64,
    /// Answers that ask for a repeat, or none at all.
    pub(super) failed: u64,
    /// From the request's first byte to the answer's last, in microseconds.
    pub(super) latency: Histogram<u64>,
    /// How long the load lasted.
    pub(super) elapsed: Duration,
}

/// Sends notifications over `connections` connections, each as soon as the last is answered,
/// until `duration` has passed. `sequence` numbers the notifications over several calls.
///
/// # Errors
///
/// Returns an error if the gateway cannot be reached at all.
pub(super) async fn closed_loop(
    gateway: SocketAddr,
    connections: usize,
    duration: Duration,
    body: &Arc<dyn Fn(u64) -> String + Send + Sync>,
    sequence: &Arc<AtomicU64>,
) -> io::Result<Seen> {
    let stop = Arc::new(AtomicBool::new(false));
    let mut tasks = JoinSet::new();
    for _ in 0..connections {
        let stream = TcpStream::connect(gateway).await?;
        stream.set_nodelay(true)?;
        tasks.spawn(connection(
            stream,
            sequence.clone(),
            stop.clone(),
            body.clone(),
        ));
    }
    let started = Instant::now();
    tokio::time::sleep(duration).await;
    stop.store(true, Ordering::Relaxed);
    let mut seen = Seen {
        ok: 0,
        failed: 0,
        latency: histogram(),
        elapsed: Duration::ZERO,
    };
    while let Some(joined) = tasks.join_next().await {
        let (ok, failed, latency) = joined.map_err(io::Error::other)?;
        seen.ok += ok;
        seen.failed += failed;
        seen.latency.add(latency).map_err(io::Error::other)?;
    }
    seen.elapsed = started.elapsed();
    Ok(seen)
}

/// Three digits of latency from 1 µs to one minute.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1, 60_000_000, 3)
        .unwrap_or_else(|error| unreachable!("these bounds are allowed: {error}"))
}

async fn connection(
    mut stream: TcpStream,
    sequence: Arc<AtomicU64>,
    stop: Arc<AtomicBool>,
    body: Arc<dyn Fn(u64) -> String + Send + Sync>,
) -> (u64, u64, Histogram<u64>) {
    let (mut ok, mut failed, mut latency) = (0, 0, histogram());
    let mut request = Vec::with_capacity(2048);
    let mut answer = Vec::with_capacity(2048);
    while !stop.load(Ordering::Relaxed) {
        let body = body(sequence.fetch_add(1, Ordering::Relaxed));
        request.clear();
        request.extend_from_slice(
            format!(
                "POST /_matrix/push/v1/notify HTTP/1.1\r\nHost: gateway.test\r\n\
                 User-Agent: Synapse/1.163.2\r\nAccept: application/json\r\n\
                 Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
                body.len(),
            )
            .as_bytes(),
        );
        let started = Instant::now();
        match exchange(&mut stream, &request, &mut answer).await {
            Ok(200) => ok += 1,
            Ok(_) => failed += 1,
            Err(_) => {
                failed += 1;
                break;
            }
        }
        let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        latency.saturating_record(micros);
    }
    (ok, failed, latency)
}

/// Sends one request and reads its whole answer. Returns the status.
async fn exchange(stream: &mut TcpStream, request: &[u8], answer: &mut Vec<u8>) -> io::Result<u16> {
    stream.write_all(request).await?;
    answer.clear();
    loop {
        if stream.read_buf(answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        let Some(head) = answer.windows(4).position(|end| end == b"\r\n\r\n") else {
            continue;
        };
        let text = std::str::from_utf8(&answer[..head]).map_err(io::Error::other)?;
        let status = text.get(9..12).and_then(|status| status.parse().ok());
        let length: usize = text
            .lines()
            .filter_map(|line| line.split_once(':'))
            .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
            .and_then(|(_, value)| value.trim().parse().ok())
            .unwrap_or(0);
        while answer.len() < head + 4 + length {
            if stream.read_buf(answer).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
        return status.ok_or_else(|| io::ErrorKind::InvalidData.into());
    }
}
