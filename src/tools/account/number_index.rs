//! Where each number of the account was last seen in Truedy's list.
//!
//! The list can only be read page by page. The index tells which page to read for a number. It is never a fact: a
//! number is taken only from a page that was just read.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use hashbrown::HashTable;

use crate::domain::{Direction, NumberView, OwnedNumber, SlotView};
use crate::tools::account::compact_numbers::CompactNumbers;
use crate::tools::account::number_key::{hint_of_id, hint_of_number};
use crate::tools::account::pages::{NumberRows, RowStore};

/// Rows for each page of the stored hints.
const PAGE: u32 = 100;
/// Most rows for which there is room before they come. Truedy may announce any number.
const RESERVED: u32 = 50_000;
/// Bytes of each row in a stored hint.
const ENTRY: usize = 48;

/// A row of the list, by hashes of its id and its number, with the place where it was last seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct IndexedRow {
    id: u64,
    number: u64,
    offset: u32,
    /// How many numbers the account had when the row was seen.
    total: u32,
    /// Whether this process saw the row. Otherwise it is a stored hint.
    seen: bool,
}

impl IndexedRow {
    fn is(&self, id: u64, number: u64) -> bool {
        self.id == id && self.number == number
    }
}

/// A row that may be the number that is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NumberPlace {
    id: u64,
    number: u64,
    /// The estimated offset of the row in the list now.
    pub(crate) offset: usize,
}

impl NumberPlace {
    /// Whether the row of the place has this id.
    pub(crate) fn is_id(&self, id: &str) -> bool {
        hint_of_id(id) == self.id
    }

    /// Whether this is the row of the place.
    pub(crate) fn is(&self, row: &OwnedNumber) -> bool {
        hint_of_id(&row.id) == self.id && hint_of_number(&row.number) == self.number
    }
}

/// The places of all numbers that were seen.
#[derive(Debug, Default)]
pub(crate) struct NumberIndex {
    rows: Vec<IndexedRow>,
    /// The position of each row, by the hash of its id.
    ids: HashTable<u32>,
    /// The position of each row, by the hash of its number.
    numbers: HashTable<u32>,
    /// The newest number of rows that Truedy told.
    total: u32,
    /// Whether any row ever named a holder, for each direction. Then the list carries that direction.
    names: [bool; 2],
    /// Pages whose stored hints are out of date.
    stale: BTreeSet<u32>,
}

impl NumberIndex {
    /// Notes the rows of a page that was just read. `total` is how many rows Truedy told in all.
    pub(crate) fn observe<'a>(
        &mut self,
        rows: impl Iterator<Item = NumberView<'a>>,
        offset: usize,
        total: Option<u64>,
    ) {
        let offset = u32::try_from(offset).unwrap_or(u32::MAX);
        self.total = total.and_then(|total| u32::try_from(total).ok()).unwrap_or(self.total);
        if self.rows.is_empty() {
            // A list that grows step by step leaves unused memory behind at each step.
            self.rows.reserve_exact(self.total.min(RESERVED) as usize);
        }
        for (at, row) in (offset..).zip(rows) {
            for (names, direction) in self.names.iter_mut().zip(Direction::BOTH) {
                *names |= matches!(row.slot(direction), SlotView::Held(_));
            }
            let (id, number) = (hint_of_id(row.id), hint_of_number(row.number));
            self.place(IndexedRow { id, number, offset: at, total: self.total, seen: true });
        }
    }

    fn place(&mut self, row: IndexedRow) {
        let IndexedRow { id, number, offset, .. } = row;
        let known = self.of(id).find(|at| self.row(*at).is_some_and(|row| row.is(id, number)));
        if let Some(slot) = known.and_then(|at| self.rows.get_mut(at as usize)) {
            if slot.offset / PAGE != offset / PAGE {
                self.stale.extend([slot.offset / PAGE, offset / PAGE]);
            }
            *slot = row;
            return;
        }
        let at = u32::try_from(self.rows.len()).unwrap_or(u32::MAX);
        self.rows.push(row);
        let row = |at: &u32| self.rows.get(*at as usize);
        self.ids.insert_unique(id, at, |at| row(at).map_or(0, |row| row.id));
        self.numbers.insert_unique(number, at, |at| row(at).map_or(0, |row| row.number));
        self.stale.insert(offset / PAGE);
    }

    fn row(&self, at: u32) -> Option<&IndexedRow> {
        self.rows.get(at as usize)
    }

    /// Returns the positions of the rows whose id or number has this hash, in no order.
    fn of(&self, hash: u64) -> impl Iterator<Item = u32> {
        let ids = self.ids.iter_hash(hash).filter(move |at| self.row(**at).is_some_and(|row| row.id == hash));
        let numbers =
            self.numbers.iter_hash(hash).filter(move |at| self.row(**at).is_some_and(|row| row.number == hash));
        ids.chain(numbers).copied()
    }

    /// Returns the places of every row that `name` may mean, by id or by number. Rows that share the id or the number
    /// of such a row are included.
    pub(crate) fn places(&self, name: &str) -> Vec<NumberPlace> {
        let mut found: Vec<u32> = Vec::new();
        let mut hashes = vec![hint_of_id(name), hint_of_number(name)];
        while let Some(hash) = hashes.pop() {
            let mut rows: Vec<u32> = self.of(hash).filter(|at| !found.contains(at)).collect();
            rows.sort_unstable();
            rows.dedup();
            for at in rows {
                found.push(at);
                hashes.extend(self.row(at).into_iter().flat_map(|row| [row.id, row.number]));
            }
        }
        let rows = found.iter().filter_map(|at| self.row(*at));
        rows.map(|row| NumberPlace { id: row.id, number: row.number, offset: self.estimate(row) }).collect()
    }

    /// Numbers are listed newest first. So a row moves down by one for each number that was added since.
    fn estimate(&self, row: &IndexedRow) -> usize {
        let (added, gone) = (self.total.saturating_sub(row.total), row.total.saturating_sub(self.total));
        row.offset.saturating_add(added).saturating_sub(gone) as usize
    }

    /// Returns the offset at which the row of a place is expected now.
    pub(crate) fn estimate_of(&self, place: &NumberPlace) -> usize {
        let rows = self.of(place.id).filter_map(|at| self.row(at));
        rows.filter(|row| row.is(place.id, place.number)).map(|row| self.estimate(row)).next().unwrap_or(place.offset)
    }

    /// Whether any row ever named a holder, for each direction.
    pub(crate) fn names(&self) -> [bool; 2] {
        self.names
    }

    /// Forgets every row with this id, because the number has left the account.
    pub(crate) fn forget(&mut self, id: &str) {
        let gone: Vec<u32> = self.of(hint_of_id(id)).collect();
        gone.into_iter().for_each(|at| self.remove(at));
    }

    /// Forgets a place at which the row was not found.
    pub(crate) fn lose(&mut self, place: &NumberPlace) {
        let is_it = |at: &u32| self.row(*at).is_some_and(|row| row.is(place.id, place.number));
        let gone = self.of(place.id).find(is_it);
        gone.into_iter().for_each(|at| self.remove(at));
    }

    /// Whether this process saw a row with this id.
    pub(crate) fn saw(&self, id: &str) -> bool {
        let id = hint_of_id(id);
        self.of(id).any(|at| self.row(at).is_some_and(|row| row.id == id && row.seen))
    }

    fn remove(&mut self, at: u32) {
        let Some(row) = self.rows.get_mut(at as usize) else { return };
        let IndexedRow { id, number, offset, .. } = *row;
        // The slot stays empty: the places of other rows are positions in this list.
        *row = IndexedRow { id: 0, number: 0, ..*row };
        self.stale.insert(offset / PAGE);
        for (table, hash) in [(&mut self.ids, id), (&mut self.numbers, number)] {
            if let Ok(entry) = table.find_entry(hash, |other| *other == at) {
                entry.remove();
            }
        }
    }

    /// Replaces everything by the rows of a whole reading, in their order. So numbers that are gone are forgotten.
    pub(crate) fn replace(&mut self, rows: &CompactNumbers) {
        let pages = self.rows.iter().map(|row| row.offset / PAGE);
        let stale: BTreeSet<u32> = self.stale.iter().copied().chain(pages).collect();
        self.stale = stale;
        // The memory is used again.
        self.rows.clear();
        self.ids.clear();
        self.numbers.clear();
        self.total = 0;
        self.observe(rows.views(), 0, u64::try_from(rows.count()).ok());
    }

    /// Takes the first `most` pages whose stored hints are out of date, each with its text. `None` for a page without
    /// rows.
    pub(crate) fn take_stale(&mut self, most: usize) -> Vec<(u64, Option<String>)> {
        let later = self.stale.iter().nth(most).copied();
        let later = later.map(|page| self.stale.split_off(&page)).unwrap_or_default();
        let stale = std::mem::replace(&mut self.stale, later);
        if stale.is_empty() {
            return Vec::new();
        }
        let mut pages: BTreeMap<u32, Option<String>> = stale.into_iter().map(|page| (page, None)).collect();
        for row in self.rows.iter().filter(|row| row.id != 0) {
            if let Some(text) = pages.get_mut(&(row.offset / PAGE)) {
                let text = text.get_or_insert_with(|| String::with_capacity(PAGE as usize * ENTRY));
                // Writing to a string does not fail.
                let _ = write!(text, "{:016x}{:016x}{:08x}{:08x}", row.id, row.number, row.offset, row.total);
            }
        }
        pages.into_iter().map(|(page, text)| (u64::from(page), text)).collect()
    }

    /// Adds stored hints. Rows that this process has seen itself are newer.
    pub(crate) fn add_stored(&mut self, entries: &str) {
        let stale = self.stale.clone();
        let entries = entries.as_bytes().chunks_exact(ENTRY).filter_map(|entry| std::str::from_utf8(entry).ok());
        for entry in entries {
            let part = |from: usize, to: usize| u64::from_str_radix(entry.get(from..to)?, 16).ok();
            let small = |from, to| part(from, to).and_then(|value| u32::try_from(value).ok());
            let (Some(id), Some(number), Some(offset), Some(total)) =
                (part(0, 16), part(16, 32), small(32, 40), small(40, 48))
            else {
                continue;
            };
            let known = self.of(id).any(|at| self.row(at).is_some_and(|row| row.is(id, number)));
            if !known {
                self.place(IndexedRow { id, number, offset, total, seen: false });
            }
            self.total = self.total.max(total);
        }
        self.stale = stale;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn row(n: u32) -> OwnedNumber {
        let row = json!({ "id": format!("n{n}"), "phone_number": format!("+1415555{n:04}") });
        OwnedNumber::read(&row).expect("a row")
    }

    fn observe(index: &mut NumberIndex, rows: &[OwnedNumber], offset: usize, total: Option<u64>) {
        index.observe(rows.iter().map(OwnedNumber::view), offset, total);
    }

    fn offsets(index: &NumberIndex, name: &str) -> Vec<usize> {
        index.places(name).iter().map(|place| place.offset).collect()
    }

    #[test]
    fn a_row_is_found_by_id_and_by_number_where_it_was_seen_last() {
        let mut index = NumberIndex::default();
        observe(&mut index, &[row(1), row(2)], 300, Some(1000));
        assert_eq!(offsets(&index, "n2"), [301]);
        assert_eq!(offsets(&index, "+14155550002"), [301]);
        assert_eq!(offsets(&index, "n3"), Vec::<usize>::new());
        // Ten numbers were added: they stand above it.
        observe(&mut index, &[row(9)], 0, Some(1010));
        assert_eq!(offsets(&index, "n2"), [311]);
        observe(&mut index, &[row(2)], 305, Some(1010));
        assert_eq!(offsets(&index, "n2"), [305]);
        index.forget("n2");
        assert!(index.places("n2").is_empty() && index.places("+14155550002").is_empty());
    }

    #[test]
    fn every_place_of_a_number_with_two_ids_is_kept() {
        let mut index = NumberIndex::default();
        let twin = OwnedNumber { id: "twin".to_owned(), ..row(5) };
        observe(&mut index, &[row(5)], 10, Some(900));
        observe(&mut index, &[twin], 700, Some(900));
        for name in ["n5", "twin", "+14155550005"] {
            let mut found = offsets(&index, name);
            found.sort_unstable();
            assert_eq!(found, [10, 700], "{name}");
        }
        index.forget("n5");
        assert_eq!(offsets(&index, "+14155550005"), [700]);
    }

    proptest! {
        #[test]
        fn stored_hints_lead_to_the_same_places(seen in proptest::collection::vec((0_u32..400, 0_u32..2_000), 1..60), gone in 0_u32..400) {
            let mut index = NumberIndex::default();
            for (number, offset) in &seen {
                observe(&mut index, &[row(*number)], *offset as usize, Some(2_000));
            }
            index.forget(&format!("n{gone}"));
            let mut other = NumberIndex::default();
            for (_, entries) in index.take_stale(usize::MAX) {
                other.add_stored(entries.as_deref().unwrap_or_default());
            }
            for (number, _) in seen {
                let name = format!("n{number}");
                prop_assert_eq!(offsets(&index, &name), offsets(&other, &name));
            }
            prop_assert!(index.take_stale(usize::MAX).is_empty());
        }

        #[test]
        fn text_that_is_no_hint_is_passed_over(text in "\\PC{0,200}|[0-9a-f]{0,200}") {
            NumberIndex::default().add_stored(&text);
        }
    }
}
