//! What happens to every request's head: too large a one is refused, and the request gets an id,
//! which every answer shows as `X-Request-Id`: its own, if it brings a good one.
//!
//! Around the handlers and not as a middleware of actix-web: that would put each of them in three
//! more boxes.

use std::rc::Rc;

use actix_web::dev::{Payload, RequestHead};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::{HttpRequest, HttpResponse, web};
use uuid::Uuid;

use super::connection::Progress;
use super::error::Refusal;
use super::{access, unread};

/// The header that names a request.
pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The most that request line and headers may hold.
pub(super) const MAX_HEAD_BYTES: usize = 64 * 1024;

/// The longest id taken over from a request.
const MAX_ID_BYTES: usize = 128;

/// Has a request answered, unless its head is too large, and shows its id on the answer.
pub(super) async fn checked(
    request: HttpRequest,
    body: web::Payload,
    answer: impl AsyncFnOnce(&HttpRequest, Payload, &HeaderValue) -> HttpResponse,
) -> HttpResponse {
    let progress = request.conn_data::<Rc<Progress>>();
    if let Some(progress) = progress {
        progress.routed();
    }
    let given = request.headers().get(X_REQUEST_ID);
    let given = given.filter(|id| is_sane(id)).cloned();
    let (id, body) = (given.unwrap_or_else(new_id), body.into_inner());
    let mut answer = if size(request.head()) > MAX_HEAD_BYTES {
        let refusal = Refusal::head_too_large(MAX_HEAD_BYTES).into();
        let refusal = unread::answer(&request, body, refusal).await;
        access::refused(&request, &id, &refusal);
        refusal
    } else {
        answer(&request, body, &id).await
    };
    answer.headers_mut().insert(X_REQUEST_ID, id);
    if let Some(progress) = progress {
        progress.answered();
    }
    answer
}

/// Whether an id can be written into a log line and a header as it is.
fn is_sane(id: &HeaderValue) -> bool {
    let id = id.as_bytes();
    let is_sane = |byte: &u8| byte.is_ascii_alphanumeric() || b"._:/+=@-".contains(byte);
    (1..=MAX_ID_BYTES).contains(&id.len()) && id.iter().all(is_sane)
}

/// Makes an id for a request that brings none.
pub(super) fn new_id() -> HeaderValue {
    let mut text = [0; uuid::fmt::Simple::LENGTH];
    let text = Uuid::new_v4().simple().encode_lower(&mut text);
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static("none"))
}

/// Returns about how many bytes the head had on the wire.
fn size(head: &RequestHead) -> usize {
    let target = head.uri.path_and_query().map_or(0, |it| it.as_str().len());
    head.headers()
        .iter()
        // A name, ": ", a value, CR LF.
        .map(|(name, value)| name.as_str().len() + value.len() + 4)
        .sum::<usize>()
        + target
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn which_ids_are_taken_over() {
        let longest = "x".repeat(MAX_ID_BYTES);
        let too_long = "x".repeat(MAX_ID_BYTES + 1);
        let cases: [(&[u8], bool); 9] = [
            (b"a", true),
            (b"7f3c-AZ.09_:/+=@", true),
            (longest.as_bytes(), true),
            (too_long.as_bytes(), false),
            (b"", false),
            (b"two words", false),
            (b"quote\"", false),
            (b"caf\xe9", false),
            ("é".as_bytes(), false),
        ];
        for (id, sane) in cases {
            let value = HeaderValue::from_bytes(id).unwrap();
            assert_eq!(is_sane(&value), sane, "{value:?}");
        }
    }

    #[test]
    fn made_ids_are_sane_and_differ() {
        let (one, other) = (new_id(), new_id());
        assert!(is_sane(&one));
        assert_ne!(one, other);
        assert_eq!(one.len(), 32);
    }
}
