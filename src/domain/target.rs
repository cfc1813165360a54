//! What a change is about, in identifiers alone: fit for a record that must hold no secret and no free text.

/// What a change is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct OperationTarget {
    /// The number in E.164, where it is known.
    pub number: Option<String>,
    /// Truedy's id of the number, where it has one.
    pub number_id: Option<String>,
    /// The direction of an assignment.
    pub direction: Option<String>,
    /// The agent of an assignment.
    pub agent_id: Option<String>,
    /// The carrier of an import.
    pub provider: Option<String>,
    /// The credentials that were stored before an import, by id; `None` where they could not be read.
    pub credentials_before: Option<Vec<String>>,
}

impl OperationTarget {
    /// A number of the account or one to be.
    pub fn number(number: impl Into<String>) -> Self {
        Self { number: Some(number.into()), ..Self::default() }
    }

    /// The number as a person knows it, or its id.
    pub fn name(&self) -> &str {
        self.number.as_deref().or(self.number_id.as_deref()).unwrap_or("(unknown)")
    }
}
