//! truedy-mcp: Truedy's telephony as tools for AI agents, over the Model Context Protocol.
//!
//! # The rooms
//!
//! A room uses only rooms that stand below it. `tests/e2e/architecture` reads the source and refuses an arrow that points up.
//!
//! | room | what it is for |
//! | --- | --- |
//! | [`cli`] | what a person runs: one file a command |
//! | [`config`] | flags, variables and files, read once into typed settings |
//! | [`http`] | connections, requests and callers: who gets in over a network |
//! | [`mcp`] | the protocol: transports, the catalogue, one call, questions to a person |
//! | [`tools`] | the tools: one file each, with what they share |
//! | [`guard`] | the operator's policy, and whether a change needs confirmation |
//! | [`journal`] | what was begun and how it ended, in SQLite or PostgreSQL |
//! | [`truedy`] | one exchange with the API: limits, retries, what an answer means |
//! | [`domain`] | phone numbers, ids, money, statuses: types that cannot be wrong |
//! | [`files`] | private files, TOML files, and files that change while the program runs |
//! | [`redact`] | secrets, and how they stay out of every text |
//! | [`telemetry`] | spans, and their export |
//! | [`sandbox`] | a small Truedy with made-up numbers, which knows no other room |
//!
//! # The life of a call
//!
//! A read, from wire to wire:
//!
//! 1. `mcp::transport` takes a message from standard input, or from `http`, which has checked the caller.
//! 2. `mcp::server` finds the tool in `mcp::offer::catalog` and starts `mcp::call`.
//! 3. `mcp::call::concurrency` waits for a free place, so that one caller cannot take them all.
//! 4. `mcp::call::validate` and the tool's own type parse the arguments. What is wrong is told by field.
//! 5. The tool asks [`truedy`], within the rate limit and the time of the call.
//! 6. `mcp::call::service` removes secrets from the result, and the transport writes it.
//!
//! A change takes three steps more, in `mcp::call::change`:
//!
//! 1. `admit`: policy and journal are asked first. A repeated or capped change costs no request.
//! 2. `confirm`: the tool reads what the change would affect. [`guard`] decides: refuse, ask a person, preview, or go on.
//! 3. `execute`: the intent is written to the [`journal`], then the request is sent, then its outcome is written.
//!
//! A request whose answer is lost leaves an unresolved operation. `tools::changes::reconcile` compares it with the account
//! later. Until then nobody buys the same number again.
//!
//! # Where to begin
//!
//! Read one tool in `tools::catalog`, then `tools::contract`, then `mcp::call`. `CONTRIBUTING.md` tells how to add one, and
//! `docs/architecture.md` has the pictures.

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
