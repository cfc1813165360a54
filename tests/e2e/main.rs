//! The built program against real clients, the sandbox and a faulty upstream. One crate: each further one would link everything again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what went wrong by stopping"
)]

mod agent;
mod architecture;
mod beside_tools;
mod budgets;
mod campaign;
mod cards;
mod carriers;
mod catalog;
mod certificate;
mod command_line;
mod diagnosis;
mod doors;
mod failures;
mod gate;

mod http;
mod http_many;
#[allow(dead_code, reason = "the library's own tests are the first to use it")]
mod issuer;
mod journeys;
mod key_pages;
mod levels;
mod papers;
mod safety;
#[cfg(feature = "sample-tools")]
mod sample_tools;
mod secrets;
#[allow(dead_code, reason = "more is offered than each set of tests takes")]
mod served;
mod support;
#[cfg(feature = "otel")]
mod telemetry;
mod transport;
mod upstream;
mod wire;
