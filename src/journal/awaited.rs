//! Numbers that unresolved operations would have made ours.

use std::collections::BTreeMap;
use std::sync::PoisonError;

use crate::journal::journal::Journal;
use crate::journal::operation::Operation;

/// Numbers that unresolved operations of this account would have made ours.
#[derive(Debug, Default)]
pub(crate) struct AwaitedNumbers {
    numbers: BTreeMap<String, Vec<(u64, AwaitedNumber)>>,
    /// How many were added, by which those that came after a look into the store are told from those before.
    pub(crate) added: u64,
}

impl AwaitedNumbers {
    fn add(&mut self, number: String, one: AwaitedNumber) {
        let all = self.numbers.entry(number).or_default();
        if all.iter().all(|(_, other)| other.id != one.id) {
            all.push((self.added, one));
            self.added += 1;
        }
    }
}

/// An unresolved operation that a number in the account would resolve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AwaitedNumber {
    /// The operation.
    pub id: String,
    /// Its tool.
    pub tool: String,
}

/// Whether a number in the account shows that an operation of this tool happened.
pub(crate) fn makes_ours(tool: &str) -> bool {
    matches!(tool, "purchase_number" | "import_number")
}

impl Journal {
    /// Looks out for the numbers of these; `all`: for no others that were known `before`.
    pub(crate) fn await_numbers(&self, lost: &[Operation], before: u64, all: bool) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        // What was lost while the store was read may not have been in it.
        let newer = std::mem::take(&mut awaited.numbers).into_iter();
        let newer: Vec<_> =
            newer.flat_map(|(number, all)| all.into_iter().map(move |one| (number.clone(), one))).collect();
        for operation in lost.iter().filter(|operation| makes_ours(&operation.tool)) {
            if let Some(number) = &operation.object.number {
                awaited.add(number.clone(), AwaitedNumber { id: operation.id.clone(), tool: operation.tool.clone() });
            }
        }
        for (number, (added, one)) in newer {
            if added >= before || !all {
                awaited.add(number, one);
            }
        }
    }

    /// Whether any number that is seen in the account could resolve something.
    pub fn awaits_any(&self) -> bool {
        !self.awaited.lock().unwrap_or_else(PoisonError::into_inner).numbers.is_empty()
    }

    /// The unresolved operations that this number, seen in the account, resolves.
    pub fn awaiting(&self, number: &str) -> Vec<AwaitedNumber> {
        let awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.numbers.get(number).into_iter().flatten().map(|(_, one)| one.clone()).collect()
    }

    pub(crate) fn await_number(&self, number: String, one: AwaitedNumber) {
        self.awaited.lock().unwrap_or_else(PoisonError::into_inner).add(number, one);
    }

    pub(crate) fn no_longer_awaited(&self, id: &str) {
        let mut awaited = self.awaited.lock().unwrap_or_else(PoisonError::into_inner);
        awaited.numbers.retain(|_, all| {
            all.retain(|(_, one)| one.id != id);
            !all.is_empty()
        });
    }
}
