//! What Apple's answer means: status and body in, verdict out. Pure.
//!
//! The table is Apple's, complete; the list of reasons stays open, since Apple adds to it. Nothing
//! here rejects a pushkey for a wrong credential, topic or payload.
//! <https://developer.apple.com/documentation/usernotifications/handling-notification-responses-from-apns>

use std::time::SystemTime;

use crate::matrix::json::{self, Raw};
use crate::providers::outcome::{Cause, Outcome, Retry};
use crate::providers::retry_after::retry_after;
use crate::transport::Response;

#[cfg(test)]
mod tests;

/// What an answer means.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// What came of the push, if nothing helps.
    pub(super) outcome: Outcome,
    /// What may help at once.
    pub(super) remedy: Option<Remedy>,
}

/// What may help at once, within the same attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// Another connection.
    Reconnect,
    /// Another connection, with a newer provider token if one may be had.
    RenewOrReconnect,
    /// Another connection with a newer provider token, and nothing less.
    Renew,
    /// A smaller payload.
    Shrink,
}

/// A documented reason.
#[derive(Debug, Clone, Copy)]
struct Known {
    reason: &'static str,
    meaning: Meaning,
    remedy: Option<Remedy>,
    advice: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Meaning {
    /// The device token will never work.
    Dead,
    /// The device token stopped working at the answer's timestamp.
    Gone,
    /// This message will never work, and peregrine or its configuration made it so.
    Broken,
    /// This message will never work, as the client wants it.
    Dropped,
    /// Only the operator can mend it.
    Operator,
    /// It may work later.
    Later,
}

const fn known(reason: &'static str, meaning: Meaning, advice: &'static str) -> Known {
    Known { reason, meaning, remedy: None, advice }
}

const fn remedied(
    reason: &'static str,
    meaning: Meaning,
    remedy: Remedy,
    advice: &'static str,
) -> Known {
    Known { reason, meaning, remedy: Some(remedy), advice }
}

const KNOWN: &[Known] = {
    use Meaning::{Broken, Dead, Dropped, Gone, Later, Operator};
    &[
        // 400
        known("BadCollapseId", Broken, ""),
        known("BadDeviceToken", Dead, ""),
        known("BadExpirationDate", Broken, "check `expiration_seconds`"),
        known("BadMessageId", Broken, ""),
        known("BadPriority", Broken, ""),
        known("BadTopic", Operator, "check `topic` and `topic_suffix`"),
        known("DeviceTokenNotForTopic", Dead, ""),
        known("DuplicateHeaders", Operator, ""),
        remedied("IdleTimeout", Later, Remedy::Reconnect, ""),
        known("InvalidPushType", Operator, "check `push_type`"),
        known("MissingDeviceToken", Dead, ""),
        known("MissingTopic", Operator, "write `topic`: the certificate has several"),
        known("PayloadEmpty", Broken, ""),
        known(
            "TopicDisallowed",
            Operator,
            "the key or certificate may not push to this topic: check `topic` and `topic_suffix`",
        ),
        // 403
        known("BadCertificate", Operator, "check `certfile`"),
        known(
            "BadCertificateEnvironment",
            Operator,
            "the certificate is for the other environment: check `platform`",
        ),
        remedied(
            "ExpiredProviderToken",
            Operator,
            Remedy::RenewOrReconnect,
            "check this machine's clock",
        ),
        known("Forbidden", Operator, ""),
        remedied(
            "InvalidProviderToken",
            Operator,
            Remedy::Renew,
            "check `keyfile`, `key_id` and `team_id`: the key may have been revoked",
        ),
        known("MissingProviderToken", Operator, "configure `keyfile` or `certfile`"),
        remedied(
            "UnrelatedKeyIdInToken",
            Operator,
            Remedy::Reconnect,
            "check that `key_id` belongs to `keyfile`",
        ),
        known(
            "BadEnvironmentKeyIdInToken",
            Operator,
            "the key is for the other environment: check `platform`",
        ),
        // 404, 405
        known("BadPath", Operator, "check `endpoint`"),
        known("MethodNotAllowed", Operator, "check `endpoint`"),
        // 410
        known("ExpiredToken", Gone, ""),
        known("Unregistered", Gone, ""),
        // 413
        remedied("PayloadTooLarge", Dropped, Remedy::Shrink, ""),
        // 429
        remedied("TooManyProviderTokenUpdates", Later, Remedy::Reconnect, ""),
        known("TooManyRequests", Later, ""),
        // 500, 503
        known("InternalServerError", Later, ""),
        known("ServiceUnavailable", Later, ""),
        remedied("Shutdown", Later, Remedy::Reconnect, ""),
    ]
};

/// Says what an answer means for a pushkey that the homeserver learned at `pushkey_ts`.
///
/// A documented reason counts whatever the status; without one, the status's class does.
pub(super) fn classify(response: &Response, pushkey_ts: Option<u64>, now: SystemTime) -> Verdict {
    if response.status.is_success() {
        return Verdict { outcome: Outcome::Accepted, remedy: None };
    }
    let status = response.status.as_u16();
    let body = std::str::from_utf8(&response.body).unwrap_or_default();
    let reason = json::get(body, "reason").and_then(json::text);
    let reason = match reason.as_deref() {
        // Documented with "Id", seen without.
        Some("BadEnvironmentKeyInToken") => Some("BadEnvironmentKeyIdInToken"),
        None if status == 413 => Some("PayloadTooLarge"),
        reason => reason,
    };
    let later = |cause| Outcome::later(cause, retry_after(&response.headers, now));
    let Some(known) = KNOWN.iter().find(|it| Some(it.reason) == reason) else {
        let cause = cause("other", status, &unknown(reason));
        return Verdict { outcome: by_class(status, cause, later), remedy: None };
    };
    let cause = cause(known.reason, status, known.advice);
    let outcome = match known.meaning {
        Meaning::Gone if registered_since(json::get(body, "timestamp"), pushkey_ts) => {
            Outcome::Permanent(cause.with_detail("the app has registered the token again since"))
        }
        Meaning::Dead | Meaning::Gone => Outcome::Rejected(cause),
        Meaning::Broken => Outcome::Permanent(alarm(cause)),
        Meaning::Dropped => Outcome::Permanent(cause),
        Meaning::Operator => operator(cause),
        Meaning::Later => later(cause),
    };
    Verdict { outcome, remedy: known.remedy }
}

/// Judges an answer without a documented reason. Every documented 403, 404 and 405 is about
/// credentials or the endpoint, and so is a redirection: not the message's fault.
fn by_class(status: u16, cause: Cause, later: impl Fn(Cause) -> Outcome) -> Outcome {
    match status {
        408 | 429 | 500.. => later(cause),
        ..=399 | 401 | 403 | 404 | 405 | 407 => operator(cause),
        _ => Outcome::Permanent(alarm(cause)),
    }
}

/// Whether the homeserver learned the token (in seconds) after Apple saw it dead (in milliseconds).
fn registered_since(dead_ms: Option<Raw<'_>>, pushkey_ts: Option<u64>) -> bool {
    let dead_ms = dead_ms.and_then(|it| it.get().parse::<u64>().ok());
    dead_ms
        .zip(pushkey_ts)
        .is_some_and(|(dead_ms, pushkey_ts)| dead_ms < pushkey_ts.saturating_mul(1000))
}

fn operator(cause: Cause) -> Outcome {
    Outcome::Transient { cause: alarm(cause), retry: Retry::Useless }
}

fn alarm(cause: Cause) -> Cause {
    Cause { alarm: true, ..cause }
}

fn cause(reason: &'static str, status: u16, advice: &str) -> Cause {
    let detail = match advice {
        "" => format!("status {status}"),
        advice => format!("status {status}; {advice}"),
    };
    Cause::new(reason).with_detail(detail)
}

/// Returns an unknown reason for the log, if it looks like one.
fn unknown(reason: Option<&str>) -> String {
    match reason {
        Some(it) if it.len() <= 64 && it.bytes().all(|b| b.is_ascii_alphanumeric()) => {
            format!("reason {it}")
        }
        _ => String::from("no reason given"),
    }
}
