//! What the sources say about one direction of a number, and what follows from it.

use crate::domain::Slot;

/// What an agent's own list says about one direction of a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AgentAnswer {
    /// The list shows the number.
    Yes,
    /// The list does not show the number, and the whole list could be read.
    No,
    /// The list has an entry that may be the number.
    Doubt,
    /// The list could not be read.
    Silent,
}

/// Whether a number may be released, judged for one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Usage {
    /// Every source that was needed says that no agent holds it.
    Free,
    /// At least one source says that an agent holds it.
    InUse,
    /// It is not known.
    Unknown {
        /// No source answered at all.
        silent: bool,
    },
}

impl Usage {
    /// Combines the usage of both directions.
    pub(crate) fn both(self, other: Self) -> Self {
        match (self, other) {
            (Self::InUse, _) | (_, Self::InUse) => Self::InUse,
            (Self::Unknown { silent }, Self::Unknown { silent: too }) => Self::Unknown { silent: silent && too },
            (unknown @ Self::Unknown { .. }, Self::Free) | (Self::Free, unknown) => unknown,
        }
    }
}

/// What each source says about one direction of one number.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct DirectionEvidence {
    /// The agents that the number's rows name. More than one is possible only if the number has several rows.
    pub(crate) in_rows: Vec<String>,
    /// Every row of the number says that no agent holds it.
    pub(crate) rows_free: bool,
    /// A row without a holder proves something, because the list of numbers carries this direction.
    pub(crate) rows_prove: bool,
    /// An agent's list without the number proves something, because at least one agent's list names a number.
    pub(crate) lists_prove: bool,
    /// A row of the list of numbers could not be read. It may be about this number.
    pub(crate) row_unread: bool,
    /// The agents whose row in the list of agents shows the number.
    pub(crate) in_lists: Vec<String>,
    /// A row names an agent, but that agent's readable row in the list of agents does not show the number.
    pub(crate) denied: bool,
    /// The list of agents is whole, and each agent in it says what it holds.
    pub(crate) lists_whole: bool,
    /// The list of agents gave an answer: some agent says what it holds, or the list is cut short.
    pub(crate) lists_heard: bool,
    /// An entry in the list of agents may be the number.
    pub(crate) doubt: bool,
    /// The answers of the agents that were asked singly.
    pub(crate) asked: Vec<(String, AgentAnswer)>,
    /// All agents of the account were asked.
    pub(crate) asked_all: bool,
    /// Agents were not asked because there are too many.
    pub(crate) unasked: bool,
}

impl DirectionEvidence {
    /// Returns every agent that any source names. Agents that confirmed it themselves come first.
    pub(crate) fn named(&self) -> Vec<String> {
        let mut named: Vec<String> = Vec::new();
        for id in self.mentions() {
            if !named.contains(id) {
                named.push(id.clone());
            }
        }
        named
    }

    /// Returns the named agents in the same order. An agent that several sources name comes several times.
    fn mentions(&self) -> impl Iterator<Item = &String> {
        let own = self.asked.iter().filter(|(_, told)| *told == AgentAnswer::Yes).map(|(id, _)| id);
        own.chain(&self.in_lists).chain(&self.in_rows)
    }

    /// Whether any source names an agent.
    pub(crate) fn is_named(&self) -> bool {
        self.mentions().next().is_some()
    }

    /// Whether the agent itself denies that it holds the number.
    fn is_denied_by(&self, agent: &str) -> bool {
        self.asked.iter().any(|(id, told)| id == agent && *told == AgentAnswer::No)
    }

    /// Returns the agents that may hold the number. An agent that itself denies it is left out.
    pub(crate) fn holders(&self) -> Vec<String> {
        let mut holders = self.named();
        holders.retain(|id| !self.is_denied_by(id));
        holders
    }

    /// Whether the sources name different holders. Then the named agents must be asked.
    pub(crate) fn disputed(&self) -> bool {
        let same = match (self.in_rows.as_slice(), self.in_lists.as_slice()) {
            ([], []) => true,
            ([], [_]) => !self.rows_free,
            ([_], []) => !self.denied,
            ([row], [list]) => row == list && !self.denied,
            _ => false,
        };
        !same
    }

    /// Whether an agent itself confirmed that it holds the number.
    pub(crate) fn said_so(&self, agent: &str) -> bool {
        self.asked.iter().any(|(id, told)| id == agent && *told == AgentAnswer::Yes)
    }

    /// Whether rows and lists name no agent anywhere. Then neither proves anything, and the agents must be asked.
    pub(crate) fn nothing_named(&self) -> bool {
        !self.is_named() && !self.rows_prove && !self.lists_prove
    }

    fn doubtful(&self) -> bool {
        self.doubt || self.asked.iter().any(|(_, told)| *told == AgentAnswer::Doubt)
    }

    fn all_said_no(&self) -> bool {
        self.asked_all && self.asked.iter().all(|(_, told)| *told == AgentAnswer::No)
    }

    /// Returns the holder, as it counts for changes that can be undone.
    pub(crate) fn slot(&self) -> Slot {
        if let Some(holder) = self.mentions().find(|id| !self.is_denied_by(id)) {
            return Slot::Held(holder.clone());
        }
        let named = self.is_named();
        // If an agent denies what a row says of it, that row proves nothing. Then the lists must decide.
        let by_rows = self.rows_free && self.rows_prove;
        let by_lists = self.lists_whole && (!named || self.rows_free || !self.in_rows.is_empty());
        if !self.doubtful() && (by_rows || by_lists || self.all_said_no()) { Slot::Free } else { Slot::Unknown }
    }

    /// Whether the number may be released, which cannot be undone. A holder that any source names always counts.
    pub(crate) fn usage(&self) -> Usage {
        if self.is_named() {
            return Usage::InUse;
        }
        if self.doubtful() || self.row_unread {
            return Usage::Unknown { silent: false };
        }
        if (self.rows_free && self.rows_prove && self.lists_whole) || self.all_said_no() {
            return Usage::Free;
        }
        let answered = (self.rows_free && self.rows_prove)
            || self.lists_heard
            || self.unasked
            || self.asked.iter().any(|(_, told)| *told != AgentAnswer::Silent);
        Usage::Unknown { silent: !answered }
    }
}
