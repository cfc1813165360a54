//! What a client says of itself with a call: how its user can be asked, its name, and its own id of the call.

use crate::journal::ConsentPlace;
use crate::mcp::apps::pages::AppsSupport;
use crate::mcp::call::change::undo_request::UndoRequest;
use crate::mcp::consent::elicitation::Elicitor;

/// How a call came in: how a person can be asked, and what the client says of itself.
#[derive(Clone)]
pub struct ClientCall {
    /// How a person can be asked.
    pub elicitor: Elicitor,
    /// Which pages the client shows.
    pub views: AppsSupport,
    /// The name and the version of the client, cleaned. Nothing proves them. `None` if it gave none.
    pub client: Option<String>,
    /// The client's own id of the call. A client that sends the call again gives the same id.
    pub call_id: Option<String>,
    /// What the call undoes. `None` for an ordinary call.
    pub undoes: Option<UndoRequest>,
    /// Where a person agreed to this call before it was made. It is recorded, and is never enough for the level `human`.
    pub agreed: Option<ConsentPlace>,
}

impl ClientCall {
    /// Returns a call during which nobody can be asked, from a client of this name.
    pub fn unattended(client: Option<String>) -> Self {
        Self {
            elicitor: Elicitor::nobody(),
            views: AppsSupport::default(),
            client,
            call_id: None,
            undoes: None,
            agreed: None,
        }
    }
}
