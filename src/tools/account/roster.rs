//! The agents of the account: their names, and which numbers they hold.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use crate::domain::{Agent, AgentRef, Slot};
use crate::tools::account::lookup::agents;
use crate::tools::account::pages::ListResult;
use crate::tools::contract::context::ToolContext;

/// The agents of the account, with their names and the numbers they hold. The list is `None` if it cannot be read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roster(pub(crate) Option<ListResult<Agent>>, Arc<OnceLock<AgentIndex>>);

/// The position of each agent by its id, and the number of agents with each name in lower case.
#[derive(Debug, Default)]
pub(crate) struct AgentIndex {
    by_id: HashMap<String, usize>,
    namesakes: HashMap<String, usize>,
}

impl AgentIndex {
    fn of(agents: &[Agent]) -> Self {
        let mut index = Self::default();
        for (at, agent) in agents.iter().enumerate() {
            index.by_id.entry(agent.id.clone()).or_insert(at);
            *index.namesakes.entry(agent.name.to_lowercase()).or_default() += 1;
        }
        index
    }
}

impl Roster {
    /// Wraps a list of agents.
    pub(crate) fn of(agents: Option<ListResult<Agent>>) -> Self {
        Self(agents, Arc::default())
    }

    /// Reads the agents. A failure gives an empty roster and does not fail the call.
    pub(crate) async fn read(context: &ToolContext) -> Self {
        Self::of(agents(context).await.ok())
    }

    /// Returns the index, built on first use. So a long list is not searched once for each row.
    fn index(&self) -> &AgentIndex {
        self.1.get_or_init(|| AgentIndex::of(self.0.as_ref().map_or(&[], |agents| &agents.rows)))
    }

    pub(crate) fn agent(&self, id: &str) -> Option<&Agent> {
        self.0.as_ref()?.rows.get(*self.index().by_id.get(id)?)
    }

    /// Returns how an agent is shown: its name. The id is added if the name is not unique. An unknown agent is shown by
    /// its id.
    pub(crate) fn label(&self, id: &str) -> String {
        let Some(agent) = self.agent(id) else {
            return id.to_owned();
        };
        let lower = agent.name.to_lowercase();
        let same = self.index().namesakes.get(&lower).copied().unwrap_or(0);
        // "unknown" and "none" have another meaning in this place. A name that reads as an id could be taken for
        // another agent.
        let taken = ["unknown", "none"].contains(&lower.as_str());
        let as_id = AgentRef::try_from(agent.name.as_str()).is_ok_and(|named| named.certain_id().is_some());
        if same > 1 || taken || as_id || self.index().by_id.contains_key(&agent.name) {
            format!("{} ({id})", agent.name)
        } else {
            agent.name.clone()
        }
    }

    /// Returns how a slot is shown: the agent, `unknown`, or `None` if it is free.
    pub(crate) fn slot(&self, slot: &Slot) -> Option<String> {
        match slot {
            Slot::Free => None,
            Slot::Unknown => Some("unknown".to_owned()),
            Slot::Held(id) => Some(self.label(id)),
        }
    }
}
