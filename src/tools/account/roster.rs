//! The agents of the account: their names, and which numbers they hold.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use tokio::time::Instant;

use crate::domain::{Agent, AgentRef, Slot};
use crate::tools::account::pages::ListResult;

/// From how many seconds on the age of a reading is told.
const AGED: u64 = 5;

/// The agents of the account, with their names and the numbers they hold. The list is `None` if it cannot be read.
#[derive(Debug, Clone, Default)]
pub(crate) struct Roster {
    listed: Option<Arc<ListResult<Agent>>>,
    /// When the reading began. `None` for a list that was not read now.
    read: Option<Instant>,
    index: Arc<OnceLock<AgentIndex>>,
}

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
        Self { listed: agents.map(Arc::new), ..Self::default() }
    }

    /// Wraps a list of agents whose reading began at this moment.
    pub(crate) fn read_at(begun: Instant, agents: ListResult<Agent>) -> Self {
        Self { read: Some(begun), ..Self::of(Some(agents)) }
    }

    /// Returns the list of agents. `None` if it could not be read.
    pub(crate) fn agents(&self) -> Option<&ListResult<Agent>> {
        self.listed.as_deref()
    }

    /// Returns how many seconds ago the agents were read. `None` if that was just now.
    pub(crate) fn seconds_ago(&self) -> Option<u64> {
        self.read.map(|read| read.elapsed().as_secs()).filter(|seconds| *seconds >= AGED)
    }

    /// Whether the reading began at or after this moment.
    pub(crate) fn is_since(&self, moment: Instant) -> bool {
        self.read.is_some_and(|read| read >= moment)
    }

    /// Returns the index, built on first use. So a long list is not searched once for each row.
    fn index(&self) -> &AgentIndex {
        self.index.get_or_init(|| AgentIndex::of(self.agents().map_or(&[], |agents| &agents.rows)))
    }

    pub(crate) fn agent(&self, id: &str) -> Option<&Agent> {
        self.agents()?.rows.get(*self.index().by_id.get(id)?)
    }

    /// Checks whether the whole list of agents was read and lacks this one.
    pub(crate) fn lacks(&self, id: &str) -> bool {
        self.agents().is_some_and(|listed| listed.complete) && self.agent(id).is_none()
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
