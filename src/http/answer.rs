//! What a homeserver would be answered, as data, for those who try things out without one.

use actix_web::HttpResponse;
use actix_web::body::MessageBody as _;
use actix_web::http::header::RETRY_AFTER;
use bytes::Bytes;
use serde::Serialize;
use serde_json::Value;

use super::error::{self, Refusal};
use crate::dispatch::Verdict;
use crate::matrix::{self, NotifyRequest};

/// An answer to `POST /_matrix/push/v1/notify`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// `Retry-After`, in seconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub retry_after: Option<u64>,
    /// The body.
    pub body: Value,
}

impl Answer {
    /// Reads a request's body as the public listener does.
    ///
    /// # Errors
    ///
    /// Returns the answer to a body that is refused.
    pub fn or_request(body: Bytes, max_body_bytes: usize) -> Result<NotifyRequest, Self> {
        if body.len() > max_body_bytes {
            return Err(Refusal::body_too_large(max_body_bytes).into());
        }
        matrix::decode(body).map_err(|reason| Refusal::from(reason).into())
    }

    /// Returns the answer to a notification that was understood.
    #[must_use]
    pub fn to(verdict: Verdict) -> Self {
        error::verdict(verdict).into()
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        HttpResponse::from(refusal).into()
    }
}

impl From<HttpResponse> for Answer {
    fn from(response: HttpResponse) -> Self {
        let retry_after = response.headers().get(RETRY_AFTER);
        let retry_after = retry_after.and_then(|it| it.to_str().ok()?.parse().ok());
        let status = response.status().as_u16();
        let body = response.into_body().try_into_bytes();
        Self {
            status,
            retry_after,
            body: serde_json::from_slice(&body.unwrap_or_default()).unwrap_or_default(),
        }
    }
}
