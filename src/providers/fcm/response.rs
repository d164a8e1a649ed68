//! What FCM's answer means: status, headers and body in, outcome out. Pure.
//!
//! Error codes: <https://firebase.google.com/docs/reference/fcm/rest/v1/ErrorCode>, recorded bodies
//! by others. Only an answer that names the target as dead rejects it; a 404 alone is what a wrong
//! `project_id` looks like. Details for the log hold field names, never values.

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::providers::outcome::{Cause, Outcome};
use crate::providers::retry_after::{LONGEST, retry_after};
use crate::transport::Response;

/// How long FCM wants a 429 without `Retry-After` to wait:
/// <https://firebase.google.com/docs/cloud-messaging/scale-fcm#handling_retries>.
const QUOTA_WAIT: Duration = Duration::from_secs(60);

/// The most of a provider's message that a log line holds.
const MESSAGE_CHARS: usize = 300;

/// What to do about an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// This came of it.
    Settled(Outcome),
    /// The access token is not accepted: another one may be, once.
    RenewToken,
}

/// Says what an answer means.
pub(super) fn classify(response: &Response, now: SystemTime) -> Verdict {
    if response.status.is_success() {
        return Verdict::Settled(Outcome::Accepted);
    }
    let status = response.status.as_u16();
    let error = ApiError::read(&response.body);
    let wait = || retry_after(&response.headers, now).or_else(|| error.retry_delay());
    let outcome = match status {
        400 | 404 if error.names_dead_apns_token() => {
            Outcome::Rejected(Cause::new("APNS_TOKEN_DEAD"))
        }
        400 => invalid(&error),
        401 if error.is("THIRD_PARTY_AUTH_ERROR") || error.is("APNS_AUTH_ERROR") => {
            operator("THIRD_PARTY_AUTH_ERROR", &error, CONSOLE_KEY)
        }
        401 => return Verdict::RenewToken,
        403 if error.is("SENDER_ID_MISMATCH") => {
            Outcome::Rejected(Cause::new("SENDER_ID_MISMATCH"))
        }
        403 => operator("PERMISSION_DENIED", &error, PERMISSION),
        404 if error.is("UNREGISTERED") => Outcome::Rejected(Cause::new("UNREGISTERED")),
        404 => operator("NOT_FOUND", &error, PROJECT),
        413 => Outcome::Permanent(Cause::new("payload_too_large")),
        429 => {
            let wait = wait().unwrap_or(QUOTA_WAIT);
            Outcome::later(Cause::new("QUOTA_EXCEEDED"), Some(wait))
        }
        408 | 409 | 500..=599 => Outcome::later(unwell(status), wait()),
        _ => operator("other", &error, &format!("HTTP {status}; {PROJECT}")),
    };
    Verdict::Settled(outcome)
}

const CONSOLE_KEY: &str = "upload the APNs or web push key in the Firebase console under \
                           Project settings, Cloud Messaging";
const PERMISSION: &str = "enable the Firebase Cloud Messaging API in the project, and give the \
                          service account the role Firebase Cloud Messaging API Admin";
const PROJECT: &str = "check `project_id` and `endpoint`";

/// A 400: the target's fault only if the answer says so, else this message's.
fn invalid(error: &ApiError) -> Outcome {
    const REASON: &str = "INVALID_ARGUMENT";
    let fields: Vec<&str> = error.violations().collect();
    let is_target = |field: &&str| matches!(*field, "message.token" | "message.fid");
    let names_target = error.message.contains("not a valid FCM registration token");
    if fields.is_empty() && names_target || !fields.is_empty() && fields.iter().all(is_target) {
        return Outcome::Rejected(Cause::new(REASON));
    }
    if !fields.is_empty() {
        let detail = format!("FCM refuses {}; check `fcm_options`", fields.join(", "));
        return Outcome::Permanent(Cause::alarm(REASON).with_detail(detail));
    }
    if let Some(reason) = error.apns_reason() {
        let detail = format!("APNs refuses the message: {reason}; check `fcm_options.apns`");
        return Outcome::Permanent(Cause::alarm(REASON).with_detail(detail));
    }
    match error.status.as_str() {
        "FAILED_PRECONDITION" => operator("FAILED_PRECONDITION", error, PROJECT),
        // A message that is too large looks like this.
        "INVALID_ARGUMENT" => Outcome::Permanent(Cause::new(REASON)),
        _ => Outcome::Permanent(
            Cause::alarm("other").with_detail("HTTP 400 without FCM's words; check `endpoint`"),
        ),
    }
}

fn operator(reason: &'static str, error: &ApiError, advice: &str) -> Outcome {
    let said: String = error.message.chars().take(MESSAGE_CHARS).collect();
    let detail = match said.as_str() {
        "" => advice.to_owned(),
        said => format!("{said}; {advice}"),
    };
    Outcome::operator(reason).with_detail(detail)
}

fn unwell(status: u16) -> Cause {
    match status {
        500 => Cause::new("INTERNAL"),
        503 => Cause::new("UNAVAILABLE"),
        504 => Cause::new("DEADLINE_EXCEEDED"),
        status => Cause::new("other").with_detail(format!("HTTP {status}")),
    }
}

/// `google.rpc.Status` as FCM answers it; empty where the body is something else.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct ApiError {
    status: String,
    message: String,
    details: Vec<Detail>,
}

/// One of `details`, whose `@type` its fields give away.
#[derive(Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
struct Detail {
    #[serde(rename = "@type")]
    kind: String,
    /// `FcmError`.
    error_code: String,
    /// `BadRequest`.
    field_violations: Vec<Violation>,
    /// `RetryInfo`: seconds with an `s`.
    retry_delay: String,
    /// `ApnsError`.
    status_code: u16,
    /// `ApnsError`.
    reason: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Violation {
    field: String,
}

impl ApiError {
    fn read(body: &[u8]) -> Self {
        #[derive(Deserialize)]
        struct Body {
            error: ApiError,
        }
        serde_json::from_slice::<Body>(body).map_or_else(|_| Self::default(), |body| body.error)
    }

    /// Whether an `FcmError` says `code`.
    fn is(&self, code: &str) -> bool {
        self.details.iter().any(|detail| detail.error_code == code)
    }

    fn violations(&self) -> impl Iterator<Item = &str> {
        let violations = self.details.iter().flat_map(|it| &it.field_violations);
        violations.map(|violation| violation.field.as_str())
    }

    fn apns(&self) -> Option<&Detail> {
        let mut details = self.details.iter();
        details.find(|detail| detail.kind.ends_with(".ApnsError"))
    }

    fn apns_reason(&self) -> Option<&str> {
        self.apns().map(|apns| apns.reason.as_str())
    }

    fn names_dead_apns_token(&self) -> bool {
        self.apns().is_some_and(|apns| {
            matches!(
                (apns.status_code, apns.reason.as_str()),
                (410, "Unregistered" | "ExpiredToken") | (400, "BadDeviceToken")
            )
        })
    }

    fn retry_delay(&self) -> Option<Duration> {
        self.details.iter().find_map(|detail| {
            let seconds: f64 = detail.retry_delay.strip_suffix('s')?.parse().ok()?;
            let wait = Duration::try_from_secs_f64(seconds).ok()?;
            Some(wait.min(LONGEST))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::providers::testing::{self, answer};

    fn error(code: u16, status: &str, message: &str, details: &str) -> String {
        format!(
            r#"{{"error":{{"code":{code},"message":"{message}","status":"{status}","details":[{details}]}}}}"#
        )
    }

    fn fcm(code: &str) -> String {
        format!(
            r#"{{"@type":"type.googleapis.com/google.firebase.fcm.v1.FcmError","errorCode":"{code}"}}"#
        )
    }

    fn bad(field: &str) -> String {
        format!(
            r#"{{"@type":"type.googleapis.com/google.rpc.BadRequest","fieldViolations":[{{"field":"{field}","description":"Invalid value (TYPE_STRING), secret"}}]}}"#
        )
    }

    fn apns(status: u16, reason: &str) -> String {
        format!(
            r#"{{"@type":"type.googleapis.com/google.firebase.fcm.v1.ApnsError","statusCode":{status},"reason":"{reason}"}}"#
        )
    }

    const HTML: &str = "<!DOCTYPE html><html><title>Error 502 (Server Error)!!1</title></html>";
    const BAD_TOKEN: &str = "The registration token is not a valid FCM registration token";

    fn shown(verdict: Verdict) -> String {
        let Verdict::Settled(outcome) = verdict else {
            return "renew".to_owned();
        };
        testing::shown(&outcome)
    }

    #[test]
    fn every_documented_answer() {
        let invalid = |message, details: &str| error(400, "INVALID_ARGUMENT", message, details);
        let rows: Vec<(u16, String, &str)> = vec![
            (200, r#"{"name":"projects/p/messages/1"}"#.into(), "accepted"),
            (200, String::new(), "accepted"),
            (404, error(404, "NOT_FOUND", "Requested entity was not found.", &fcm("UNREGISTERED")), "rejected UNREGISTERED"),
            (404, error(404, "NOT_FOUND", "Requested entity was not found.", ""), "transient NOT_FOUND alarm useless"),
            (404, HTML.into(), "transient NOT_FOUND alarm useless"),
            (404, String::new(), "transient NOT_FOUND alarm useless"),
            (400, invalid(BAD_TOKEN, &fcm("INVALID_ARGUMENT")), "rejected INVALID_ARGUMENT"),
            (400, invalid("x", &[fcm("INVALID_ARGUMENT"), bad("message.token")].join(",")), "rejected INVALID_ARGUMENT"),
            (400, invalid("x", &bad("message.fid")), "rejected INVALID_ARGUMENT"),
            (400, invalid("x", &[fcm("INVALID_ARGUMENT"), bad("message.data[0].value")].join(",")), "permanent INVALID_ARGUMENT alarm"),
            (400, invalid(BAD_TOKEN, &bad("message.android.ttl")), "permanent INVALID_ARGUMENT alarm"),
            (400, invalid("x", &[bad("message.token"), bad("message.data[0].value")].join(",")), "permanent INVALID_ARGUMENT alarm"),
            (400, invalid("Request contains an invalid argument.", ""), "permanent INVALID_ARGUMENT"),
            (400, r#"{"error":{"code":400,"message":"Request contains an invalid argument.","status":"INVALID_ARGUMENT"}}"#.into(), "permanent INVALID_ARGUMENT"),
            (400, invalid("x", &fcm("INVALID_ARGUMENT")), "permanent INVALID_ARGUMENT"),
            (400, invalid("x", &[fcm("INVALID_ARGUMENT"), apns(410, "Unregistered")].join(",")), "rejected APNS_TOKEN_DEAD"),
            (400, invalid("x", &apns(410, "ExpiredToken")), "rejected APNS_TOKEN_DEAD"),
            (400, invalid("x", &apns(400, "BadDeviceToken")), "rejected APNS_TOKEN_DEAD"),
            (400, invalid("x", &apns(400, "BadTopic")), "permanent INVALID_ARGUMENT alarm"),
            (400, error(400, "FAILED_PRECONDITION", "x", ""), "transient FAILED_PRECONDITION alarm useless"),
            (400, HTML.into(), "permanent other alarm"),
            (403, error(403, "PERMISSION_DENIED", "SenderId mismatch", &fcm("SENDER_ID_MISMATCH")), "rejected SENDER_ID_MISMATCH"),
            (403, error(403, "PERMISSION_DENIED", "API disabled", ""), "transient PERMISSION_DENIED alarm useless"),
            (403, HTML.into(), "transient PERMISSION_DENIED alarm useless"),
            (401, error(401, "UNAUTHENTICATED", "x", &fcm("THIRD_PARTY_AUTH_ERROR")), "transient THIRD_PARTY_AUTH_ERROR alarm useless"),
            (401, error(401, "UNAUTHENTICATED", "x", &fcm("APNS_AUTH_ERROR")), "transient THIRD_PARTY_AUTH_ERROR alarm useless"),
            (401, error(401, "UNAUTHENTICATED", "x", ""), "renew"),
            (401, String::new(), "renew"),
            (429, error(429, "RESOURCE_EXHAUSTED", "x", &fcm("QUOTA_EXCEEDED")), "transient QUOTA_EXCEEDED 60s"),
            (429, error(429, "RESOURCE_EXHAUSTED", "x", r#"{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"1.5s"}"#), "transient QUOTA_EXCEEDED 1.5s"),
            (429, error(429, "RESOURCE_EXHAUSTED", "x", r#"{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"-3s"}"#), "transient QUOTA_EXCEEDED 60s"),
            (429, error(429, "RESOURCE_EXHAUSTED", "x", r#"{"@type":"type.googleapis.com/google.rpc.QuotaFailure","violations":[{"subject":"device"}]}"#), "transient QUOTA_EXCEEDED 60s"),
            (429, HTML.into(), "transient QUOTA_EXCEEDED 60s"),
            (500, error(500, "INTERNAL", "x", &fcm("INTERNAL")), "transient INTERNAL"),
            (500, error(500, "INTERNAL", "x", &fcm("UNSPECIFIED_ERROR")), "transient INTERNAL"),
            (502, HTML.into(), "transient other"),
            (503, error(503, "UNAVAILABLE", "x", &fcm("UNAVAILABLE")), "transient UNAVAILABLE"),
            (504, HTML.into(), "transient DEADLINE_EXCEEDED"),
            (408, String::new(), "transient other"),
            (413, String::new(), "permanent payload_too_large"),
            (301, String::new(), "transient other alarm useless"),
            (405, HTML.into(), "transient other alarm useless"),
            (404, r#"{"error":{"details":"broken"}}"#.into(), "transient NOT_FOUND alarm useless"),
        ];
        for (status, body, expected) in rows {
            let verdict = classify(&answer(status, None, body.clone()), SystemTime::now());
            assert_eq!(shown(verdict), expected, "{status} {body}");
        }
    }

    #[test]
    fn the_header_comes_before_the_body_and_the_rule() {
        let info = r#"{"@type":"type.googleapis.com/google.rpc.RetryInfo","retryDelay":"90s"}"#;
        let rows = [
            (429, Some("7"), "", "transient QUOTA_EXCEEDED 7s"),
            (429, Some("7"), info, "transient QUOTA_EXCEEDED 7s"),
            (429, Some("Thu, 01 Jan 1970 00:00:12 GMT"), "", "transient QUOTA_EXCEEDED 12s"),
            (429, Some("nonsense"), info, "transient QUOTA_EXCEEDED 90s"),
            (503, Some("3"), "", "transient UNAVAILABLE 3s"),
            (503, None, info, "transient UNAVAILABLE 90s"),
        ];
        for (status, header, details, expected) in rows {
            let body = error(status, "X", "x", details);
            let verdict = classify(&answer(status, header, body), SystemTime::UNIX_EPOCH);
            assert_eq!(shown(verdict), expected, "{status} {header:?} {details}");
        }
    }

    #[test]
    fn details_hold_field_names_and_no_values() {
        let body = error(400, "INVALID_ARGUMENT", "secret", &bad("message.data[0].value"));
        let Verdict::Settled(outcome) = classify(&answer(400, None, body), SystemTime::now())
        else {
            panic!("settled");
        };
        let detail = outcome.cause().unwrap().detail.as_deref().unwrap();
        assert!(detail.contains("message.data[0].value"), "{detail}");
        assert!(!detail.contains("secret"), "{detail}");
    }
}
