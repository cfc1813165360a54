//! The trace that a caller says its request belongs to: W3C trace context, as MCP carries it in `_meta`.

use tracing::Span;

/// What a caller says of its trace.
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
            // It fails where nobody listens to spans.
            drop(span.set_parent(TraceContextPropagator::new().extract(self)));
        }
    }

    /// Nobody listens.
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
