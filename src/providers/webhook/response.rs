//! What a webhook's answer means. Pure.
//!
//! There is no vendor: the operator's own server answers, and these are the words it has. What only
//! the operator can mend (who may post, where, how) is an alarm, and the homeserver repeats it.

use std::time::SystemTime;

use crate::providers::outcome::{Cause, Outcome};
use crate::providers::retry_after::retry_after;
use crate::transport::Response;

/// Returns what an answer means.
pub(super) fn classify(response: &Response, now: SystemTime) -> Outcome {
    let later = |reason| Outcome::later(Cause::new(reason), retry_after(&response.headers, now));
    let operator = |reason, advice| Outcome::operator(reason).with_detail(advice);
    let dropped = |reason| Outcome::Permanent(Cause::new(reason));
    match response.status.as_u16() {
        200..300 => Outcome::Accepted,
        300..400 => operator("redirect", "the webhook redirects; write its final address as `url`"),
        400 | 422 => dropped("bad_request"),
        401 | 403 | 407 => operator(
            "unauthorized",
            "the webhook refuses us; check `secret`, `headers` and what it expects",
        ),
        404 => Outcome::Rejected(Cause::new("not_found")),
        405 => operator("method_not_allowed", "the webhook takes no POST; check `url`"),
        408 => later("timeout"),
        410 => Outcome::Rejected(Cause::new("gone")),
        413 => dropped("payload_too_large"),
        425 | 429 => later("too_many_requests"),
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
    fn every_answer() {
        for (status, expected) in [
            (200, "accepted"),
            (202, "accepted"),
            (204, "accepted"),
            (302, "transient redirect alarm useless"),
            (308, "transient redirect alarm useless"),
            (400, "permanent bad_request"),
            (401, "transient unauthorized alarm useless"),
            (403, "transient unauthorized alarm useless"),
            (404, "rejected not_found"),
            (405, "transient method_not_allowed alarm useless"),
            (407, "transient unauthorized alarm useless"),
            (408, "transient timeout"),
            (410, "rejected gone"),
            (413, "permanent payload_too_large"),
            (418, "permanent other"),
            (422, "permanent bad_request"),
            (425, "transient too_many_requests"),
            (429, "transient too_many_requests"),
            (500, "transient server_error"),
            (503, "transient server_error"),
        ] {
            assert_eq!(classified(status, None), expected, "{status}");
        }
    }

    #[test]
    fn retry_after_is_heard() {
        for (status, value, expected) in [
            (429, "7", "transient too_many_requests 7s"),
            (503, "Thu, 01 Jan 1970 00:00:12 GMT", "transient server_error 12s"),
            (503, "soon", "transient server_error"),
        ] {
            assert_eq!(classified(status, Some(value)), expected, "{status} {value}");
        }
    }
}
