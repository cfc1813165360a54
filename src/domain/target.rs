//! The target of a change, by identifiers only. So it can be stored in a record without secrets and free text.

use crate::domain::slot::Slot;

/// The target of a change.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperationTarget {
    /// The number in E.164, if it is known.
    pub number: Option<String>,
    /// Truedy's id of the number, if it has one.
    pub number_id: Option<String>,
    /// The direction of an assignment.
    pub direction: Option<String>,
    /// The agent of an assignment.
    pub agent_id: Option<String>,
    /// The carrier of an import.
    pub provider: Option<String>,
    /// The ids of the credentials that were stored before an import. `None` if they could not be read.
    pub credentials_before: Option<Vec<String>>,
    /// The earliest creation, in milliseconds since 1970 by Truedy's clock, of a row that this change can have added.
    ///
    /// `None` if the whole list lacked the number before the change. Then every row of the number is new.
    pub created_after: Option<i64>,
    /// Who had the direction before an assignment was made or removed.
    pub displaced: Slot,
}

impl OperationTarget {
    /// Returns the target for a number in E.164. The account may have the number, or will have it after the change.
    pub fn number(number: impl Into<String>) -> Self {
        Self { number: Some(number.into()), ..Self::default() }
    }

    /// Returns the number as people know it, or else its id.
    pub fn name(&self) -> &str {
        self.number.as_deref().or(self.number_id.as_deref()).unwrap_or("(unknown)")
    }
}
