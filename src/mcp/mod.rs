//! How a tool meets the protocol. The only room that knows MCP.

mod apps;
mod call;
mod consent;
mod offer;
mod results;
mod server;
mod tenant;
mod tour_client;
pub mod transport;

pub use apps::pages::AppsSupport;
pub use call::change::undo_request::{UndoConsent, UndoRequest};
pub use call::client_call::ClientCall;
pub use call::concurrency::{CallLimits, ConcurrencyLimiter};
pub use call::duplicate_names::{arguments_of, given_twice, said_once};
pub use call::service::{CallResult, FinishedCall, Service, ServiceConfig, Upstream};
pub use consent::credential_forms::{
    CredentialForms, FormContent, FormError, FormServerStarter, KEY_PAGES, RequestOrigin,
};
pub use consent::elicitation::{ElicitationMode, Elicitor};
pub use consent::signed_state::SealingKeys;
pub use offer::catalog::{Catalog, CatalogEntry};
pub use server::McpServer;
pub use tenant::principal::{Principal, Tenant};
pub use tour_client::{AnsweredQuestion, TourClient};
pub use transport::accept::Accepts;
pub use transport::legacy_sse::LegacySse;
pub use transport::line_repair::readable;
pub use transport::stdio::serve_stdio;
pub use transport::streamable_http::{SessionMode, Streamable};
