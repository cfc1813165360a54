//! What resources and completions read. Each reading is admitted like the tool it stands beside.
//!
//! So a caller may read it exactly if the caller may call that tool.

use std::collections::{HashMap, HashSet};

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

use crate::domain::{AgentRef, Effect, NumberRef, Status};
use crate::guard::Scope;
use crate::tools::account::agents::agents;
use crate::tools::account::agents::recent_roster;
use crate::tools::account::located::{Purpose, fill, locate};
use crate::tools::account::lookup::SHOWN;
use crate::tools::account::number_table::{MoreColumns, Numbers};
use crate::tools::account::{agent_lookup, lookup};
use crate::tools::catalog::list_agents::ListAgents;
use crate::tools::catalog::list_numbers::{ListNumbers, PARTLY, summary};
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::{ToolFailure, ToolResponse};
use crate::tools::contract::tool::{Read, Tool};

arguments! {
    /// The numbers of the account in one piece, up to a bound, and who holds them.
    pub AccountNumbers {}
}

arguments! {
    /// One number of the account, and who holds it.
    pub OneNumber {
        /// The number, or its id.
        number_id: NumberRef,
    }
}

arguments! {
    /// What the numbers of the account are called, up to the same bound.
    pub NumberNames {}
}

arguments! {
    /// What the agents of the account are called.
    pub AgentNames {}
}

/// The numbers, as `list_numbers` shows a page of them.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct AllNumbers(Numbers);

/// One number, as every answer shows it.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NumberFacts(Map<String, Value>);

/// Things by what they are called.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub struct NamedThings {
    names: Vec<NamedThing>,
    /// Whether these are all.
    complete: bool,
}

/// One thing.
#[derive(Debug, Clone, Serialize, JsonSchema)]
struct NamedThing {
    /// What people call it, if that leads to it and to nothing else.
    #[serde(skip_serializing_if = "Option::is_none")]
    name: Option<String>,
    id: String,
}

/// Makes each type a reading that is admitted like the tool named after `beside`.
macro_rules! beside {
    ($($reading:ident beside $tool:ty, $title:literal: $output:ty;)+) => { $(
        impl Tool for $reading {
            const NAME: &'static str = <$tool as Tool>::NAME;
            const TITLE: &'static str = $title;
            const SEARCH_HINT: &'static str = "";
            const EFFECT: Effect = Effect::Reads;
            const SCOPE: Scope = Scope::NumbersRead;
            type Output = $output;
        }
    )+ };
}

beside! {
    AccountNumbers beside ListNumbers, "All numbers": AllNumbers;
    OneNumber beside ListNumbers, "One number": NumberFacts;
    NumberNames beside ListNumbers, "What numbers are called": NamedThings;
    AgentNames beside ListAgents, "What agents are called": NamedThings;
}

impl Read for AccountNumbers {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<AllNumbers>, ToolFailure> {
        let (listing, roster) = tokio::join!(lookup::first_numbers(&context), recent_roster(&context));
        let mut listing = listing?;
        let bounded = !listing.complete && listing.rows.len() >= SHOWN;
        listing.rows.truncate(SHOWN);
        fill(&context, &mut listing, &roster).await;
        let shown = listing.rows.len();
        let total = listing.complete.then_some(shown as u64);
        let next_offset = bounded.then_some(shown as u64);
        let mut summary = summary(shown, total, false, next_offset);
        if bounded {
            summary.push_str(&format!(" These are the first {SHOWN}; list_numbers shows the others."));
        }
        let numbers = Numbers::of(listing.rows, &roster, MoreColumns::default(), (total, next_offset));
        let mut answer = ToolResponse::new(Status::Ok, summary, AllNumbers(numbers));
        if !listing.complete && !bounded {
            answer.warn(PARTLY);
        }
        if roster.agents().is_none() {
            answer.warn("Agents could not be read, so they are shown by id.");
        }
        Ok(answer)
    }
}

impl Read for OneNumber {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<NumberFacts>, ToolFailure> {
        let located = locate(&context, &self.number_id, Purpose::Look).await?;
        let facts = NumberFacts(agent_lookup::facts(&located.number, &located.roster));
        Ok(ToolResponse::new(Status::Ok, "One number. A direction that is null has no agent.", facts))
    }
}

impl Read for NumberNames {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<NamedThings>, ToolFailure> {
        let listing = lookup::first_numbers(&context).await?;
        let complete = listing.complete;
        let names = listing.rows.into_iter().map(|row| NamedThing { name: Some(row.number), id: row.id }).collect();
        Ok(ToolResponse::new(Status::Ok, "The numbers.", NamedThings { names, complete }))
    }
}

impl Read for AgentNames {
    async fn read(self, context: ToolContext) -> Result<ToolResponse<NamedThings>, ToolFailure> {
        let listing = agents(&context).await?;
        let complete = listing.complete;
        let agents = listing.rows;
        let mut namesakes: HashMap<String, usize> = HashMap::new();
        agents.iter().for_each(|agent| *namesakes.entry(agent.name.to_lowercase()).or_default() += 1);
        let ids: HashSet<&str> = agents.iter().map(|agent| agent.id.as_str()).collect();
        // A name is offered only if it belongs to one agent and cannot be taken for an id. Otherwise only the id is
        // offered.
        let leads = |name: &&String| {
            namesakes.get(&name.to_lowercase()) == Some(&1)
                && AgentRef::try_from(name.as_str()).is_ok_and(|named| named.certain_id().is_none())
                && !ids.contains(name.as_str())
        };
        let names = agents
            .iter()
            .map(|agent| NamedThing { name: Some(&agent.name).filter(leads).cloned(), id: agent.id.clone() })
            .collect();
        Ok(ToolResponse::new(Status::Ok, "The agents.", NamedThings { names, complete }))
    }
}
