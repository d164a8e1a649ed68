//! What a push server's answer means. Pure.
//!
//! The statuses are those of RFC 8030 and <https://unifiedpush.org/developers/spec/server/>. Anyone
//! may be behind an endpoint, and no push server says more than its status, so nothing of a body is
//! read; nor can anything here be the operator's mistake.

use std::time::SystemTime;

use crate::providers::outcome::{Cause, Outcome};
use crate::providers::retry_after::retry_after;
use crate::transport::Response;

/// Returns what an answer means.
pub(super) fn classify(response: &Response, now: SystemTime) -> Outcome {
    let later = |reason| Outcome::later(Cause::new(reason), retry_after(&response.headers, now));
    let dropped = |reason| Outcome::Permanent(Cause::new(reason));
    match response.status.as_u16() {
        200..300 => Outcome::Accepted,
        300..400 => dropped("redirect"),
        400 => dropped("bad_request"),
        // A distributor that wants to know who pushes: a pusher brings no key for that.
        401 | 403 => dropped("forbidden"),
        404 => Outcome::Rejected(Cause::new("not_found")),
        405 => dropped("method_not_allowed"),
        408 => later("timeout"),
        410 => Outcome::Rejected(Cause::new("gone")),
        413 => dropped("payload_too_large"),
        429 => later("too_many_requests"),
        500..600 => later("server_error"),
        status => Outcome::Permanent(Cause::new("other").with_detail(format!("HTTP {status}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::testing::{answer, shown};

    fn classified(status: u16, retry_after: Option<&str>) -> String {
        let answer = answer(status, retry_after, "nothing of this is read");
        shown(&classify(&answer, SystemTime::UNIX_EPOCH))
    }

    #[test]
    fn every_documented_answer() {
        for (status, expected) in [
            (200, "accepted"),
            (201, "accepted"),
            (202, "accepted"),
            (204, "accepted"),
            (301, "permanent redirect"),
            (302, "permanent redirect"),
            (307, "permanent redirect"),
            (400, "permanent bad_request"),
            (401, "permanent forbidden"),
            (403, "permanent forbidden"),
            (404, "rejected not_found"),
            (405, "permanent method_not_allowed"),
            (408, "transient timeout"),
            (410, "rejected gone"),
            (413, "permanent payload_too_large"),
            (418, "permanent other"),
            (429, "transient too_many_requests"),
            (500, "transient server_error"),
            (502, "transient server_error"),
            (503, "transient server_error"),
            (504, "transient server_error"),
            // ntfy: nobody listens to the topic now.
            (507, "transient server_error"),
        ] {
            assert_eq!(classified(status, None), expected, "{status}");
        }
    }

    #[test]
    fn retry_after_is_heard() {
        for (status, value, expected) in [
            (429, "7", "transient too_many_requests 7s"),
            (429, "Thu, 01 Jan 1970 00:00:12 GMT", "transient too_many_requests 12s"),
            (429, "soon", "transient too_many_requests"),
            (503, "120", "transient server_error 120s"),
        ] {
            assert_eq!(classified(status, Some(value)), expected, "{status} {value}");
        }
    }
}
