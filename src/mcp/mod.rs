//! How a tool meets the protocol. The only room that knows MCP.

mod advice;
mod apps;
mod card;
mod catalog;
mod change;
mod client;
mod consent;
mod crowd;
mod instructions;
mod legacy_sse;
mod lines;
mod pending;
mod picker;
mod principal;
mod resources;
mod route;
mod seal;
mod server;
mod stdio;
mod streamable;
mod tally;
pub mod wire;

pub use apps::Views;
pub use catalog::{Catalog, Entry};
pub use client::{Asked, Guest};
pub use consent::Asker;
pub use crowd::{Bounds, Crowd};
pub use legacy_sse::LegacySse;
pub use principal::{Principal, Tenant};
pub use route::{Parts, Reply, Service, Upstream};
pub use seal::Keys;
pub use server::Server;
pub use stdio::serve_stdio;
pub use streamable::{SessionMode, Streamable};
