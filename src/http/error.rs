//! The only place that knows our HTTP statuses and the errcodes of Matrix.
//!
//! A homeserver repeats everything but a 2xx for 24 hours and holds that user's later pushes back
//! meanwhile, so a 4xx is only for what no homeserver sends. Texts are for operators who read a
//! homeserver's log: what is wrong, never a pushkey or content.

use std::borrow::Cow;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::http::header::{ALLOW, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER};
use bytes::Bytes;
use serde::Serialize;

use super::head;
use crate::dispatch::Verdict;
use crate::matrix::{DecodeError, Text};

/// The media type of every answer with a body.
pub(super) const JSON: (HeaderName, HeaderValue) =
    (CONTENT_TYPE, HeaderValue::from_static("application/json"));

/// The errcode of a refusal, for the access line.
#[derive(Debug, Clone, Copy)]
pub(super) struct Errcode(pub(super) &'static str);

/// A request that we do not fulfil.
#[derive(Debug)]
pub(super) struct Refusal {
    status: StatusCode,
    errcode: &'static str,
    error: Cow<'static, str>,
    allow: Option<&'static str>,
    retry_after: Option<Duration>,
}

/// The error object of Matrix: <https://spec.matrix.org/latest/push-gateway-api/#api-standards>.
#[derive(Serialize)]
struct MatrixError<'a> {
    errcode: &'a str,
    error: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u128>,
}

impl Refusal {
    fn new(status: StatusCode, errcode: &'static str, error: impl Into<Cow<'static, str>>) -> Self {
        Self { status, errcode, error: error.into(), allow: None, retry_after: None }
    }

    /// A path that is none of ours; `known` says what is here.
    pub(super) fn unknown_path(known: &str) -> Self {
        let error = format!("unknown path; {known}");
        Self::new(StatusCode::NOT_FOUND, "M_UNRECOGNIZED", error)
    }

    /// A path of ours, with a method it does not have; `allow` names those it has.
    pub(super) fn wrong_method(allow: &'static str) -> Self {
        let error = format!("wrong method; this path takes {allow}");
        Self {
            allow: Some(allow),
            ..Self::new(StatusCode::METHOD_NOT_ALLOWED, "M_UNRECOGNIZED", error)
        }
    }

    /// A head that comes too slowly.
    pub(super) fn head_too_slow() -> Self {
        let error = "the request's head took more than 10 s";
        Self::new(StatusCode::REQUEST_TIMEOUT, "M_UNKNOWN", error)
    }

    /// A head that could not be read, which actix answered with this status; `None` if the status
    /// says nothing of the kind.
    pub(super) fn unreadable_head(status: [u8; 3]) -> Option<Self> {
        match StatusCode::from_bytes(&status).ok()? {
            StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE => {
                Some(Self::head_too_large(head::MAX_HEAD_BYTES))
            }
            status if status.is_client_error() => {
                let error = "this is no HTTP/1.1 request";
                Some(Self::new(status, "M_UNRECOGNIZED", error))
            }
            _ => None,
        }
    }

    /// A parameter of a query that cannot be read.
    pub(super) fn bad_query(error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "M_INVALID_PARAM", error)
    }

    /// More header fields than anybody needs.
    pub(super) fn head_too_large(limit: usize) -> Self {
        let status = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
        let error = format!("the request's headers are over {limit} bytes");
        Self::new(status, "M_TOO_LARGE", error)
    }

    /// More body than the operator allows.
    pub(super) fn body_too_large(limit: usize) -> Self {
        let error = format!("the body is over {limit} bytes");
        Self::new(StatusCode::PAYLOAD_TOO_LARGE, "M_TOO_LARGE", error)
    }

    /// A body that comes too slowly.
    pub(super) fn body_too_slow() -> Self {
        let error = "the body came too slowly: send at least 1 KiB/s, and all of it in 60 s";
        Self::new(StatusCode::REQUEST_TIMEOUT, "M_UNKNOWN", error)
    }

    /// A body that ended before its announced end, or whose framing is broken.
    pub(super) fn body_broken() -> Self {
        Self::not_json("the body ended before its announced length or is badly chunked")
    }

    /// A body that is not JSON because it is compressed.
    pub(super) fn body_encoded() -> Self {
        Self::not_json("the body has a Content-Encoding: send plain JSON")
    }

    fn not_json(error: impl Into<Cow<'static, str>>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, "M_NOT_JSON", error)
    }

    /// The sorting room of this thread is gone: it is being rebuilt, or we are shutting down.
    pub(super) fn out_of_service() -> Self {
        let error = "the gateway is restarting; try again soon";
        Self::unavailable(error, Duration::from_secs(1))
    }

    fn unavailable(error: &'static str, retry_after: Duration) -> Self {
        Self {
            retry_after: Some(retry_after),
            ..Self::new(StatusCode::SERVICE_UNAVAILABLE, "M_UNKNOWN", error)
        }
    }

    fn rate_limited(retry_after: Duration) -> Self {
        let error = "too many pushes for this pushkey";
        Self {
            retry_after: Some(retry_after),
            ..Self::new(StatusCode::TOO_MANY_REQUESTS, "M_LIMIT_EXCEEDED", error)
        }
    }
}

/// Returns the last answer on a connection as bytes: for requests that never reached a route.
pub(super) fn on_the_wire(refusal: &Refusal) -> Bytes {
    let status = refusal.status;
    let id = head::new_id();
    let (body, id) = (body(refusal), id.to_str().unwrap_or_default());
    let mut answer = format!(
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\
         x-request-id: {id}\r\nconnection: close\r\n\r\n",
        body.len(),
    )
    .into_bytes();
    answer.extend(body);
    answer.into()
}

/// Returns the error object.
fn body(refusal: &Refusal) -> Vec<u8> {
    let limited = refusal.status == StatusCode::TOO_MANY_REQUESTS;
    let retry_after = refusal.retry_after.filter(|_| limited);
    let object = MatrixError {
        errcode: refusal.errcode,
        error: &refusal.error,
        retry_after_ms: retry_after.map(|wait| wait.as_millis()),
    };
    // Text and numbers only: writing them into memory cannot fail.
    serde_json::to_vec(&object).unwrap_or_default()
}

impl From<DecodeError> for Refusal {
    fn from(error: DecodeError) -> Self {
        let errcode = match error {
            DecodeError::NotJson(_) => "M_NOT_JSON",
            DecodeError::BadJson(_) => "M_BAD_JSON",
            DecodeError::MissingParam(_) => "M_MISSING_PARAM",
            DecodeError::InvalidParam(_) => "M_INVALID_PARAM",
        };
        Self::new(StatusCode::BAD_REQUEST, errcode, error.to_string())
    }
}

impl From<Refusal> for HttpResponse {
    fn from(refusal: Refusal) -> Self {
        let mut answer = Self::build(refusal.status);
        answer.extensions_mut().insert(Errcode(refusal.errcode));
        if let Some(allow) = refusal.allow {
            answer.insert_header((ALLOW, HeaderValue::from_static(allow)));
        }
        if let Some(wait) = refusal.retry_after {
            answer.insert_header((RETRY_AFTER, HeaderValue::from(whole_seconds(wait))));
        }
        answer.insert_header(JSON).body(body(&refusal))
    }
}

/// Returns the answer to a notification that was understood.
pub(super) fn verdict(verdict: Verdict) -> HttpResponse {
    match verdict {
        Verdict::Settled { rejected } => settled(&rejected),
        Verdict::ProviderFailed => {
            let error = "the push provider failed; the gateway's log says why";
            Refusal::new(StatusCode::BAD_GATEWAY, "M_UNKNOWN", error).into()
        }
        Verdict::DeadlinePassed => {
            let error = "the push provider did not answer in time";
            Refusal::new(StatusCode::GATEWAY_TIMEOUT, "M_UNKNOWN", error).into()
        }
        Verdict::Shed { retry_after } => {
            let error = "the gateway or the push provider is overloaded";
            Refusal::unavailable(error, retry_after).into()
        }
        Verdict::RateLimited { retry_after } => Refusal::rate_limited(retry_after).into(),
    }
}

/// Nearly every answer is the first one: it costs no allocation.
fn settled(rejected: &[Text]) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    if rejected.is_empty() {
        return answer.insert_header(JSON).body(r#"{"rejected":[]}"#);
    }
    json(&mut answer, &Rejected { rejected })
}

#[derive(Serialize)]
struct Rejected<'a> {
    #[serde(serialize_with = "texts")]
    rejected: &'a [Text],
}

fn texts<S: serde::Serializer>(texts: &[Text], to: S) -> Result<S::Ok, S::Error> {
    to.collect_seq(texts.iter().map(|text| -> &str { text }))
}

/// Writes a JSON body.
pub(super) fn json(
    answer: &mut actix_web::HttpResponseBuilder,
    body: &impl Serialize,
) -> HttpResponse {
    // Text and numbers only: writing them into memory cannot fail.
    let body = serde_json::to_vec(body).unwrap_or_default();
    answer.insert_header(JSON).body(body)
}

/// `Retry-After` counts whole seconds (RFC 9110, 10.2.3): rounded up, so that nobody comes early.
fn whole_seconds(wait: Duration) -> u64 {
    let whole = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
    whole.max(1)
}
