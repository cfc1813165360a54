//! What a call undoes, and who agreed to it.

use crate::journal::{ConsentPlace, Operation};

/// What a call undoes.
#[derive(Debug, Clone)]
pub struct UndoRequest {
    /// The operation to undo.
    pub operation: Operation,
    /// Who agreed to the undo.
    pub consent: UndoConsent,
}

/// Who agreed to an undo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UndoConsent {
    /// Nobody yet. The call only shows what it would do.
    Absent,
    /// Nobody was asked, as the caller wished.
    Waived,
    /// A person, there.
    Person(ConsentPlace),
}
