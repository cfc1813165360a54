//! The trace that a caller names for its request: W3C trace context, as MCP transmits it in `_meta`.

use tracing::Span;

/// The trace context of a caller.
#[derive(Debug, Default)]
pub struct Parent<'a> {
    /// `traceparent`.
    pub traceparent: Option<&'a str>,
    /// `tracestate`.
    pub tracestate: Option<&'a str>,
}

impl Parent<'_> {
    /// Makes a span part of that trace.
    #[cfg(feature = "otel")]
    pub(super) fn adopt(&self, span: &Span) {
        use opentelemetry::propagation::TextMapPropagator;
        use opentelemetry_sdk::propagation::TraceContextPropagator;
        use tracing_opentelemetry::OpenTelemetrySpanExt;

        if self.traceparent.is_some() {
            // This fails if no layer records spans.
            drop(span.set_parent(TraceContextPropagator::new().extract(self)));
        }
    }

    /// Does nothing, since spans are not exported.
    #[cfg(not(feature = "otel"))]
    pub(super) fn adopt(&self, _: &Span) {}
}

#[cfg(feature = "otel")]
impl opentelemetry::propagation::Extractor for Parent<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        match key {
            "traceparent" => self.traceparent,
            "tracestate" => self.tracestate,
            _ => None,
        }
    }

    fn keys(&self) -> Vec<&str> {
        vec!["traceparent", "tracestate"]
    }
}
