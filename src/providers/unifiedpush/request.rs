//! The request around a message: RFC 8030's headers.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Request};

use crate::matrix::Priority;
use crate::providers::push_request::push_request;

/// How long a push server keeps a message for a phone that is off: a day, as the gateway that
/// clients use by default has it.
/// <https://codeberg.org/UnifiedPush/common-proxies>
const TTL_SECONDS: u64 = 24 * 3600;

const JSON: HeaderValue = HeaderValue::from_static("application/json");

/// Builds the request to an endpoint; its URI is set when it is sent.
///
/// What was not encrypted is announced as `aes128gcm` all the same: push servers that were made for
/// browsers take nothing else (autopush answers 400 to a message without `Content-Encoding`), none
/// looks inside, and clients try both.
pub(super) fn build(message: Bytes, prio: Priority, is_encrypted: bool) -> Request<Bytes> {
    // "normal" lets a phone sleep on, and Matrix asks to be heard at once:
    // https://github.com/matrix-org/matrix-spec-proposals/pull/4174
    let urgency = match prio {
        Priority::High => "high",
        Priority::Low => "low",
    };
    let mut request = push_request(message, TTL_SECONDS, urgency);
    if !is_encrypted {
        request.headers_mut().insert(CONTENT_TYPE, JSON);
    }
    request
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers_say_what_the_push_is() {
        for (prio, is_encrypted, urgency, content_type) in [
            (Priority::High, false, "high", "application/json"),
            (Priority::Low, false, "low", "application/json"),
            (Priority::High, true, "high", "application/octet-stream"),
        ] {
            let request = build(Bytes::from_static(b"{}"), prio, is_encrypted);
            let headers = request.headers();
            assert_eq!(request.method(), "POST");
            assert_eq!(headers.len(), 5, "{headers:?}");
            for (name, value) in [
                ("ttl", "86400"),
                ("urgency", urgency),
                ("content-encoding", "aes128gcm"),
                ("content-type", content_type),
            ] {
                assert_eq!(headers[name], value, "{name}");
            }
        }
    }
}
