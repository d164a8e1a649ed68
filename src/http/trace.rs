//! The trace of a `/notify` request: a span that goes on from the homeserver's, if it sent one.
//! Costs nothing while nobody wants spans.

use actix_web::HttpRequest;
use actix_web::http::StatusCode;
use actix_web::http::header::HeaderValue;
use tracing::Span;
use tracing::field::Empty;

use super::access;
use crate::matrix::NotifyRequest;
use crate::telemetry::traces;

/// Begins the span of a request.
pub(super) fn begin(request: &HttpRequest, id: &HeaderValue) -> Span {
    let span = tracing::debug_span!(
        "notify",
        request_id = access::id(id),
        event_id = Empty,
        devices = Empty,
        status = Empty,
        otel.kind = Empty,
        otel.status_code = Empty,
    );
    if !span.is_disabled() {
        traces::go_on_from(&span, |name| request.headers().get(name)?.to_str().ok());
    }
    span
}

/// Says what the request is about.
pub(super) fn understood(span: &Span, notification: &NotifyRequest) {
    if span.is_disabled() {
        return;
    }
    span.record("event_id", access::event_id(notification));
    span.record("devices", notification.devices.len());
}

/// Says what the request was answered.
pub(super) fn answered(span: &Span, status: StatusCode) {
    if span.is_disabled() {
        return;
    }
    span.record("status", status.as_u16());
    if status.is_server_error() {
        span.record("otel.status_code", "ERROR");
    }
}
