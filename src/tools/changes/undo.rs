//! How an operation of the journal is undone. Each tool says it of its own changes.

use crate::journal::{Operation, OperationPhase};
use crate::tools::catalog::visit;
use crate::tools::contract::response::Undo;
use crate::tools::contract::tool::{Change, Read};
use crate::tools::contract::visitor::Visitor;

/// Returns how to undo an operation. `None` if it did not happen, or if no tool of this name changes anything.
pub fn undo_of(operation: &Operation) -> Option<Undo> {
    if operation.state != OperationPhase::Done {
        return None;
    }
    let mut search = UndoSearch { operation, found: None };
    visit(&mut search);
    search.found
}

/// Finds the tool of an operation in the list of tools.
struct UndoSearch<'a> {
    operation: &'a Operation,
    found: Option<Undo>,
}

impl Visitor for UndoSearch<'_> {
    fn read<T: Read>(&mut self) {}

    fn change<T: Change>(&mut self) {
        if self.operation.tool == T::KIND.name {
            self.found = Some(T::undo(self.operation));
        }
    }
}
