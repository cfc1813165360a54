//! The revision of the journal.

use futures::FutureExt;

use crate::journal::journal::Journal;
use crate::journal::queries::same_number;
use crate::journal::store::StoreResult;

impl Journal {
    /// Returns the revision of the journal. What changes later has a greater one.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn revision(&self) -> StoreResult<i64> {
        self.run(|transaction| same_number::revision(transaction).boxed()).await
    }
}
