//! Writes logs to standard error, as text or JSON. They contain no secret, and only warnings and errors of other
//! crates.

use std::io::{self, IsTerminal, Write};
use std::panic;
use std::sync::Arc;

use tracing::level_filters::LevelFilter;
use tracing::{Level, Metadata};
use tracing_subscriber::filter::{Targets, filter_fn};
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt};

use crate::cli::{color, progress};
use crate::config::{LogFormat, Settings};
use crate::redact::Redactor;
use crate::telemetry;

#[cfg(feature = "otel")]
use tracing::Subscriber;
#[cfg(feature = "otel")]
use tracing_subscriber::registry::LookupSpan;

#[cfg(feature = "otel")]
use crate::cli::output::complain;
#[cfg(feature = "otel")]
use crate::telemetry::Traces;

/// Starts logging, and traces if they are wanted. Called once, by the commands that serve.
/// The returned value must be kept until all work is done.
pub(super) fn start(settings: &Settings, redactor: &Arc<Redactor>) -> Traced {
    start_at(LevelFilter::WARN, settings, redactor)
}

/// The same for a command that answers one person and ends. Its answer says what a warning would, so it logs errors.
pub(super) fn start_for_one(settings: &Settings, redactor: &Arc<Redactor>) -> Traced {
    start_at(LevelFilter::ERROR, settings, redactor)
}

fn start_at(usual: LevelFilter, settings: &Settings, redactor: &Arc<Redactor>) -> Traced {
    let wanted = wanted(std::env::var("RUST_LOG").ok().as_deref(), usual);
    // A password in the URL of the proxy or of the journal is redacted from the first line on.
    settings.secrets().iter().for_each(|secret| redactor.redact_always(secret));
    let writer = Redacting(Arc::clone(redactor));
    let json = match settings.log_format {
        LogFormat::Json => true,
        LogFormat::Text => false,
        LogFormat::Auto => !io::stderr().is_terminal(),
    };
    let layer = if json {
        fmt::layer().json().with_writer(writer).boxed()
    } else {
        fmt::layer().with_ansi(color::on_stderr()).with_writer(writer).boxed()
    };
    // This limit is independent of RUST_LOG. Below warnings, rmcp logs whole requests, which may hold carrier keys.
    let registry = tracing_subscriber::registry().with(layer.with_filter(wanted).with_filter(filter_fn(ours_or_grave)));
    let (registry, traces) = traced(registry);
    drop(registry.try_init());
    panic::set_hook(Box::new(|panic| {
        // The payload may hold anything, so only the location is logged. That is enough to find the fault.
        let place = panic.location().map_or_else(|| "an unknown place".to_owned(), ToString::to_string);
        metrics::counter!("panics_total").increment(1);
        tracing::error!(place, "a fault in this server was caught");
    }));
    traces
}

/// Returns what `RUST_LOG` asks for. Without it, or with one that cannot be read, the usual level.
///
/// It selects by target and level alone. Selecting by the fields of spans would bring an engine for regular expressions.
fn wanted(rust_log: Option<&str>, usual: LevelFilter) -> Targets {
    let given = rust_log.filter(|text| !text.trim().is_empty()).and_then(|text| text.parse().ok());
    given.unwrap_or_else(|| Targets::new().with_default(usual))
}

/// A value that must be kept until the work is done. Dropping it sends the last traces.
#[cfg(feature = "otel")]
pub(super) type Traced = Option<Traces>;
/// Without traces there is nothing to keep.
#[cfg(not(feature = "otel"))]
pub(super) struct Traced;

/// Adds traces to the subscriber, if a collector is named. If it cannot be used, the server runs without traces.
#[cfg(feature = "otel")]
fn traced<S>(subscriber: S) -> (impl Subscriber + Send + Sync, Traced)
where
    S: Subscriber + for<'a> LookupSpan<'a> + Send + Sync,
{
    let started = telemetry::start().unwrap_or_else(|why| {
        complain(&format!("traces are not exported: {why}"));
        None
    });
    let (traces, layer) = started.unzip();
    (subscriber.with(layer), traces)
}

#[cfg(not(feature = "otel"))]
fn traced<S>(subscriber: S) -> (S, Traced) {
    (subscriber, Traced)
}

fn ours_or_grave(metadata: &Metadata<'_>) -> bool {
    // Every error of this module means that a client left before its response. Panics are reported by the panic hook.
    if metadata.target() == "rmcp::service" {
        return false;
    }
    // rmcp warns of each request that got an error response, and quotes the client's own text.
    let most = if metadata.target().starts_with("rmcp") { Level::ERROR } else { Level::WARN };
    let ours = metadata.target().starts_with("truedy_mcp") && metadata.target() != telemetry::TARGET;
    ours || *metadata.level() <= most
}

/// Standard error without secrets.
#[derive(Clone)]
struct Redacting(Arc<Redactor>);

impl Write for Redacting {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let clean = self.0.text(&String::from_utf8_lossy(bytes));
        // A write fails if standard error has no reader any more. That must not stop the work.
        progress::above(|_| drop(io::stderr().lock().write_all(clean.as_bytes())));
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Redacting {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rust_log_selects_by_target_and_level_and_servers_log_warnings_without_it() {
        for (text, target, level, is_logged) in [
            (None, "truedy_mcp::journal", Level::WARN, true),
            (None, "truedy_mcp::journal", Level::INFO, false),
            (Some(""), "truedy_mcp::journal", Level::WARN, true),
            (Some("truedy_mcp=loud"), "truedy_mcp::journal", Level::WARN, true),
            (Some("truedy_mcp=loud"), "truedy_mcp::journal", Level::INFO, false),
            (Some("truedy_mcp=debug"), "truedy_mcp::journal", Level::DEBUG, true),
            (Some("truedy_mcp=debug"), "truedy_mcp::journal", Level::TRACE, false),
            (Some("truedy_mcp=debug"), "rmcp", Level::ERROR, false),
            (Some("warn,truedy_mcp::journal=info"), "truedy_mcp::journal::sqlite", Level::INFO, true),
            (Some("warn,truedy_mcp::journal=info"), "truedy_mcp::http", Level::INFO, false),
            (Some("warn,truedy_mcp::journal=info"), "truedy_mcp::http", Level::WARN, true),
            (Some("off"), "truedy_mcp", Level::ERROR, false),
        ] {
            let for_one = wanted(text, LevelFilter::ERROR).would_enable(target, &level);
            let is_usual = text.is_none_or(|text| text.is_empty() || text.contains("loud"));
            assert_eq!(for_one, is_logged && !is_usual, "{text:?} {target} {level}");
            assert_eq!(
                wanted(text, LevelFilter::WARN).would_enable(target, &level),
                is_logged,
                "{text:?} {target} {level}"
            );
        }
    }
}
