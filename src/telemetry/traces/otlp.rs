//! Traces to a collector: OTLP over HTTP, in protobuf.
//!
//! The standard variables count where the configuration says nothing:
//! <https://opentelemetry.io/docs/specs/otel/protocol/exporter/>. Spans wait in a bounded queue and
//! are sent by a thread of their own; what does not fit is dropped, and no push ever waits.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use opentelemetry::KeyValue;
use opentelemetry::propagation::{Extractor, TextMapPropagator as _};
use opentelemetry::trace::{TraceContextExt as _, TracerProvider as _};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::Layer as _;
use tracing_subscriber::filter::filter_fn;

use crate::telemetry::config::MetricsConfig;
use crate::telemetry::logs::Seldom;
use crate::telemetry::post::Post;
use crate::telemetry::{Env, Leaving, Sender};

/// How long a collector may take. The specification's default.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Begins to send traces, if the configuration or the environment names a collector.
pub(in crate::telemetry) fn begin(config: &MetricsConfig, env: Env<'_>) -> Result<Leaving, String> {
    let config = &config.otlp;
    if !config.is_wanted(env) {
        return Ok(None);
    }
    let mut exporter = SpanExporter::builder().with_http().with_http_client(Client::new());
    if let Some(url) = config.traces_url() {
        exporter = exporter.with_endpoint(url);
    }
    let exporter = exporter.build();
    let exporter = exporter.map_err(|error| format!("cannot send traces: {error}"))?;
    let provider = SdkTracerProvider::builder()
        .with_batch_exporter(exporter)
        .with_resource(resource(env))
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("peregrine"))
        .with_location(false)
        .with_threads(false)
        .with_tracked_inactivity(false)
        .with_target(false)
        .with_level(false);
    // Of others' spans nobody knows what they hold.
    let ours = filter_fn(|it| it.is_span() && it.target().starts_with("peregrine"));
    Ok(Some((layer.with_filter(ours).boxed(), Box::new(provider))))
}

impl Sender for SdkTracerProvider {
    fn finish(self: Box<Self>, within: Duration) {
        if let Err(error) = self.shutdown_with_timeout(within) {
            tracing::debug!(%error, "the last traces are lost");
        }
    }
}

/// Says who sends the traces. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` come first.
fn resource(env: Env<'_>) -> Resource {
    let attributes = env("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let named = env("OTEL_SERVICE_NAME").is_some() || attributes.contains("service.name=");
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    if named { resource.build() } else { resource.with_service_name("peregrine").build() }
}

/// Makes a span part of the trace that a request's headers name.
pub(super) fn go_on_from<'h>(span: &Span, header: &dyn Fn(&str) -> Option<&'h str>) {
    span.record("otel.kind", "server");
    let context = TraceContextPropagator::new().extract(&Headers(header));
    if context.span().span_context().is_valid() {
        // It fails where no collector wants the span.
        let _ = span.set_parent(context);
    }
}

struct Headers<'f, 'h>(&'f dyn Fn(&str) -> Option<&'h str>);

impl Extractor for Headers<'_, '_> {
    fn get(&self, name: &str) -> Option<&str> {
        (self.0)(name)
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}

/// Takes the exporter's requests to the collector.
struct Client {
    post: Post,
    failures: Seldom,
}

impl Client {
    fn new() -> Self {
        Self { post: Post::new(TIMEOUT), failures: Seldom::default() }
    }

    fn failed(&self, error: &dyn fmt::Display) {
        if let Some(left_out) = self.failures.is_due() {
            tracing::warn!(%error, left_out, "cannot deliver traces to the collector");
        }
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

#[async_trait::async_trait]
impl HttpClient for Client {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        match self.post.send(request) {
            Ok(answer) => {
                if !answer.status().is_success() {
                    self.failed(&answer.status());
                }
                Ok(answer)
            }
            Err(error) => {
                self.failed(&error);
                Err(error.into())
            }
        }
    }
}
