//! Numbers that unresolved operations would have made ours.

use std::collections::BTreeMap;

/// Numbers that unresolved operations of this account would have made ours.
#[derive(Debug, Default)]
pub(crate) struct AwaitedNumbers {
    pub(crate) numbers: BTreeMap<String, Vec<(u64, AwaitedNumber)>>,
    /// How many were added, by which those that came after a look into the store are told from those before.
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
