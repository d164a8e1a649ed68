//! The request around a message to a push server, as RFC 8030 has it: what Web Push and
//! `UnifiedPush` have in common.

use bytes::Bytes;
use http::header::{CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderName, HeaderValue, Method, Request};

use crate::transport::AGENT;

/// How long a push server keeps the message, in seconds: RFC 8030, section 5.2.
const TTL: HeaderName = HeaderName::from_static("ttl");
/// How soon the device should learn of it: RFC 8030, section 5.3.
const URGENCY: HeaderName = HeaderName::from_static("urgency");

const AES128GCM: HeaderValue = HeaderValue::from_static("aes128gcm");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");

/// Builds the request to a push server; its URI is set when it is sent.
pub(super) fn push_request(
    message: Bytes,
    ttl_seconds: u64,
    urgency: &'static str,
) -> Request<Bytes> {
    let mut request = Request::new(message);
    *request.method_mut() = Method::POST;
    let headers = request.headers_mut();
    headers.insert(CONTENT_ENCODING, AES128GCM);
    headers.insert(CONTENT_TYPE, BYTES);
    headers.insert(USER_AGENT, AGENT);
    headers.insert(TTL, HeaderValue::from(ttl_seconds));
    headers.insert(URGENCY, HeaderValue::from_static(urgency));
    request
}
