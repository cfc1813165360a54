//! What a tool is: its arguments, its effect, and how it reads or changes.

use std::future::Future;

use schemars::JsonSchema;
use serde::Serialize;

use crate::domain::{ArgumentProblem, ChangeKind, Direction, Directions, Effect, Refusal};
use crate::guard::{ChangeImpact, RequestedChange, Scope};
use crate::journal::{Operation, Outcome};
use crate::tools::account::view::AccountView;
use crate::tools::contract::arguments::Arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::{ToolFailure, ToolResponse, Undo};

/// A tool. Its type holds the arguments, and the rustdoc of its type is the description.
pub trait Tool: Arguments + Clone + Send + Sync + 'static {
    /// The name by which clients call the tool.
    const NAME: &'static str;
    /// The title that people read.
    const TITLE: &'static str;
    /// Words by which a search of tools finds it, besides those of the description. At most 80 characters; empty for
    /// what is in no catalogue. Source: `_meta["anthropic/searchHint"]` of Claude Code.
    const SEARCH_HINT: &'static str;
    /// What follows the name in an example of a call on the sandbox, as a shell reads it. `None`: the required arguments,
    /// with the values of their descriptions. The help of the command line shows it.
    const EXAMPLE: Option<&'static str> = None;
    /// What a call of the tool does.
    const EFFECT: Effect;
    /// The scope that a caller must have for calling the tool.
    const SCOPE: Scope;
    /// The data of its response.
    type Output: Serialize + JsonSchema + Send + 'static;

    /// Returns the names of the arguments for a carrier's keys. None is offered if keys may not be passed as arguments.
    fn inline() -> Vec<&'static str> {
        Self::secrets()
    }

    /// Returns problems between arguments that are each valid alone.
    fn contradictions(&self) -> Vec<ArgumentProblem> {
        Vec::new()
    }
}

/// A tool that only reads.
pub trait Read: Tool {
    /// Answers the call.
    fn read(self, context: ToolContext)
    -> impl Future<Output = Result<ToolResponse<Self::Output>, ToolFailure>> + Send;
}

/// What the reading before a change found.
#[derive(Debug)]
pub enum Planned<P, T> {
    /// There is nothing to change.
    Done(ToolResponse<T>),
    /// The plan of the change, and its impact.
    Ready(P, Box<ChangeImpact>),
}

/// The changes that one call stands for: the same call, with one argument changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeParts {
    /// The argument that differs.
    pub argument: &'static str,
    /// Its value in each of the changes, in the order in which they are made.
    pub values: Vec<&'static str>,
}

impl ChangeParts {
    /// Returns one change for each direction, in this order. `None` for a single direction.
    pub fn of_directions(directions: Directions, order: &[Direction]) -> Option<Self> {
        let values = order.iter().map(|direction| direction.as_str()).collect();
        (directions == Directions::Both).then_some(Self { argument: "assignment_type", values })
    }
}

/// A tool that changes something. It first reads and plans. It acts only if the gate allows it.
pub trait Change: Tool {
    /// The facts about this kind of change. [`Tool::EFFECT`] names the same kind.
    const KIND: &'static ChangeKind;
    /// What planning found out and acting needs.
    type Plan: Send + 'static;

    /// Returns what the call asks for, as known before anything is read.
    fn claims(&self) -> RequestedChange {
        RequestedChange::default()
    }

    /// Returns the changes that the call stands for, if it stands for several. Each has its own row in the journal.
    ///
    /// A call that stands for several is never planned itself.
    fn parts(&self) -> Option<ChangeParts> {
        None
    }

    /// Reads what the change needs to know. Changes nothing.
    fn plan(
        &self,
        context: &ToolContext,
    ) -> impl Future<Output = Result<Planned<Self::Plan, Self::Output>, ToolFailure>> + Send;

    /// Finds the outcome of an operation whose response was lost, from the present state of the account. `None` if the
    /// account does not show it.
    ///
    /// What the account shows has happened. What it does not show stays unknown, because Truedy may have made a change
    /// that it does not list. "Did not happen" is returned only where the account shows the opposite, long afterwards.
    fn reconcile(operation: &Operation, account: &AccountView<'_>) -> impl Future<Output = Option<Outcome>> + Send;

    /// Returns how to undo an operation of this kind that happened, by what the journal knows of it.
    fn undo(operation: &Operation) -> Undo;

    /// Builds the refusal for a change whose response was lost. It tells what is known so far.
    fn unknown(&self) -> Refusal;

    /// Makes the one change and finds out its outcome.
    fn act(
        self,
        plan: Self::Plan,
        context: ToolContext,
    ) -> impl Future<Output = Result<ToolResponse<Self::Output>, ToolFailure>> + Send;
}
