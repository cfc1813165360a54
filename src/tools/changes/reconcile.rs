//! Finds the outcome of operations whose response was lost, from the present state of the account.
//!
//! What shows the outcome of a change stands in the file of its tool.

use futures::FutureExt;
use futures::future::BoxFuture;

use crate::journal::{Operation, Outcome};
use crate::tools::account::view::AccountView;
use crate::tools::catalog::visit;
use crate::tools::changes::undo::undo_of;
use crate::tools::contract::context::{Reconcile, ToolContext};
use crate::tools::contract::response::Undo;
use crate::tools::contract::tool::{Change, Read};
use crate::tools::contract::visitor::Visitor;

/// Asks the tool of each operation for its outcome.
pub struct Reconciler;

impl Reconcile for Reconciler {
    fn reconcile<'a>(&'a self, context: &'a ToolContext, operations: &'a [Operation]) -> BoxFuture<'a, ()> {
        look(context, operations).boxed()
    }

    fn undo(&self, operation: &Operation) -> Option<Undo> {
        undo_of(operation)
    }
}

async fn look(context: &ToolContext, operations: &[Operation]) {
    let context = context.with(context.call.unstoppable());
    let account = match AccountView::read(&context).await {
        Ok(account) => account,
        Err(error) => {
            tracing::debug!(%error, "what was lost could not be looked for");
            return;
        }
    };
    for operation in operations {
        if let Some(ending) = outcome(operation, &account).await
            && context.journal.settle(&operation.id, ending.clone()).await
        {
            tracing::info!(id = operation.id, tool = operation.tool, outcome = ending.outcome, "resolved");
        }
    }
}

/// Asks the tool of the operation. `None` if no tool of this name changes anything.
async fn outcome(operation: &Operation, account: &AccountView<'_>) -> Option<Outcome> {
    let mut search = OutcomeSearch { operation, account, found: None };
    visit(&mut search);
    search.found?.await
}

/// Finds the tool of an operation in the list of tools.
struct OutcomeSearch<'a> {
    operation: &'a Operation,
    account: &'a AccountView<'a>,
    found: Option<BoxFuture<'a, Option<Outcome>>>,
}

impl Visitor for OutcomeSearch<'_> {
    fn read<T: Read>(&mut self) {}

    fn change<T: Change>(&mut self) {
        if self.operation.tool == T::KIND.name {
            self.found = Some(T::reconcile(self.operation, self.account).boxed());
        }
    }
}
