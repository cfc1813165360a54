//! What the tests share: the program, its clients, the servers it talks to, and what is expected of it.

pub(crate) mod carrier_files;
pub(crate) mod certificate;
pub(crate) mod database;
pub(crate) mod era;
pub(crate) mod event_stream;
pub(crate) mod expected;
mod fake_account;
pub(crate) mod fake_truedy;
#[allow(dead_code, reason = "more is offered than each set of tests takes")]
pub(crate) mod frozen_purchases;
pub(crate) mod http_client;
#[allow(dead_code, reason = "the library's own tests are the first to use it")]
pub(crate) mod issuer;
pub(crate) mod mcp_client;
pub(crate) mod people;
pub(crate) mod program;
pub(crate) mod raw_client;
pub(crate) mod sample;
pub(crate) mod sandbox;
pub(crate) mod secrets;
pub(crate) mod terminal;
