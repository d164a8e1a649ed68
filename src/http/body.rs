//! Reads a request's body: not more than allowed, and not slower than a working client sends.
//!
//! A body that came in one piece, as nearly all do, is passed on without a copy, and a body that
//! came with its head costs neither a timer nor a look at the clock.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::HttpRequest;
use actix_web::error::PayloadError;
use actix_web::http::header::CONTENT_LENGTH;
use bytes::{Bytes, BytesMut};
use futures_util::Stream;
use tokio::time::{Instant, Sleep, sleep_until};

/// The least that a client must send in a second.
const LEAST_BYTES_PER_SECOND: u64 = 1024;

/// How long a client may send less than that, over the whole body.
const GRACE: Duration = Duration::from_secs(10);

/// How long the whole body may take. Synapse gives up after 60 s.
const LONGEST: Duration = Duration::from_secs(60);

/// The most memory reserved on the word of a `Content-Length` alone.
const MAX_RESERVED: usize = 64 * 1024;

/// Why a body could not be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BodyError {
    /// It is, or says it is, over the limit.
    TooLarge,
    /// The client sends too slowly.
    TooSlow,
    /// It ended too early, or is badly chunked.
    Broken,
}

/// Returns the body's length as the client announced it.
pub(super) fn announced(request: &HttpRequest) -> Option<usize> {
    let length = request.headers().get(CONTENT_LENGTH)?;
    length.to_str().ok()?.trim().parse().ok()
}

/// Reads a body whole, if it is not over `limit`. What is too large is left unread in `body`.
pub(super) async fn read<S>(
    body: &mut S,
    announced: Option<usize>,
    limit: usize,
) -> Result<Bytes, BodyError>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    if announced > Some(limit) {
        return Err(BodyError::TooLarge);
    }
    let mut pieces = Pieces::new(body, limit);
    let Some(first) = pieces.next().await? else {
        return Ok(Bytes::new());
    };
    let Some(second) = pieces.next().await? else {
        return Ok(first);
    };
    let expected = announced.unwrap_or(0).min(MAX_RESERVED);
    let mut whole = BytesMut::with_capacity(expected.max(first.len() + second.len()));
    whole.extend_from_slice(&first);
    whole.extend_from_slice(&second);
    while let Some(piece) = pieces.next().await? {
        whole.extend_from_slice(&piece);
    }
    Ok(whole.freeze())
}

/// The pieces of a body, as long as it keeps to the limit and the client keeps the pace.
struct Pieces<'s, S> {
    body: &'s mut S,
    limit: usize,
    received: usize,
    asked_again: bool,
    patience: Option<Patience>,
}

/// A timer that is set only when a body keeps us waiting.
struct Patience {
    since: Instant,
    timer: Pin<Box<Sleep>>,
}

impl<'s, S> Pieces<'s, S>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    fn new(body: &'s mut S, limit: usize) -> Self {
        Self { body, limit, received: 0, asked_again: false, patience: None }
    }

    async fn next(&mut self) -> Result<Option<Bytes>, BodyError> {
        match poll_fn(|cx| self.poll(cx)).await? {
            Some(Ok(piece)) if self.received + piece.len() > self.limit => Err(BodyError::TooLarge),
            Some(Ok(piece)) => {
                self.received += piece.len();
                Ok(Some(piece))
            }
            Some(Err(_)) => Err(BodyError::Broken),
            None => Ok(None),
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Option<Result<Bytes, PayloadError>>, BodyError>> {
        if let Poll::Ready(piece) = Pin::new(&mut *self.body).poll_next(cx) {
            return Poll::Ready(Ok(piece));
        }
        if !self.asked_again {
            // actix calls us on the head, before it looks at the bytes behind it: most often the
            // body is there already, and asking once more costs less than a timer.
            self.asked_again = true;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let patience = self.patience.get_or_insert_with(Patience::new);
        ready!(patience.poll(cx, self.received));
        Poll::Ready(Err(BodyError::TooSlow))
    }
}

impl Patience {
    fn new() -> Self {
        let since = Instant::now();
        Self { since, timer: Box::pin(sleep_until(since + GRACE)) }
    }

    /// Is ready when a client that has sent `received` bytes is too slow.
    fn poll(&mut self, cx: &mut Context<'_>, received: usize) -> Poll<()> {
        loop {
            ready!(self.timer.as_mut().poll(cx));
            let earned = Duration::from_secs(received as u64 / LEAST_BYTES_PER_SECOND);
            let until = self.since + LONGEST.min(GRACE + earned);
            if until <= self.timer.deadline() {
                return Poll::Ready(());
            }
            self.timer.as_mut().reset(until);
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    type Piece = Result<Bytes, PayloadError>;

    /// A client that sends `pieces`, each after a pause.
    fn client(pieces: Vec<(Duration, Piece)>) -> impl Stream<Item = Piece> + Unpin {
        Box::pin(stream::unfold(pieces.into_iter(), async |mut pieces| {
            let (pause, piece) = pieces.next()?;
            tokio::time::sleep(pause).await;
            Some((piece, pieces))
        }))
    }

    /// A client that sends `each` bytes `times` times, once in a second.
    fn steady(each: usize, times: usize) -> impl Stream<Item = Piece> + Unpin {
        let piece = Bytes::from(vec![b'x'; each]);
        let second = Duration::from_secs(1);
        client(vec![0; times].iter().map(|_| (second, Ok(piece.clone()))).collect())
    }

    async fn read_all(mut client: impl Stream<Item = Piece> + Unpin) -> Result<usize, BodyError> {
        let whole = read(&mut client, None, 1 << 20).await?;
        Ok(whole.len())
    }

    #[tokio::test]
    async fn one_piece_is_not_copied() {
        let piece = Bytes::from_static(b"whole");
        let mut client = stream::iter([Ok(piece.clone())]);
        let whole = read(&mut client, Some(5), 5).await.unwrap();
        assert_eq!(whole.as_ptr(), piece.as_ptr());
    }

    #[tokio::test]
    async fn pieces_are_joined_up_to_the_limit() {
        let pieces = ["ab", "", "cd", "e"].map(|it| Ok(Bytes::from_static(it.as_bytes())));
        let read_up_to = async |limit| {
            let mut client = stream::iter(pieces.iter().map(|it: &Piece| match it {
                Ok(piece) => Ok(piece.clone()),
                Err(_) => Err(PayloadError::Overflow),
            }));
            read(&mut client, None, limit).await
        };
        assert_eq!(read_up_to(5).await, Ok(Bytes::from_static(b"abcde")));
        for limit in 0..5 {
            assert_eq!(read_up_to(limit).await, Err(BodyError::TooLarge), "{limit}");
        }
    }

    #[tokio::test]
    async fn an_announced_length_over_the_limit_is_not_waited_for() {
        let mut never = stream::pending();
        assert_eq!(read(&mut never, Some(6), 5).await, Err(BodyError::TooLarge));
    }

    #[tokio::test]
    async fn a_broken_body() {
        let mut client = stream::iter([Ok(Bytes::from_static(b"a")), Err(PayloadError::Overflow)]);
        assert_eq!(read(&mut client, None, 5).await, Err(BodyError::Broken));
    }

    #[tokio::test(start_paused = true)]
    async fn which_pace_is_enough() {
        for (each, times, result) in [
            // Slow, but done within the grace.
            (1, 9, Ok(9)),
            // One byte a second earns nothing.
            (1, 30, Err(BodyError::TooSlow)),
            (1023, 9, Ok(9 * 1023)),
            // Exactly the least, and the whole of the time.
            (1024, 50, Ok(50 * 1024)),
            (1024, 59, Ok(59 * 1024)),
            (1024, 61, Err(BodyError::TooSlow)),
            (500, 30, Err(BodyError::TooSlow)),
            (4096, 59, Ok(59 * 4096)),
            (4096, 61, Err(BodyError::TooSlow)),
        ] {
            assert_eq!(read_all(steady(each, times)).await, result, "{each} {times}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn when_patience_ends() {
        let started = Instant::now();
        let stalled = stream::iter([Ok(Bytes::from(vec![b'x'; 5 * 1024]))]);
        let stalled = futures_util::StreamExt::chain(stalled, stream::pending());
        assert_eq!(read_all(stalled).await, Err(BodyError::TooSlow));
        assert_eq!(started.elapsed().as_secs(), 15);

        let started = Instant::now();
        let large = stream::iter([Ok(Bytes::from(vec![b'x'; 500 * 1024]))]);
        let large = futures_util::StreamExt::chain(large, stream::pending());
        assert_eq!(read_all(large).await, Err(BodyError::TooSlow));
        assert_eq!(started.elapsed().as_secs(), 60);
    }
}
