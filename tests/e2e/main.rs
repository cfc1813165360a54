//! The built program against real clients, the sandbox and a faulty upstream. One crate: each further one would link everything again.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test says what went wrong by stopping"
)]

mod apps;
mod architecture;
mod campaign;
mod cli;
mod failures;
mod http;
mod papers;
mod safety;
mod scale;
mod support;
mod tools;
