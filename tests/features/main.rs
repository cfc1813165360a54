//! What only a build with the features `otel` and `sample-tools` has. A target of its own is built in a fifth of the time of
//! `tests/e2e`, and that one stays as it was built without them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what went wrong by stopping"
)]

mod sample_tools;
#[allow(dead_code, unused_imports, unused_macros, reason = "these tests take few of the helpers")]
#[path = "../e2e/support/mod.rs"]
mod support;
mod telemetry;
