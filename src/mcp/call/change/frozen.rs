//! A change while the operator has frozen all changes.

use crate::domain::{Effect, Refusal};
use crate::mcp::call::messages;
use crate::mcp::call::service::Service;

impl Service {
    /// Refuses if changes are frozen. It keeps a person from being asked for a consent that has no effect.
    pub(crate) async fn admit_unfrozen(&self, effect: Effect) -> Result<(), Refusal> {
        match self.journal.frozen().await {
            Ok(None) => Ok(()),
            Ok(Some(freeze)) => Err(messages::on_frozen(&freeze, effect)),
            Err(why) => Err(messages::on_journal(&why.to_string(), effect)),
        }
    }

    /// Adds to a preview that the change it shows is refused for now.
    pub(crate) async fn with_freeze(&self, mut shown: Refusal) -> Refusal {
        // A preview changes nothing, so it is shown even if the journal cannot be read.
        let Ok(Some(freeze)) = self.journal.frozen().await else { return shown };
        shown.summary.push_str(" The operator has frozen all changes, so this one is refused until that ends.");
        shown.with("frozen", freeze.to_json())
    }
}
