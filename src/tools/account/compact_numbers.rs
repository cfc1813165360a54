//! Many numbers in little memory.
//!
//! A large account has tens of thousands of numbers, and each reading keeps them all. As separate texts a row takes
//! about 250 bytes, as part of this list about 90.

use std::collections::HashMap;
use std::sync::Arc;

use crate::domain::{Direction, NumberView, OwnedNumber, Slot, SlotView};
use crate::tools::account::interned::{InternedTexts, TextPlace};
use crate::tools::account::pages::{ListedItem, NumberRows, RowStore};

/// Bytes of a usual id and a usual number.
const TEXT: usize = 36 + 13;

/// A row, as places in the texts of its list.
#[derive(Debug, Clone, Copy)]
struct CompactRow {
    /// Where its id begins in the text of the list. The number follows.
    start: usize,
    /// Bytes of the id. A response of Truedy has fewer than 4 GiB.
    id: u32,
    /// Bytes of the number.
    number: u32,
    status: TextPlace,
    managed: Option<bool>,
    /// Whether `created_at` is known. As an `Option` it would take 8 bytes more.
    dated: bool,
    created_at: i64,
}

/// A slot: 0 is unknown, 1 is free, and from 2 on it is the place of the agent's id.
#[derive(Debug, Clone, Copy)]
struct CompactSlot(u32);

const UNKNOWN: u32 = 0;
const FREE: u32 = 1;
const HELD: u32 = 2;

/// Numbers of an account, in order. Every text comes out as it was put in.
#[derive(Debug, Clone, Default)]
pub(crate) struct CompactNumbers {
    /// Copies of the list share its rows and its text. Mostly only the agents are changed.
    rows: Arc<Vec<CompactRow>>,
    /// The id and the number of each row.
    text: Arc<String>,
    /// The agents of each row: inbound and outbound.
    slots: Vec<[CompactSlot; 2]>,
    statuses: InternedTexts,
    agents: InternedTexts,
}

impl CompactNumbers {
    /// Adds a row at the end.
    pub(crate) fn push(&mut self, row: NumberView<'_>) {
        let (row, slots) = self.compact(row);
        Arc::make_mut(&mut self.rows).push(row);
        self.slots.push(slots);
    }

    /// Returns a copy in which the first row of each id is replaced, or left out where there is no new row.
    /// New rows of other ids stand at the top.
    pub(crate) fn amended(&self, mut changes: HashMap<String, Option<OwnedNumber>>) -> Self {
        if changes.is_empty() {
            return self.clone();
        }
        let mut all = Self { rows: Arc::default(), slots: Vec::new(), ..self.clone() };
        let (mut rows, mut slots) = (Vec::with_capacity(self.rows.len()), Vec::with_capacity(self.rows.len()));
        for (row, own) in self.rows.iter().zip(&self.slots) {
            let kept = match changes.remove(self.view_of(row, *own).id) {
                None => Some((*row, *own)),
                Some(new) => new.map(|new| all.compact(new.view())),
            };
            rows.extend(kept.map(|(row, _)| row));
            slots.extend(kept.map(|(_, slots)| slots));
        }
        (all.rows, all.slots) = (Arc::new(rows), slots);
        all.put_first(changes.into_values().flatten().collect());
        all
    }

    /// Keeps the texts of a row.
    fn compact(&mut self, row: NumberView<'_>) -> (CompactRow, [CompactSlot; 2]) {
        let length = |text: &str| u32::try_from(text.len()).unwrap_or(u32::MAX);
        let start = self.text.len();
        let text = Arc::make_mut(&mut self.text);
        text.push_str(row.id);
        text.push_str(row.number);
        let compact = CompactRow {
            start,
            id: length(row.id),
            number: length(row.number),
            status: self.statuses.place(row.status),
            managed: row.managed,
            dated: row.created_at.is_some(),
            created_at: row.created_at.unwrap_or_default(),
        };
        (compact, [self.slot(row.inbound), self.slot(row.outbound)])
    }

    fn slot(&mut self, slot: SlotView<'_>) -> CompactSlot {
        CompactSlot(match slot {
            SlotView::Unknown => UNKNOWN,
            SlotView::Free => FREE,
            SlotView::Held(agent) => self.agents.place(agent).saturating_add(HELD),
        })
    }

    fn slot_of(&self, CompactSlot(slot): CompactSlot) -> SlotView<'_> {
        match slot {
            UNKNOWN => SlotView::Unknown,
            FREE => SlotView::Free,
            held => self.agents.get(held - HELD).map_or(SlotView::Unknown, SlotView::Held),
        }
    }

    fn view_of(&self, row: &CompactRow, slots: [CompactSlot; 2]) -> NumberView<'_> {
        let text = self.text.get(row.start..).unwrap_or_default();
        let (id, rest) = text.split_at_checked(row.id as usize).unwrap_or_default();
        let [inbound, outbound] = slots.map(|slot| self.slot_of(slot));
        NumberView {
            id,
            number: rest.get(..row.number as usize).unwrap_or_default(),
            status: self.statuses.get(row.status).unwrap_or_default(),
            managed: row.managed,
            inbound,
            outbound,
            created_at: row.dated.then_some(row.created_at),
        }
    }
}

impl NumberRows for CompactNumbers {
    fn view(&self, at: usize) -> Option<NumberView<'_>> {
        Some(self.view_of(self.rows.get(at)?, *self.slots.get(at)?))
    }

    fn set_slot(&mut self, at: usize, direction: Direction, slot: Slot) {
        let slot = self.slot(slot.view());
        if let Some([inbound, outbound]) = self.slots.get_mut(at) {
            *direction.of([inbound, outbound]) = slot;
        }
    }
}

impl RowStore<OwnedNumber> for CompactNumbers {
    fn count(&self) -> usize {
        self.rows.len()
    }

    fn key(&self, at: usize) -> Option<(&str, &str)> {
        self.view(at).map(|row| (row.id, row.number))
    }

    fn add(&mut self, row: OwnedNumber) {
        self.push(row.view());
    }

    fn reserve(&mut self, rows: usize) {
        Arc::make_mut(&mut self.rows).reserve_exact(rows);
        Arc::make_mut(&mut self.text).reserve_exact(rows.saturating_mul(TEXT));
        self.slots.reserve_exact(rows);
    }

    fn merge(&mut self, at: usize, row: OwnedNumber) {
        let Some(mut known) = self.view(at).map(OwnedNumber::from) else { return };
        known.merge(row);
        for direction in Direction::BOTH {
            self.set_slot(at, direction, known.slot(direction).clone());
        }
    }

    fn put_first(&mut self, rows: Vec<OwnedNumber>) {
        let (first, slots): (Vec<CompactRow>, Vec<_>) = rows.iter().map(|row| self.compact(row.view())).unzip();
        Arc::make_mut(&mut self.rows).splice(0..0, first);
        self.slots.splice(0..0, slots);
    }
}

impl FromIterator<OwnedNumber> for CompactNumbers {
    fn from_iter<I: IntoIterator<Item = OwnedNumber>>(rows: I) -> Self {
        let mut all = Self::default();
        rows.into_iter().for_each(|row| all.push(row.view()));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn slot() -> impl Strategy<Value = Slot> {
        prop_oneof![Just(Slot::Unknown), Just(Slot::Free), "a|b|\\PC{0,9}".prop_map(Slot::Held)]
    }

    prop_compose! {
        fn row()(
            id in "n[0-4]|\\PC{0,9}", number in "\\+1415555000[0-3]|\\PC{0,9}", status in "active|\\PC{0,9}",
            managed in any::<Option<bool>>(), inbound in slot(), outbound in slot(), created_at in any::<Option<i64>>(),
        ) -> OwnedNumber {
            OwnedNumber { id, number, status, managed, inbound, outbound, created_at }
        }
    }

    fn rows() -> impl Strategy<Value = Vec<OwnedNumber>> {
        proptest::collection::vec(row(), 0..20)
    }

    fn owned(all: &CompactNumbers) -> Vec<OwnedNumber> {
        all.views().map(OwnedNumber::from).collect()
    }

    proptest! {
        #[test]
        fn rows_come_out_as_they_were_put_in(rows in rows(), first in rows(), at in 0_usize..20, slot in slot()) {
            let mut all: CompactNumbers = rows.iter().cloned().collect();
            prop_assert_eq!(&owned(&all), &rows);
            let mut expected: Vec<OwnedNumber> = first.iter().cloned().chain(rows).collect();
            all.put_first(first);
            for direction in Direction::BOTH {
                all.set_slot(at, direction, slot.clone());
                expected.set_slot(at, direction, slot.clone());
            }
            prop_assert_eq!(&owned(&all), &expected);
        }

        #[test]
        fn a_row_that_comes_again_is_merged_as_in_any_list(mut rows in rows(), at in 0_usize..20, other in row()) {
            let mut all: CompactNumbers = rows.iter().cloned().collect();
            RowStore::merge(&mut all, at, other.clone());
            RowStore::merge(&mut rows, at, other);
            prop_assert_eq!(owned(&all), rows);
        }

        #[test]
        fn changes_replace_the_first_row_of_their_id(rows in rows(), changed in proptest::collection::vec((row(), any::<bool>()), 0..4)) {
            let changes: HashMap<String, Option<OwnedNumber>> =
                changed.into_iter().map(|(row, gone)| (row.id.clone(), (!gone).then_some(row))).collect();
            let (mut left, mut kept) = (changes.clone(), Vec::new());
            for row in &rows {
                kept.extend(left.remove(&row.id).unwrap_or_else(|| Some(row.clone())));
            }
            let all = owned(&rows.iter().cloned().collect::<CompactNumbers>().amended(changes));
            let added = all.len() - kept.len();
            prop_assert_eq!(&all[added..], &kept[..]);
            let mut new: Vec<&OwnedNumber> = left.values().flatten().collect();
            new.sort_by_key(|row| &row.id);
            let mut top: Vec<&OwnedNumber> = all[..added].iter().collect();
            top.sort_by_key(|row| &row.id);
            prop_assert_eq!(top, new);
        }
    }
}
