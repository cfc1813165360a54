//! Exports traces to a collector: OTLP over HTTP, in batches. It runs on a separate thread, so that no call waits for
//! it.
//!
//! The variables are those of the OpenTelemetry specification. Without an endpoint nothing is exported.

use std::env;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::SdkTracerProvider;
use tracing::Subscriber;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::registry::LookupSpan;
use url::Url;

use crate::domain::SecureUrl;
use crate::telemetry::spans::TARGET;

/// Time limit for sending the remaining spans at shutdown.
const GOODBYE: Duration = Duration::from_secs(2);
/// Time limit for one batch. A slow batch delays only the next one.
const PATIENCE: Duration = Duration::from_secs(10);

const NAME: &str = "truedy-mcp";
/// The variables that name the endpoint. The more specific one comes first and takes precedence.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// The running export. Dropping it sends the remaining spans, for a limited time.
pub struct Traces(SdkTracerProvider);

impl Drop for Traces {
    fn drop(&mut self) {
        // The collector may be unreachable. That must not delay the shutdown.
        drop(self.0.shutdown_with_timeout(GOODBYE));
    }
}

/// Starts the export. Returns a layer that exports the spans of this module and nothing else.
///
/// `None` if no endpoint is set or the export is disabled. An error says why nothing is exported although an endpoint
/// is set.
pub fn start<S>() -> Result<Option<(Traces, impl Layer<S>)>, String>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let set = |name: &&str| env::var(name).ok().filter(|value| !value.is_empty());
    let is = |name: &str, word: &str| env::var(name).is_ok_and(|value| value.eq_ignore_ascii_case(word));
    let Some(endpoint) = ENDPOINTS.iter().find_map(set) else { return Ok(None) };
    if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return Ok(None);
    }
    check(&endpoint)?;
    // Connect directly, without a proxy or redirects: the headers may hold the collector's key.
    let client = reqwest::blocking::Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .timeout(PATIENCE)
        .build()
        .map_err(|error| error.to_string())?;
    let exporter = SpanExporter::builder().with_http().with_http_client(client).build();
    let exporter = exporter.map_err(|error| error.to_string())?;
    let mut resource = Resource::builder().with_attribute(KeyValue::new("service.version", env!("CARGO_PKG_VERSION")));
    if set(&"OTEL_SERVICE_NAME").is_none() {
        resource = resource.with_service_name(NAME);
    }
    let provider = SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer(NAME))
        .with_location(false)
        .with_threads(false)
        .with_level(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        // Events are not exported, since they may hold Truedy's description of an error.
        .with_filter(filter_fn(|metadata| metadata.is_span() && metadata.target() == TARGET));
    Ok(Some((Traces(provider), layer)))
}

/// Checks that traces may be sent to the endpoint: unencrypted only to this machine.
fn check(endpoint: &str) -> Result<(), String> {
    let url = Url::parse(endpoint).map_err(|error| format!("the endpoint is no URL: {error}"))?;
    SecureUrl::new(url).map(drop).map_err(|_| "the endpoint must be https, or http on this machine".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_clear_only_to_this_machine() {
        for good in
            ["https://collector.example.com", "http://127.0.0.1:4318", "http://[::1]:4318", "http://localhost:4318"]
        {
            assert_eq!(check(good), Ok(()), "{good}");
        }
        for bad in ["http://collector.example.com", "http://10.0.0.1:4318", "grpc://127.0.0.1", "collector", ""] {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
