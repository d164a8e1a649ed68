//! Traces: a span for each `/notify` request, each of its pushes, and each attempt at a provider.
//!
//! The spans stand where the work is done; they exist only while somebody wants them: the log at
//! level `debug`, or `otlp`, which sends them to a collector.

use tracing::Span;

#[cfg(feature = "otlp")]
pub(super) mod otlp;

/// Makes a span part of the trace that a request's headers name, in W3C's words
/// (<https://www.w3.org/TR/trace-context/>).
pub fn go_on_from<'h>(span: &Span, header: impl Fn(&str) -> Option<&'h str>) {
    #[cfg(feature = "otlp")]
    otlp::go_on_from(span, &header);
    #[cfg(not(feature = "otlp"))]
    let _ = (span, header);
}
