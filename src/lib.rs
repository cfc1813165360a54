//! truedy-mcp: Truedy's telephony as tools for AI agents.
//!
//! The way of a call: `mcp` takes it from the wire, `tools` parses and plans it, `guard` decides whether it
//! may be done, `truedy` exchanges it with the API. `domain` holds the nouns, `sandbox` is a Truedy of our own,
//! `http` makes sure of who calls from elsewhere, `cli` is what a person runs, `config` what an operator sets,
//! `telemetry` what a collector sees.

pub mod cli;
pub mod config;
pub mod domain;
pub mod files;
pub mod guard;
pub mod http;
pub mod journal;
pub mod mcp;
pub mod redact;
pub mod sandbox;
pub mod telemetry;
pub mod tools;
pub mod truedy;
