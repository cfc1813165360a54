//! Decides which agent holds a number, from all sources that were read.
//!
//! The sources are the number's own rows, the agents' lists, and agents that were asked singly (contract §6.1, §6.8,
//! §7.1). If any source says that a number is held, it counts as held. What could not be read or matched is unknown.
//! Unknown never counts as free.

use std::collections::{HashMap, HashSet};

use foldhash::fast::RandomState;

use crate::domain::{Direction, HeldNumber, OwnedNumber, Slot, id_key, is_e164, read_e164, text_at};
use crate::tools::account::number_key::{NumberKey, keys, keys_of};
use crate::tools::account::pages::ListResult;
use crate::tools::account::paging::is_cut_off;
use crate::tools::account::roster::Roster;
use crate::truedy::ApiReply;

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

/// The entries of agents' lists that match no number in the list of numbers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Unmatched {
    /// Some entries name nothing that can be read.
    nameless: bool,
    /// Some entries name an id and no number.
    id: bool,
    /// Some entries name a number.
    number: bool,
}

impl Unmatched {
    fn add(&mut self, entry: &HeldNumber) {
        let names = entry.names();
        self.nameless |= names.is_empty();
        self.number |= names.iter().any(|name| read_e164(name).is_some());
        self.id |= !names.is_empty() && !names.iter().any(|name| read_e164(name).is_some());
    }

    /// Whether one of the entries may still be a number of the list.
    /// If the list is not whole, an entry with a number is taken for a number that was not read. An entry with only an
    /// id is treated likewise, except when a release is decided (`strict`).
    fn may_be(self, whole: bool, strict: bool) -> bool {
        self.nameless || (self.id && (whole || strict)) || (self.number && whole)
    }
}

/// An agent, as its place among all agents that rows or lists name. Comparing these needs no text.
type AgentIndex = usize;

/// What a row says about one direction, without the text of [`Slot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Unknown,
    Free,
    Held(AgentIndex),
}

/// The ids of the agents that rows or lists name, each once.
#[derive(Debug, Clone, Default)]
struct AgentIds {
    ids: Vec<String>,
    places: HashMap<String, AgentIndex, RandomState>,
}

impl AgentIds {
    fn place(&mut self, id: &str) -> AgentIndex {
        if let Some(place) = self.places.get(id) {
            return *place;
        }
        self.places.insert(id.to_owned(), self.ids.len());
        self.ids.push(id.to_owned());
        self.ids.len() - 1
    }

    fn holder(&mut self, slot: &Slot) -> Holder {
        match slot {
            Slot::Unknown => Holder::Unknown,
            Slot::Free => Holder::Free,
            Slot::Held(id) => Holder::Held(self.place(id)),
        }
    }

    fn texts(&self, places: &[AgentIndex]) -> Vec<String> {
        places.iter().filter_map(|place| self.ids.get(*place)).cloned().collect()
    }
}

/// What is known about one direction of all numbers.
#[derive(Debug, Clone, Default)]
struct DirectionFacts {
    /// At least one row of the account names a holder.
    rows_name: bool,
    /// At least one agent's list names a number.
    lists_name: bool,
    /// The agents that say what they hold.
    heard: HashSet<AgentIndex, RandomState>,
    /// The list of agents is whole, and each agent says what it holds.
    whole: bool,
    /// There is a list of agents, and it is not whole.
    cut_short: bool,
    /// Some row names an agent whose own row in the list of agents denies it. Then neither source proves an absence.
    contradicted: bool,
    unmatched: Unmatched,
    /// Groups of rows with an agent whose list shows their number, sorted by group.
    held: Vec<(usize, AgentIndex)>,
}

impl DirectionFacts {
    fn held_by(&self, group: usize) -> impl Iterator<Item = AgentIndex> + Clone {
        in_group(&self.held, group).iter().map(|(_, agent)| *agent)
    }
}

/// Returns the entries of a group in a list that is sorted by group.
fn in_group<T>(sorted: &[(usize, T)], group: usize) -> &[(usize, T)] {
    let start = sorted.partition_point(|(other, _)| *other < group);
    let rest = sorted.get(start..).unwrap_or_default();
    let length = rest.iter().take_while(|(other, _)| *other == group).count();
    rest.get(..length).unwrap_or_default()
}

/// Compares the numbers of an account with what its agents say they hold.
#[derive(Debug, Clone)]
pub(crate) struct Assignments {
    /// Maps each key of a number to the group of rows that are about this number.
    groups: HashMap<NumberKey<'static>, usize, RandomState>,
    /// The group of each row, with the holders of its directions. Sorted by group.
    rows: Vec<(usize, [Holder; 2])>,
    agents: AgentIds,
    /// Whether the list of numbers is whole.
    whole: bool,
    /// Whether some row of the list of numbers could not be read.
    unreadable: bool,
    ways: [DirectionFacts; 2],
}

/// Returns the final group of a row. Rows are linked if they share an id or a number.
fn root(links: &[usize], mut at: usize) -> usize {
    while let Some(next) = links.get(at).copied().filter(|next| *next != at) {
        at = next;
    }
    at
}

impl Assignments {
    /// Groups the listed numbers and matches them with the agents' lists.
    pub(crate) fn new(numbers: &ListResult<OwnedNumber>, roster: &Roster) -> Self {
        let mut links: Vec<usize> = (0..numbers.rows.len()).collect();
        let mut groups = HashMap::with_capacity_and_hasher(numbers.rows.len() * 3, RandomState::default());
        for (at, row) in numbers.rows.iter().enumerate() {
            for key in keys_of(row) {
                let other = root(&links, *groups.entry(key.into_owned()).or_insert(at));
                let own = root(&links, at);
                if let Some(link) = links.get_mut(own.max(other)) {
                    *link = own.min(other);
                }
            }
        }
        groups.values_mut().for_each(|group| *group = root(&links, *group));
        let mut agents = AgentIds::default();
        let holders = |(at, row): (usize, &OwnedNumber)| {
            (root(&links, at), Direction::BOTH.map(|direction| agents.holder(row.slot(direction))))
        };
        let mut rows: Vec<_> = numbers.rows.iter().enumerate().map(holders).collect();
        rows.sort_by_key(|(group, _)| *group);
        let (whole, unreadable) = (numbers.complete, numbers.unreadable);
        let mut all = Self { groups, rows, agents, whole, unreadable, ways: Default::default() };
        all.ways = Direction::BOTH.map(|direction| all.way(direction, roster));
        all
    }

    fn way(&mut self, direction: Direction, roster: &Roster) -> DirectionFacts {
        let mut way = DirectionFacts {
            rows_name: self.rows.iter().any(|(_, row)| matches!(direction.of(*row), Holder::Held(_))),
            whole: roster.0.as_ref().is_some_and(|agents| agents.complete),
            cut_short: roster.0.as_ref().is_some_and(|agents| !agents.complete),
            ..DirectionFacts::default()
        };
        for agent in roster.0.iter().flat_map(|agents| &agents.rows) {
            let place = self.agents.place(&agent.id);
            match agent.held(direction) {
                Some(held) => {
                    way.heard.insert(place);
                    way.lists_name |= !held.is_empty();
                }
                None => way.whole = false,
            }
            for entry in agent.held(direction).into_iter().flatten().chain(agent.beside(direction)) {
                let mut matched = false;
                for group in self.groups_of(entry) {
                    matched = true;
                    way.held.push((group, place));
                }
                if !matched {
                    way.unmatched.add(entry);
                }
            }
        }
        // The sort is stable, so the agents of a group stay in the order of the list, and one agent's are neighbours.
        way.held.sort_by_key(|(group, _)| *group);
        way.held.dedup();
        way.contradicted = self.rows.iter().any(|(group, row)| match direction.of(*row) {
            Holder::Held(id) => way.heard.contains(&id) && !way.held_by(*group).any(|other| other == id),
            _ => false,
        });
        way
    }

    /// Returns the groups that an entry of an agent's list names. There is more than one if its id and its number
    /// disagree. A group may come several times.
    fn groups_of<'a>(&'a self, entry: &'a HeldNumber) -> impl Iterator<Item = usize> + 'a {
        entry.names().iter().flat_map(move |name| {
            // A number that is not valid E.164 may stand in an entry exactly as it stands in its row.
            let as_it_stands = (!is_e164(name)).then_some(NumberKey::as_it_stands(name));
            keys(name).chain(as_it_stands).filter_map(|key| self.groups.get(&key)).copied()
        })
    }

    /// Keeps the earlier finding that the list of numbers carries assignments.
    pub(crate) fn remembering(mut self, before: &Self) -> Self {
        for (way, was) in self.ways.iter_mut().zip(&before.ways) {
            way.rows_name |= was.rows_name;
        }
        self
    }

    fn group(&self, number: &OwnedNumber) -> Option<usize> {
        keys_of(number).find_map(|key| self.groups.get(&key)).copied()
    }

    /// Whether both sources name the same one holder for each direction. Then there is nothing to weigh.
    pub(crate) fn agree(&self, number: &OwnedNumber) -> bool {
        let Some(group) = self.group(number) else { return false };
        let [(_, row)] = in_group(&self.rows, group) else { return false };
        row.iter().zip(&self.ways).all(|(holder, way)| match *holder {
            Holder::Held(agent) => way.held_by(group).eq([agent]),
            _ => false,
        })
    }

    /// Returns what the lists say about one direction of a number. `strict` is for changes that cannot be undone.
    pub(crate) fn evidence(&self, number: &OwnedNumber, direction: Direction, strict: bool) -> DirectionEvidence {
        let way = direction.of(self.ways.each_ref());
        let group = self.group(number);
        let rows = group.map_or(&[][..], |group| in_group(&self.rows, group));
        let mut in_rows: Vec<AgentIndex> = Vec::new();
        for (_, row) in rows {
            match direction.of(*row) {
                Holder::Held(agent) if !in_rows.contains(&agent) => in_rows.push(agent),
                _ => {}
            }
        }
        let in_lists: Vec<AgentIndex> = group.into_iter().flat_map(|group| way.held_by(group)).collect();
        DirectionEvidence {
            rows_free: !rows.is_empty() && rows.iter().all(|(_, row)| direction.of(*row) == Holder::Free),
            // If no row names a holder, the list may not carry this direction at all. If no agent lists a number, the
            // same holds for the agents' lists. Before a release, rows and lists must not contradict each other
            // anywhere. Otherwise the agents themselves are asked.
            rows_prove: way.rows_name && !(strict && way.contradicted),
            lists_prove: way.lists_name && !(strict && way.contradicted),
            row_unread: strict && self.unreadable,
            denied: in_rows.iter().any(|agent| way.heard.contains(agent) && !in_lists.contains(agent)),
            in_rows: self.agents.texts(&in_rows),
            in_lists: self.agents.texts(&in_lists),
            lists_whole: way.whole,
            lists_heard: !way.heard.is_empty() || way.cut_short,
            doubt: way.unmatched.may_be(self.whole, strict),
            asked: Vec::new(),
            asked_all: false,
            unasked: false,
        }
    }

    /// Returns what an agent's own list says about a number. A response about another agent counts as no answer.
    pub(crate) fn told(
        &self,
        reply: &ApiReply,
        agent: &str,
        number: &OwnedNumber,
        direction: Direction,
    ) -> AgentAnswer {
        if text_at(&reply.data, "agent_id").is_some_and(|id| id_key(&id) != id_key(agent)) {
            return AgentAnswer::Silent;
        }
        let Some(held) = reply.data.get(direction.as_str()).and_then(HeldNumber::read_all) else {
            return AgentAnswer::Silent;
        };
        let group = self.group(number);
        let mut unmatched = Unmatched::default();
        for entry in &held {
            if entry.is(number) || self.groups_of(entry).any(|other| Some(other) == group) {
                return AgentAnswer::Yes;
            }
            if self.groups_of(entry).next().is_none() {
                unmatched.add(entry);
            }
        }
        if unmatched.may_be(self.whole, true) || is_cut_off(reply) { AgentAnswer::Doubt } else { AgentAnswer::No }
    }

    /// Whether an entry of an agent's list matches no listed number.
    pub(crate) fn has_unmatched(&self) -> bool {
        self.ways.iter().any(|way| way.unmatched.may_be(self.whole, true))
    }
}

#[cfg(test)]
#[path = "assignments_tests.rs"]
mod tests;
