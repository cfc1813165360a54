//! Numbers that unresolved operations add to the account if they happened.

use std::collections::BTreeMap;

use crate::domain::ChangeKind;

/// The numbers that unresolved operations of this account add to it if they happened.
#[derive(Debug, Default)]
pub(crate) struct AwaitedNumbers {
    pub(crate) numbers: BTreeMap<String, Vec<(u64, AwaitedNumber)>>,
    /// How many entries were ever added. It tells whether an entry was added before or after a read of the store.
    pub(crate) added: u64,
}

impl AwaitedNumbers {
    pub(crate) fn add(&mut self, number: String, one: AwaitedNumber) {
        let all = self.numbers.entry(number).or_default();
        if all.iter().all(|(_, other)| other.id != one.id) {
            all.push((self.added, one));
            self.added += 1;
        }
    }
}

/// An unresolved operation that a certain number in the account resolves.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwaitedNumber {
    /// The id of the operation.
    pub id: String,
    /// The kind of change that it makes.
    pub kind: &'static ChangeKind,
    /// The earliest creation of a row that it can have added. See [`crate::domain::OperationTarget::created_after`].
    pub created_after: Option<i64>,
}

/// The number that a change adds to the account if it happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AddedNumber {
    /// The number, in E.164.
    pub number: String,
    /// The kind of change that adds it.
    pub kind: &'static ChangeKind,
    /// The earliest creation of a row that the change can have added. See [`crate::domain::OperationTarget::created_after`].
    pub created_after: Option<i64>,
}
