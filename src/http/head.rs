//! What happens to every request's head: too large a one is refused, and the request gets an id,
//! which every answer shows as `X-Request-Id`.
//!
//! The id is kept where a good one comes from anyway, in the request's own header: one look-up
//! finds it, and a request that brings its id costs nothing.

use std::rc::Rc;

use actix_web::Error;
use actix_web::body::BoxBody;
use actix_web::dev::{RequestHead, ServiceRequest, ServiceResponse};
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
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

/// Checks a request's head, names the request, and shows its name on the answer.
pub(super) async fn check(
    mut request: ServiceRequest,
    next: Next<BoxBody>,
) -> Result<ServiceResponse, Error> {
    let progress = request.request().conn_data::<Rc<Progress>>().cloned();
    if let Some(progress) = &progress {
        progress.routed();
    }
    let head = request.head_mut();
    let given = head.headers().get(X_REQUEST_ID).filter(|id| is_sane(id));
    let id = given.cloned().unwrap_or_else(|| {
        let id = new_id();
        head.headers_mut().insert(X_REQUEST_ID, id.clone());
        id
    });
    let mut response = if size(request.head()) > MAX_HEAD_BYTES {
        let (request, body) = request.into_parts();
        let refusal = Refusal::head_too_large(MAX_HEAD_BYTES).into();
        let refusal = unread::answer(&request, body, refusal).await;
        access::refused(&request, &refusal);
        ServiceResponse::new(request, refusal)
    } else {
        next.call(request).await?
    };
    response.headers_mut().insert(X_REQUEST_ID, id);
    if let Some(progress) = &progress {
        progress.answered();
    }
    Ok(response)
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
