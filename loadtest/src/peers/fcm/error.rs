//! Errors as Google's APIs and FCM write them.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};

use crate::peers::Answer;

/// Makes the error of a field that FCM itself does not like, e.g. `message.token`.
#[must_use]
pub fn violation(field: &str, description: &str) -> Answer {
    let message = "Request contains an invalid argument.";
    error(400, message, &json!([fcm_error("INVALID_ARGUMENT"), bad_request(field, description)]))
}

/// Makes the error of a push that FCM handed to APNs in vain.
#[must_use]
pub fn apns_error(status: u16, reason: &str) -> Answer {
    let details = json!([fcm_error("INVALID_ARGUMENT"), {
        "@type": "type.googleapis.com/google.firebase.fcm.v1.ApnsError",
        "statusCode": status,
        "reason": reason,
    }]);
    error(400, "Request contains an invalid argument.", &details)
}

/// Makes an error of Google's APIs with any details; none if they are empty.
///
/// # Panics
///
/// If `status` is not an HTTP status.
#[must_use]
pub fn error(status: u16, message: &str, details: &Value) -> Answer {
    let answer = Answer::status(status);
    let body = error_body(answer.status, message, details);
    answer.header("content-type", "application/json; charset=UTF-8").body(body)
}

pub(super) fn error_body(status: StatusCode, message: &str, details: &Value) -> Bytes {
    let code = status.as_u16();
    let mut error = json!({"code": code, "message": message, "status": canonical(status)});
    if details.as_array().is_some_and(|details| !details.is_empty()) {
        error["details"] = details.clone();
    }
    json!({"error": error}).to_string().into()
}

pub(super) fn fcm_error(code: &str) -> Value {
    json!({"@type": "type.googleapis.com/google.firebase.fcm.v1.FcmError", "errorCode": code})
}

pub(super) fn bad_request(field: &str, description: &str) -> Value {
    json!({
        "@type": "type.googleapis.com/google.rpc.BadRequest",
        "fieldViolations": [{"field": field, "description": description}],
    })
}

/// Returns the canonical code of a status (cloud.google.com/apis/design/errors).
fn canonical(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "INVALID_ARGUMENT",
        401 => "UNAUTHENTICATED",
        403 => "PERMISSION_DENIED",
        404 => "NOT_FOUND",
        429 => "RESOURCE_EXHAUSTED",
        500 => "INTERNAL",
        503 => "UNAVAILABLE",
        504 => "DEADLINE_EXCEEDED",
        _ => "UNKNOWN",
    }
}

/// Returns what Google says with a status when it says nothing else.
pub(super) fn usual_message(status: StatusCode) -> &'static str {
    match status.as_u16() {
        400 => "Request contains an invalid argument.",
        401 => "Request had invalid authentication credentials.",
        403 => "The caller does not have permission",
        404 => "Requested entity was not found.",
        429 => "Resource has been exhausted (e.g. check quota).",
        500 => "Internal error encountered.",
        503 => "The service is currently unavailable.",
        _ => "Unknown error.",
    }
}
