//! One scripted answer: a status and what goes with it, or a way not to answer.

use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode};

/// One scripted answer, or refusal to answer.
#[derive(Debug, Clone)]
pub struct Answer {
    pub(super) act: Act,
    pub(super) status: StatusCode,
    pub(super) reason: Option<String>,
    pub(super) message: Option<String>,
    pub(super) timestamp: Option<u64>,
    pub(super) headers: HeaderMap,
    pub(super) body: Option<Bytes>,
    pub(super) delay: Duration,
}

/// What is done with the request's stream and connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    /// The peer's usual success.
    Accept,
    /// The answer as it is written.
    Respond,
    /// Nothing, for ever.
    Stall,
    /// A reset of the stream.
    Reset(Reason),
    /// The TCP connection ends before the request's body is read.
    CloseBeforeReading,
    /// The TCP connection ends after the request was read.
    Close,
    /// GOAWAY that leaves out this stream and all after it; earlier ones are answered.
    GoAway,
    /// GOAWAY that counts this stream as seen, then the end: nothing more is answered.
    GoAwayAbrupt(Reason),
}

impl Answer {
    fn of(act: Act, status: StatusCode) -> Self {
        Self {
            act,
            status,
            reason: None,
            message: None,
            timestamp: None,
            headers: HeaderMap::new(),
            body: None,
            delay: Duration::ZERO,
        }
    }

    /// Answers as if nothing were scripted: the provider's success.
    #[must_use]
    pub fn accept() -> Self {
        Self::of(Act::Accept, StatusCode::OK)
    }

    /// Answers `status` with the provider's error body for `reason`.
    ///
    /// The reason is what the provider calls it: `reason` of APNs, `errorCode` of FCM, `error` of
    /// OAuth.
    ///
    /// # Panics
    ///
    /// If `status` is not an HTTP status.
    #[must_use]
    pub fn new(status: u16, reason: &str) -> Self {
        Self { reason: Some(reason.to_owned()), ..Self::status(status) }
    }

    /// Answers `status` with what the provider sends when it gives no reason of its own.
    ///
    /// # Panics
    ///
    /// If `status` is not an HTTP status.
    #[must_use]
    pub fn status(status: u16) -> Self {
        let status = StatusCode::from_u16(status)
            .unwrap_or_else(|_| panic!("cannot answer {status}: it is not an HTTP status"));
        Self::of(Act::Respond, status)
    }

    /// Answers with an HTML page, as front ends do when what is behind them is gone.
    ///
    /// # Panics
    ///
    /// If `status` is not an HTTP status.
    #[must_use]
    pub fn html(status: u16) -> Self {
        let page = format!("<!DOCTYPE html>\n<html lang=en>\n<title>Error {status}</title>\n");
        Self::status(status).header("content-type", "text/html; charset=UTF-8").body(page)
    }

    /// Never answers; ends when the client gives the stream up.
    #[must_use]
    pub fn stall() -> Self {
        Self::of(Act::Stall, StatusCode::OK)
    }

    /// Resets the stream, e.g. with [`Reason::REFUSED_STREAM`]; over HTTP/1.1 as [`Self::close`].
    #[must_use]
    pub fn reset(code: Reason) -> Self {
        Self::of(Act::Reset(code), StatusCode::OK)
    }

    /// Closes the TCP connection when the head of the next request arrives. Of no use in rules,
    /// nor for one token: those are asked when the request was read.
    #[must_use]
    pub fn close_before_reading() -> Self {
        Self::of(Act::CloseBeforeReading, StatusCode::OK)
    }

    /// Closes the TCP connection after the request was read.
    #[must_use]
    pub fn close() -> Self {
        Self::of(Act::Close, StatusCode::OK)
    }

    /// Sends a GOAWAY whose last stream is the one before this request: this and all later ones
    /// were not processed, earlier ones are still answered. A reason goes into the debug data.
    #[must_use]
    pub fn goaway() -> Self {
        Self::of(Act::GoAway, StatusCode::OK)
    }

    /// Sends a GOAWAY that counts this request as seen, and ends the connection without any
    /// answer. A reason goes into the debug data.
    #[must_use]
    pub fn goaway_abrupt(code: Reason) -> Self {
        Self::of(Act::GoAwayAbrupt(code), StatusCode::OK)
    }

    /// Gives a reason, as [`Self::new`] does.
    #[must_use]
    pub fn reason(mut self, reason: &str) -> Self {
        self.reason = Some(reason.to_owned());
        self
    }

    /// Gives the text for people: `message` of FCM, `error_description` of OAuth.
    #[must_use]
    pub fn message(mut self, text: &str) -> Self {
        self.message = Some(text.to_owned());
        self
    }

    /// Adds a header, its name in lower case.
    ///
    /// # Panics
    ///
    /// If name or value cannot stand in a header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: &str) -> Self {
        let value = HeaderValue::from_str(value)
            .unwrap_or_else(|_| panic!("cannot answer with the header {name}: {value:?}"));
        self.headers.insert(HeaderName::from_static(name), value);
        self
    }

    /// Adds `Retry-After`, in seconds or as an HTTP date.
    ///
    /// # Panics
    ///
    /// If the value cannot stand in a header.
    #[must_use]
    pub fn retry_after(self, value: impl std::fmt::Display) -> Self {
        self.header("retry-after", &value.to_string())
    }

    /// Adds APNs' `timestamp` in milliseconds since the epoch, for 410.
    #[must_use]
    pub fn timestamp(mut self, milliseconds: u64) -> Self {
        self.timestamp = Some(milliseconds);
        self
    }

    /// Answers with this body instead of the provider's.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = Some(body.into());
        self
    }

    /// Makes the answer with this body, if it has none of its own.
    pub(super) fn response(&self, body: impl FnOnce() -> Bytes) -> Response<Bytes> {
        let mut response = Response::new(self.body.clone().unwrap_or_else(body));
        *response.status_mut() = self.status;
        response.headers_mut().clone_from(&self.headers);
        response
    }

    /// Answers this much later.
    #[must_use]
    pub fn after(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }
}
