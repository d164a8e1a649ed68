//! What a push service's answer means. Pure.
//!
//! RFC 8030 gives the statuses; the body says more in the words of Mozilla (`errno`, see
//! <https://autopush.readthedocs.io/en/latest/http.html#error-codes>), Apple (`reason`, see
//! <https://developer.apple.com/documentation/usernotifications/sending-web-push-notifications-in-web-apps-and-browsers>)
//! or Google (a sentence). Anyone may be behind an endpoint, so of a body nothing is kept but words
//! known here.

use std::time::SystemTime;

use serde::Deserialize;

use crate::providers::outcome::{Cause, Outcome};
use crate::providers::retry_after::retry_after;
use crate::transport::Response;

/// What an answer means, and what may be tried at once.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What came of it if nothing more is tried.
    pub(super) outcome: Outcome,
    /// What may be tried, once.
    pub(super) remedy: Option<Remedy>,
}

/// What may be tried once after an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// A smaller message.
    Shrink,
    /// The same without its topic.
    WithoutTopic,
    /// The same with a newer token.
    Renew,
}

/// Google's words for a subscription made with another key, and those before 2021:
/// <https://github.com/web-push-libs/webpush-java/issues/212>,
/// <https://github.com/bartbutenaers/node-red-contrib-ui-web-push/issues/7>.
const GOOGLES_MISMATCH: &[&str] = &[
    "do not correspond to the credentials used to create the subscription",
    "does not correspond to the sender ID used to subscribe",
];

/// Mozilla's errno for a topic it does not take.
const MOZILLAS_TOPIC: u16 = 113;

/// Returns what an answer means.
pub(super) fn classify(response: &Response, now: SystemTime) -> Verdict {
    let said = Said::read(&response.body);
    let rejected = |reason| settled(Outcome::Rejected(Cause::new(reason)));
    let wait = || retry_after(&response.headers, now);
    let later = |reason| settled(Outcome::later(Cause::new(reason), wait()));
    match response.status.as_u16() {
        200..300 => settled(Outcome::Accepted),
        // Repeated, it would fail again until the client subscribes anew; Apple answers 400 or 403.
        400 | 401 | 403 if said.is_key_mismatch(&response.body) => rejected("vapid_key_mismatch"),
        400 if said.is_about_topic() => {
            Verdict { outcome: ours("bad_topic", &said), remedy: Some(Remedy::WithoutTopic) }
        }
        400 => settled(ours("bad_request", &said)),
        401 => Verdict { outcome: vapid_refused(&said), remedy: Some(Remedy::Renew) },
        403 => settled(vapid_refused(&said)),
        404 => rejected("not_found"),
        405 => settled(ours("method_not_allowed", &said)),
        // Windows throttles with 406.
        406 | 429 => later("too_many_requests"),
        408 => later("timeout"),
        410 => rejected("gone"),
        413 => Verdict {
            outcome: Outcome::Permanent(Cause::new("payload_too_large")),
            remedy: Some(Remedy::Shrink),
        },
        300..400 => settled(ours("redirect", &said)),
        500..600 => later("server_error"),
        status => {
            settled(Outcome::Permanent(Cause::alarm("other").with_detail(format!("HTTP {status}"))))
        }
    }
}

fn settled(outcome: Outcome) -> Verdict {
    Verdict { outcome, remedy: None }
}

/// A request of ours that no repetition makes better.
fn ours(reason: &'static str, said: &Said) -> Outcome {
    let cause = Cause::alarm(reason);
    Outcome::Permanent(match said.words() {
        Some(words) => cause.with_detail(words),
        None => cause,
    })
}

fn vapid_refused(said: &Said) -> Outcome {
    let advice = "the push service refuses our VAPID token; check `vapid_private_key`, \
                  `vapid_contact_email` and the clock";
    let detail = match said.words() {
        Some(words) => format!("{words}: {advice}"),
        None => advice.to_owned(),
    };
    Outcome::operator("vapid_refused").with_detail(detail)
}

/// What a body says in known words; empty where it is something else.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Said {
    /// Mozilla's number.
    errno: u16,
    /// Apple's word.
    reason: String,
}

/// Apple's words: the page named above, and what it has answered besides.
const APPLES_WORDS: &[&str] = &[
    "BadAuthorizationHeader",
    "BadJwtToken",
    "BadTtl",
    "BadUrgency",
    "BadVapidPublicKey",
    "BadWebPushRequest",
    "BadWebPushTopic",
    "ExpiredJwtToken",
    "VapidPkHashMismatch",
];

impl Said {
    fn read(body: &[u8]) -> Self {
        serde_json::from_slice(body).unwrap_or_default()
    }

    fn is_about_topic(&self) -> bool {
        self.errno == MOZILLAS_TOPIC || self.reason == "BadWebPushTopic"
    }

    fn is_key_mismatch(&self, body: &[u8]) -> bool {
        let says = |words: &&str| body.windows(words.len()).any(|it| it == words.as_bytes());
        self.reason == "VapidPkHashMismatch" || GOOGLES_MISMATCH.iter().any(says)
    }

    /// Returns what it says, for the log.
    fn words(&self) -> Option<String> {
        let apples = APPLES_WORDS.iter().find(|word| **word == self.reason);
        match (self.errno, apples) {
            (_, Some(word)) => Some((*word).to_owned()),
            (0, None) => None,
            (errno, None) => Some(format!("errno {errno}")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::testing::{self, answer};

    fn shown(verdict: &Verdict) -> String {
        let outcome = testing::shown(&verdict.outcome);
        match verdict.remedy {
            Some(remedy) => format!("{outcome} or {remedy:?}"),
            None => outcome,
        }
    }

    fn mozilla(code: u16, errno: u16) -> String {
        format!(r#"{{"code":{code},"errno":{errno},"error":"x","message":"secret"}}"#)
    }

    fn apple(reason: &str) -> String {
        format!(r#"{{"reason":"{reason}"}}"#)
    }

    #[test]
    fn every_documented_answer() {
        let google = "the VAPID credentials in the authorization header do not correspond to the \
                      credentials used to create the subscriptions.\n";
        let google_before = "the key in the authorization header does not correspond to the sender \
                             ID used to subscribe this user.";
        let rows: Vec<(u16, String, &str)> = vec![
            (200, String::new(), "accepted"),
            (201, String::new(), "accepted"),
            (202, String::new(), "accepted"),
            (204, String::new(), "accepted"),
            (400, String::new(), "permanent bad_request alarm"),
            (400, mozilla(400, 101), "permanent bad_request alarm"),
            (400, mozilla(400, 108), "permanent bad_request alarm"),
            (400, mozilla(400, 110), "permanent bad_request alarm"),
            (400, mozilla(400, 111), "permanent bad_request alarm"),
            (400, mozilla(400, 112), "permanent bad_request alarm"),
            (400, mozilla(400, 113), "permanent bad_topic alarm or WithoutTopic"),
            (400, mozilla(400, 114), "permanent bad_request alarm"),
            (400, apple("BadTtl"), "permanent bad_request alarm"),
            (400, apple("BadUrgency"), "permanent bad_request alarm"),
            (400, apple("BadWebPushRequest"), "permanent bad_request alarm"),
            (400, apple("BadWebPushTopic"), "permanent bad_topic alarm or WithoutTopic"),
            (400, apple("VapidPkHashMismatch"), "rejected vapid_key_mismatch"),
            (401, mozilla(401, 109), "transient vapid_refused alarm useless or Renew"),
            (401, String::new(), "transient vapid_refused alarm useless or Renew"),
            (403, String::new(), "transient vapid_refused alarm useless"),
            (403, apple("BadJwtToken"), "transient vapid_refused alarm useless"),
            (403, apple("BadVapidPublicKey"), "transient vapid_refused alarm useless"),
            (403, apple("BadAuthorizationHeader"), "transient vapid_refused alarm useless"),
            (403, apple("VapidPkHashMismatch"), "rejected vapid_key_mismatch"),
            (403, google.to_owned(), "rejected vapid_key_mismatch"),
            (403, google_before.to_owned(), "rejected vapid_key_mismatch"),
            (404, mozilla(404, 102), "rejected not_found"),
            (404, apple("BadPath"), "rejected not_found"),
            (404, "<html>".to_owned(), "rejected not_found"),
            (405, String::new(), "permanent method_not_allowed alarm"),
            (406, String::new(), "transient too_many_requests"),
            (408, String::new(), "transient timeout"),
            (410, mozilla(410, 103), "rejected gone"),
            (410, mozilla(410, 105), "rejected gone"),
            (410, mozilla(410, 106), "rejected gone"),
            (410, String::new(), "rejected gone"),
            (413, mozilla(413, 104), "permanent payload_too_large or Shrink"),
            (418, String::new(), "permanent other alarm"),
            (429, String::new(), "transient too_many_requests"),
            (301, String::new(), "permanent redirect alarm"),
            (302, String::new(), "permanent redirect alarm"),
            (307, String::new(), "permanent redirect alarm"),
            (500, mozilla(500, 999), "transient server_error"),
            (502, mozilla(502, 900), "transient server_error"),
            (503, mozilla(503, 202), "transient server_error"),
            (504, "<html>".to_owned(), "transient server_error"),
        ];
        for (status, body, expected) in rows {
            let verdict = classify(&answer(status, None, &*body), SystemTime::now());
            assert_eq!(shown(&verdict), expected, "{status} {body}");
        }
    }

    #[test]
    fn retry_after_is_heard() {
        let date = "Thu, 01 Jan 1970 00:00:12 GMT";
        for (status, value, expected) in [
            (406, "30", "transient too_many_requests 30s"),
            (429, "7", "transient too_many_requests 7s"),
            (429, date, "transient too_many_requests 12s"),
            (429, "soon", "transient too_many_requests"),
            (503, "120", "transient server_error 120s"),
        ] {
            let answer = answer(status, Some(value), "");
            let verdict = classify(&answer, SystemTime::UNIX_EPOCH);
            assert_eq!(shown(&verdict), expected, "{status} {value}");
        }
    }

    #[test]
    fn nothing_of_a_body_is_kept_but_known_words() {
        for (status, body, detail) in [
            (400, mozilla(400, 110), Some("errno 110")),
            (400, apple("BadTtl"), Some("BadTtl")),
            (400, apple("secret"), None),
            (400, "secret".to_owned(), None),
        ] {
            let verdict = classify(&answer(status, None, &*body), SystemTime::now());
            let cause = verdict.outcome.cause().unwrap();
            assert_eq!(cause.detail.as_deref(), detail, "{body}");
        }
    }
}
