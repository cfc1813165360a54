//! What resolves an unresolved operation: numbers that appear in the account, and what the account can prove.

use std::time::Duration;

use futures::FutureExt;

use crate::domain::Proof;
use crate::journal::awaited::AwaitedNumber;
use crate::journal::journal::Journal;
use crate::journal::operation::Operation;

impl Journal {
    /// Watches for the numbers of these lost operations.
    ///
    /// `before` is the value of `added` before the store was read. If `all` is true, `lost` is complete. Then numbers
    /// that were added before that are no longer watched.
    pub(crate) fn await_numbers(&self, lost: &[Operation], before: u64, all: bool) {
        let mut awaited = self.awaited.lock();
        // An operation that was lost while the store was being read may be missing in `lost`.
        let newer = std::mem::take(&mut awaited.numbers).into_iter();
        let newer: Vec<_> =
            newer.flat_map(|(number, all)| all.into_iter().map(move |one| (number.clone(), one))).collect();
        for operation in lost {
            let kind = self.kinds.find(&operation.tool).filter(|kind| kind.proof == Proof::NumberPresent);
            if let (Some(kind), Some(number)) = (kind, &operation.object.number) {
                awaited.add(
                    number.clone(),
                    AwaitedNumber { id: operation.id.clone(), kind, created_after: operation.object.created_after },
                );
            }
        }
        for (number, (added, one)) in newer {
            if added >= before || !all {
                awaited.add(number, one);
            }
        }
    }

    /// Checks whether a number seen in the account can resolve any operation.
    pub fn awaits_any(&self) -> bool {
        !self.awaited.lock().numbers.is_empty()
    }

    /// Returns the unresolved operations that this number, seen in the account, resolves.
    pub fn awaiting(&self, number: &str) -> Vec<AwaitedNumber> {
        let awaited = self.awaited.lock();
        awaited.numbers.get(number).into_iter().flatten().map(|(_, one)| one.clone()).collect()
    }

    pub(crate) fn await_number(&self, number: String, one: AwaitedNumber) {
        self.awaited.lock().add(number, one);
    }

    pub(crate) fn no_longer_awaited(&self, id: &str) {
        let mut awaited = self.awaited.lock();
        awaited.numbers.retain(|_, all| {
            all.retain(|(_, one)| one.id != id);
            !all.is_empty()
        });
    }

    /// Checks whether the account can prove that an operation did not happen. It can if the operation began under the
    /// same key. It also can if the operation began in the organization that the rows of the account show today.
    pub fn is_of_this_account(&self, operation: &Operation) -> bool {
        let known = self.organization.lock();
        operation.account == self.account || (known.is_some() && operation.organization == *known)
    }

    /// Returns how long ago the response to an operation was lost. The most cautious clock counts. The result is 0 if
    /// no clock is trusted or the store cannot be read.
    pub async fn lost_for(&self, operation: &Operation) -> Duration {
        let (times, operation) = (self.times(), operation.clone());
        let since = self.run(move |transaction| {
            async move {
                let now = times.at(transaction).await?;
                let boot = operation.lost_up.as_ref().map(|(boot, up)| (boot.as_str(), *up));
                Ok(operation.lost_at.map_or(0, |at| now.since(at, boot)))
            }
            .boxed()
        });
        Duration::from_millis(u64::try_from(since.await.unwrap_or(0)).unwrap_or(0))
    }
}
