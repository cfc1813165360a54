//! How a tool meets the protocol. The only room that knows MCP.

mod apps;
mod call;
mod consent;
mod offer;
mod server;
mod tenant;
mod tour_client;
pub mod transport;

pub use apps::pages::Views;
pub use call::concurrency::{Bounds, Crowd};
pub use call::service::{Parts, Reply, Service, Upstream};
pub use consent::credential_forms::{CameIn, KEY_PAGES, KeyPages, Opener, Shown, Unusable};
pub use consent::elicitation::{AskWay, Asker};
pub use consent::signed_state::Keys;
pub use offer::catalog::{Catalog, Entry};
pub use server::Server;
pub use tenant::principal::{Principal, Tenant};
pub use tour_client::{Asked, Guest};
pub use transport::accept::Accepts;
pub use transport::duplicate_names::{arguments_of, given_twice, said_once};
pub use transport::legacy_sse::LegacySse;
pub use transport::line_repair::readable;
pub use transport::stdio::serve_stdio;
pub use transport::streamable_http::{SessionMode, Streamable};
