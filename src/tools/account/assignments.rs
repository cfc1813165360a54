//! Decides which agent holds a number, from all sources that were read.
//!
//! The sources are the number's own rows, the agents' lists, and agents that were asked singly (contract §6.1, §6.8,
//! §7.1). If any source says that a number is held, it counts as held. What could not be read or matched is unknown.
//! Unknown never counts as free.

use std::collections::HashSet;
use std::sync::Arc;

use foldhash::fast::RandomState;

use crate::domain::{Direction, HeldNumber, NumberView, OwnedNumber, SlotView, id_key, is_e164, read_e164, text_at};
use crate::tools::account::evidence::{AgentAnswer, DirectionEvidence};
use crate::tools::account::interned::{InternedTexts, TextPlace};
use crate::tools::account::key_groups::{KeyGroups, NumberGroup};
use crate::tools::account::memory::AccountMemory;
use crate::tools::account::number_key::{NumberKey, keys, keys_of};
use crate::tools::account::pages::{NumberRows, RowList};
use crate::tools::account::paging::is_cut_off;
use crate::tools::account::roster::Roster;
use crate::truedy::ApiReply;

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

/// Most ids of entries that match no number, for each direction. More are not looked up one by one.
const UNMATCHED: usize = 8;

impl Unmatched {
    /// Returns whether the entry names an id and no number.
    fn add(&mut self, entry: &HeldNumber) -> bool {
        let names = entry.names();
        let number = names.iter().any(|name| is_e164(name) || read_e164(name).is_some());
        let id = !names.is_empty() && !number;
        self.nameless |= names.is_empty();
        self.number |= number;
        self.id |= id;
        id
    }

    /// Whether one of the entries may still be a number of the list.
    /// If the list is not whole, an entry with a number is taken for a number that was not read. An entry with only an
    /// id is treated likewise, except when a release is decided (`strict`).
    fn may_be(self, whole: bool, strict: bool) -> bool {
        self.nameless || (self.id && (whole || strict)) || (self.number && whole)
    }
}

/// An agent, as its place among all agents that rows or lists name. Comparing these needs no text.
type AgentPlace = TextPlace;

/// What a row says about one direction, without the text of [`Slot`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Holder {
    Unknown,
    Free,
    Held(AgentPlace),
}

impl Holder {
    fn of(slot: SlotView<'_>, agents: &mut InternedTexts) -> Self {
        match slot {
            SlotView::Unknown => Self::Unknown,
            SlotView::Free => Self::Free,
            SlotView::Held(id) => Self::Held(agents.place(id)),
        }
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
    heard: HashSet<AgentPlace, RandomState>,
    /// The list of agents is whole, and each agent says what it holds.
    whole: bool,
    /// There is a list of agents, and it is not whole.
    cut_short: bool,
    /// Some row names an agent whose own row in the list of agents denies it. Then neither source proves an absence.
    contradicted: bool,
    unmatched: Unmatched,
    /// The ids of entries that name an id and no number, at most [`UNMATCHED`].
    unmatched_ids: Vec<String>,
    /// Groups of rows with an agent whose list shows their number, sorted by group.
    held: Vec<(NumberGroup, AgentPlace)>,
}

impl DirectionFacts {
    fn held_by(&self, group: NumberGroup) -> impl Iterator<Item = AgentPlace> + Clone {
        in_group(&self.held, group).iter().map(|(_, agent)| *agent)
    }
}

/// Returns the entries of a group in a list that is sorted by group.
fn in_group<T>(sorted: &[(NumberGroup, T)], group: NumberGroup) -> &[(NumberGroup, T)] {
    let start = sorted.partition_point(|(other, _)| *other < group);
    let rest = sorted.get(start..).unwrap_or_default();
    let length = rest.iter().take_while(|(other, _)| *other == group).count();
    rest.get(..length).unwrap_or_default()
}

/// Compares the numbers of an account with what its agents say they hold.
#[derive(Debug, Clone)]
pub(crate) struct Assignments {
    /// The group of rows that each key of a number belongs to. Rows are linked if they share an id or a number.
    groups: KeyGroups,
    /// The group of each row, with the holders of its directions. Sorted by group.
    rows: Vec<(NumberGroup, [Holder; 2])>,
    agents: InternedTexts,
    /// Whether the list of numbers is whole.
    whole: bool,
    /// Whether some row of the list of numbers could not be read.
    unreadable: bool,
    /// Knows ids of the account that a list that is not whole does not show.
    memory: Option<Arc<AccountMemory>>,
    ways: [DirectionFacts; 2],
}

impl Assignments {
    /// Does the same for a part of the list. `memory` knows more of the account.
    pub(crate) fn of_part(numbers: &RowList<impl NumberRows>, roster: &Roster, memory: &Arc<AccountMemory>) -> Self {
        if numbers.complete {
            return Self::new(numbers, roster);
        }
        let mut all = Self::compare(numbers, roster, Some(Arc::clone(memory)));
        for (way, named) in all.ways.iter_mut().zip(memory.rows_name()) {
            way.rows_name |= named;
        }
        all
    }

    /// Groups the listed numbers and matches them with the agents' lists.
    pub(crate) fn new(numbers: &RowList<impl NumberRows>, roster: &Roster) -> Self {
        Self::compare(numbers, roster, None)
    }

    fn compare(numbers: &RowList<impl NumberRows>, roster: &Roster, memory: Option<Arc<AccountMemory>>) -> Self {
        let mut groups = KeyGroups::for_rows(numbers.rows.count());
        numbers.rows.views().for_each(|row| groups.add(keys_of(row)));
        groups.link();
        let mut agents = InternedTexts::default();
        let mut rows = Vec::with_capacity(numbers.rows.count());
        rows.extend((0..).zip(numbers.rows.views()).map(|(at, row)| {
            (groups.of_row(at), Direction::BOTH.map(|direction| Holder::of(row.slot(direction), &mut agents)))
        }));
        rows.sort_by_key(|(group, _)| *group);
        let (whole, unreadable) = (numbers.complete, numbers.unreadable);
        let mut all = Self { groups, rows, agents, whole, unreadable, memory, ways: Default::default() };
        all.ways = Direction::BOTH.map(|direction| all.way(direction, roster));
        all
    }

    fn way(&mut self, direction: Direction, roster: &Roster) -> DirectionFacts {
        let mut way = DirectionFacts {
            rows_name: self.rows.iter().any(|(_, row)| matches!(direction.of(*row), Holder::Held(_))),
            whole: roster.agents().is_some_and(|agents| agents.complete),
            cut_short: roster.agents().is_some_and(|agents| !agents.complete),
            ..DirectionFacts::default()
        };
        for agent in roster.agents().into_iter().flat_map(|agents| &agents.rows) {
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
                if !matched && !self.is_elsewhere(entry) && way.unmatched.add(entry) {
                    let room = UNMATCHED.saturating_sub(way.unmatched_ids.len());
                    way.unmatched_ids.extend(entry.names().iter().take(room).cloned());
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
    fn groups_of<'a>(&'a self, entry: &'a HeldNumber) -> impl Iterator<Item = NumberGroup> + 'a {
        entry.names().iter().flat_map(move |name| {
            // A number that is not valid E.164 may stand in an entry exactly as it stands in its row.
            let as_it_stands = (!is_e164(name)).then_some(NumberKey::as_it_stands(name));
            keys(name).chain(as_it_stands).filter_map(|key| self.groups.get(&key))
        })
    }

    /// Keeps the earlier finding that the list of numbers carries assignments.
    pub(crate) fn remembering(mut self, before: &Self) -> Self {
        for (way, was) in self.ways.iter_mut().zip(&before.ways) {
            way.rows_name |= was.rows_name;
        }
        self
    }

    /// Whether an entry names only ids that this process saw at other numbers of the account.
    fn is_elsewhere(&self, entry: &HeldNumber) -> bool {
        let names = entry.names();
        // Agents hold thousands of numbers, and a number is no id. So nothing is looked up for it.
        let ids_only = !names.is_empty() && !names.iter().any(|name| is_e164(name));
        self.memory.as_ref().is_some_and(|memory| ids_only && names.iter().all(|id| memory.is_elsewhere(id)))
    }

    fn group(&self, number: NumberView<'_>) -> Option<NumberGroup> {
        keys_of(number).find_map(|key| self.groups.get(&key))
    }

    /// Returns the ids of agents.
    fn ids(&self, agents: &[AgentPlace]) -> Vec<String> {
        agents.iter().filter_map(|agent| self.agents.get(*agent)).map(str::to_owned).collect()
    }

    /// Whether both sources name the same one holder for each direction. Then there is nothing to weigh.
    pub(crate) fn agree(&self, number: NumberView<'_>) -> bool {
        let Some(group) = self.group(number) else { return false };
        let [(_, row)] = in_group(&self.rows, group) else { return false };
        row.iter().zip(&self.ways).all(|(holder, way)| match *holder {
            Holder::Held(agent) => way.held_by(group).eq([agent]),
            _ => false,
        })
    }

    /// Returns what the lists say about one direction of a number. `strict` is for changes that cannot be undone.
    pub(crate) fn evidence(&self, number: NumberView<'_>, direction: Direction, strict: bool) -> DirectionEvidence {
        let way = direction.of(self.ways.each_ref());
        let group = self.group(number);
        let rows = group.map_or(&[][..], |group| in_group(&self.rows, group));
        let mut in_rows: Vec<AgentPlace> = Vec::new();
        for (_, row) in rows {
            match direction.of(*row) {
                Holder::Held(agent) if !in_rows.contains(&agent) => in_rows.push(agent),
                _ => {}
            }
        }
        let in_lists: Vec<AgentPlace> = group.into_iter().flat_map(|group| way.held_by(group)).collect();
        DirectionEvidence {
            rows_free: !rows.is_empty() && rows.iter().all(|(_, row)| direction.of(*row) == Holder::Free),
            // If no row names a holder, the list may not carry this direction at all. If no agent lists a number, the
            // same holds for the agents' lists. Before a release, rows and lists must not contradict each other
            // anywhere. Otherwise the agents themselves are asked.
            rows_prove: way.rows_name && !(strict && way.contradicted),
            lists_prove: way.lists_name && !(strict && way.contradicted),
            row_unread: strict && self.unreadable,
            denied: in_rows.iter().any(|agent| way.heard.contains(agent) && !in_lists.contains(agent)),
            in_rows: self.ids(&in_rows),
            in_lists: self.ids(&in_lists),
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
        let group = self.group(number.view());
        let mut unmatched = Unmatched::default();
        for entry in &held {
            if entry.is(number) || self.groups_of(entry).any(|other| Some(other) == group) {
                return AgentAnswer::Yes;
            }
            if self.groups_of(entry).next().is_none() && !self.is_elsewhere(entry) {
                unmatched.add(entry);
            }
        }
        if unmatched.may_be(self.whole, true) || is_cut_off(reply) { AgentAnswer::Doubt } else { AgentAnswer::No }
    }

    /// Returns the ids of entries that match no listed number and name none, at most [`UNMATCHED`] for each direction.
    pub(crate) fn unmatched(&self) -> Vec<String> {
        let mut names: Vec<String> = self.ways.iter().flat_map(|way| &way.unmatched_ids).cloned().collect();
        names.sort();
        names.dedup();
        names
    }

    /// Whether an entry of an agent's list matches no listed number.
    pub(crate) fn has_unmatched(&self) -> bool {
        self.ways.iter().any(|way| way.unmatched.may_be(self.whole, true))
    }
}

#[cfg(test)]
#[path = "assignments_tests.rs"]
mod tests;
