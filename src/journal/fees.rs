//! What the numbers of an account cost, as far as the journal knows it.

use std::collections::HashMap;

use futures::FutureExt;

use crate::domain::Fees;
use crate::journal::journal::Journal;
use crate::journal::queries::fees;
use crate::journal::store::StoreResult;

impl Journal {
    /// Returns what these numbers cost when they were bought through this journal, by Truedy's id of the number.
    ///
    /// A number that was bought elsewhere or imported is not in the map: its price is not known.
    ///
    /// # Errors
    ///
    /// If the store cannot be read.
    pub async fn fees_of(&self, number_ids: Vec<String>) -> StoreResult<HashMap<String, Fees>> {
        let tenant = self.tenant.clone();
        self.run(move |transaction| async move { fees::all_of(transaction, &tenant, number_ids).await }.boxed()).await
    }
}
