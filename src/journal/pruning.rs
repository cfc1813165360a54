//! Pruning: old rows are deleted in slices, beside the calls.

use std::time::Instant;

use futures::FutureExt;

use crate::journal::journal::Journal;
pub use crate::journal::queries::prune::PrunePass;
use crate::journal::queries::prune::slice;
use crate::journal::store::StoreResult;

/// How many times as long as a slice takes the store is left to others afterwards.
const PAUSE: u32 = 4;

impl Journal {
    /// Deletes operations and nonces that are old, and the excess refusals of this tenant. Returns how many operations
    /// were deleted.
    ///
    /// It runs in slices, each of them a short transaction. So a call waits at most for one slice.
    ///
    /// # Errors
    ///
    /// If the store cannot be written. What was deleted before stays deleted.
    pub async fn prune(&self) -> StoreResult<u64> {
        let (mut gone, mut pass) = (0, PrunePass::default());
        loop {
            let start = Instant::now();
            let (deleted, next) = self.prune_slice(pass).await?;
            gone += deleted;
            match next {
                Some(next) => pass = next,
                None => return Ok(gone),
            }
            tokio::time::sleep(start.elapsed() * PAUSE).await;
        }
    }

    /// Runs one slice of pruning. Returns how many operations it deleted, and the rest of the pass.
    ///
    /// What it deleted is then written back beside other transactions. Otherwise one of them would have to do it.
    ///
    /// # Errors
    ///
    /// If the store cannot be written. Then the slice deleted nothing.
    pub async fn prune_slice(&self, pass: PrunePass) -> StoreResult<(u64, Option<PrunePass>)> {
        let (tenant, times) = (self.tenant.clone(), self.times());
        let sliced =
            self.run(move |transaction| async move { slice(transaction, &tenant, pass, &times).await }.boxed()).await;
        if matches!(sliced, Ok((gone, _)) if gone > 0) {
            self.store.write_back().await;
        }
        sliced
    }
}
