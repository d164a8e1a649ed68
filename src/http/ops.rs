//! What operators and their tools ask: does the process serve, can it deliver, what do the metrics
//! say.

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, Ordering};

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue};
use serde::Serialize;

use super::error;
use crate::telemetry::Metrics;

/// The format of `Metrics::render`:
/// <https://prometheus.io/docs/specs/om/open_metrics_spec/#content-type>.
const OPENMETRICS: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

/// Whether the gateway can deliver for every app; ready if nothing is against it.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Readiness {
    /// What is against it.
    pub reasons: Vec<NotReady>,
    /// What operators should know while it serves all the same.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<&'static str>,
}

/// One reason why the gateway is not ready.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NotReady {
    /// The app that cannot deliver; absent where it is the whole gateway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<String>,
    /// Why, for people.
    pub reason: Cow<'static, str>,
}

/// Readiness as it is told.
#[derive(Serialize)]
pub(super) struct Report {
    ready: bool,
    #[serde(flatten)]
    readiness: Readiness,
}

/// The process serves; never a word about providers.
pub(super) fn live() -> HttpResponse {
    HttpResponse::Ok().insert_header(error::JSON).body(r#"{"live":true}"#)
}

/// Whether this process should get traffic, and why not.
pub(super) fn report(mut readiness: Readiness, draining: &AtomicBool) -> Report {
    if draining.load(Ordering::Relaxed) {
        let reason = NotReady { app: None, reason: "shutting down".into() };
        readiness.reasons.insert(0, reason);
    }
    Report { ready: readiness.reasons.is_empty(), readiness }
}

/// The answer for load balancers.
pub(super) fn ready(report: &Report) -> HttpResponse {
    let mut answer =
        if report.ready { HttpResponse::Ok() } else { HttpResponse::ServiceUnavailable() };
    error::json(&mut answer, report)
}

/// The metrics page.
pub(super) fn metrics(metrics: &Metrics) -> HttpResponse {
    HttpResponse::Ok().insert_header((CONTENT_TYPE, OPENMETRICS)).body(metrics.render())
}
