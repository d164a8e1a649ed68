//! Disposes of a body that nobody wants, so that the client gets its answer.
//!
//! A connection closed while bytes wait in it is reset, and the reset can overtake the answer. So a
//! small rest is read and dropped, and the connection stays usable. Where more is coming, the
//! answer goes first, some of the rest is read, and the connection is closed only after the answer
//! had time to arrive (RFC 9112, 9.6). actix itself would read a rest without a bound, so it gets
//! no chance: until then the response's body holds the request's.

use std::convert::Infallible;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Payload;
use actix_web::http::ConnectionType;
use actix_web::{HttpRequest, HttpResponse};
use bytes::Bytes;
use futures_util::{Stream as _, StreamExt as _};
use tokio::time::{Sleep, sleep, timeout};

use super::body;

/// The most that is read of an unwanted body: 1 MiB, less what actix-http reads ahead (128 KiB in
/// its dispatcher, 32 KiB in the payload).
const MOST_READ: usize = (1024 - 128 - 32) * 1024;

/// How long a small rest may take.
const READING: Duration = Duration::from_secs(5);

/// How long the connection stays open behind an answer that goes before the rest.
const LINGERING: Duration = Duration::from_secs(2);

/// Answers a request whose body, or what is left of it, is not wanted.
pub(super) async fn answer(
    request: &HttpRequest,
    mut rest: Payload,
    answer: HttpResponse,
) -> HttpResponse {
    if matches!(rest, Payload::None) {
        return answer;
    }
    if body::announced(request) > Some(MOST_READ) {
        return close(rest, answer);
    }
    match timeout(READING, drop_pieces(&mut rest)).await {
        Ok(End::Reached) => answer,
        Ok(End::TooFar) | Err(_) => close_after(rest, answer, 0),
    }
}

/// Answers at once, and closes the connection when the client had time to see it.
pub(super) fn close(rest: Payload, answer: HttpResponse) -> HttpResponse {
    close_after(rest, answer, MOST_READ)
}

fn close_after(rest: Payload, answer: HttpResponse, budget: usize) -> HttpResponse {
    let mut answer = answer.map_body(|_, answer| match answer.try_into_bytes() {
        Ok(answer) => BoxBody::new(Last { answer: Some(answer), rest, budget, lingering: None }),
        Err(answer) => answer,
    });
    force_close(&mut answer);
    answer
}

/// Closes the connection behind an answer.
pub(super) fn force_close(answer: &mut HttpResponse) {
    let head = answer.head_mut();
    head.set_connection_type(ConnectionType::Close);
}

enum End {
    Reached,
    TooFar,
}

async fn drop_pieces(rest: &mut Payload) -> End {
    let mut read = 0;
    while let Some(Ok(piece)) = rest.next().await {
        read += piece.len();
        if read > MOST_READ {
            return End::TooFar;
        }
    }
    End::Reached
}

/// The last answer on a connection, and behind it what the client still sends.
struct Last {
    answer: Option<Bytes>,
    rest: Payload,
    budget: usize,
    lingering: Option<Pin<Box<Sleep>>>,
}

impl MessageBody for Last {
    type Error = Infallible;

    fn size(&self) -> BodySize {
        BodySize::Sized(self.answer.as_ref().map_or(0, Bytes::len) as u64)
    }

    fn poll_next(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        if let Some(answer) = self.answer.take() {
            return Poll::Ready(Some(Ok(answer)));
        }
        let this = &mut *self;
        while this.budget > 0 {
            match Pin::new(&mut this.rest).poll_next(cx) {
                Poll::Ready(Some(Ok(piece))) => {
                    this.budget = this.budget.saturating_sub(piece.len());
                }
                Poll::Ready(_) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        let lingering = this.lingering.get_or_insert_with(|| Box::pin(sleep(LINGERING)));
        ready!(lingering.as_mut().poll(cx));
        Poll::Ready(None)
    }
}
