//! Which group of rows each key of a number belongs to.

use uuid::Uuid;

use crate::tools::account::number_key::NumberKey;

/// A group of rows that are about the same number, as the position of its first row.
pub(crate) type NumberGroup = u32;

/// Entries that are sorted by key. A hash map of a long list would take twice the memory.
type Sorted<K> = Vec<(K, NumberGroup)>;

/// Maps keys to groups. Plain keys have lists of their own, since an entry of [`NumberKey`] is twice as large.
#[derive(Debug, Clone, Default)]
pub(crate) struct KeyGroups {
    uuids: Sorted<Uuid>,
    e164: Sorted<u64>,
    digits: Sorted<u64>,
    others: Sorted<NumberKey<'static>>,
    /// The row to which each row is linked: itself, or one before it.
    links: Vec<NumberGroup>,
}

impl KeyGroups {
    /// Returns an empty map with room for the plain keys of this many rows.
    pub(crate) fn for_rows(rows: usize) -> Self {
        Self {
            uuids: Vec::with_capacity(rows),
            e164: Vec::with_capacity(rows),
            digits: Vec::with_capacity(rows),
            others: Vec::new(),
            links: Vec::with_capacity(rows),
        }
    }

    /// Adds the keys of the next row.
    pub(crate) fn add<'a>(&mut self, keys: impl Iterator<Item = NumberKey<'a>>) {
        // A list is much shorter.
        let row = NumberGroup::try_from(self.links.len()).unwrap_or(NumberGroup::MAX);
        self.links.push(row);
        for key in keys {
            match key {
                NumberKey::Uuid(id) => self.uuids.push((id, row)),
                NumberKey::E164(number) => self.e164.push((number, row)),
                NumberKey::Digits(digits) => self.digits.push((digits, row)),
                NumberKey::Id(_) | NumberKey::Number(_) | NumberKey::LongDigits(_) => {
                    self.others.push((key.into_owned(), row));
                }
            }
        }
    }

    /// Links the rows that share a key. Nothing is found before.
    pub(crate) fn link(&mut self) {
        let Self { uuids, e164, digits, others, links } = self;
        link(uuids, links);
        link(e164, links);
        link(digits, links);
        link(others, links);
        // Each row then leads to its group at once. Links lead only to earlier rows.
        for at in 0..links.len() {
            let group = links.get(at).and_then(|next| links.get(*next as usize)).copied();
            if let (Some(link), Some(group)) = (links.get_mut(at), group) {
                *link = group;
            }
        }
    }

    /// Returns the group of the row at a position.
    pub(crate) fn of_row(&self, row: NumberGroup) -> NumberGroup {
        self.links.get(row as usize).copied().unwrap_or(row)
    }

    /// Returns the group of a key.
    pub(crate) fn get(&self, key: &NumberKey<'_>) -> Option<NumberGroup> {
        let row = match key {
            NumberKey::Uuid(id) => find(&self.uuids, id),
            NumberKey::E164(number) => find(&self.e164, number),
            NumberKey::Digits(digits) => find(&self.digits, digits),
            NumberKey::Id(_) | NumberKey::Number(_) | NumberKey::LongDigits(_) => {
                let at = self.others.binary_search_by(|(other, _)| other.cmp(key)).ok();
                at.and_then(|at| self.others.get(at)).map(|(_, row)| *row)
            }
        };
        row.map(|row| self.of_row(row))
    }
}

/// Returns the final group of a row.
fn root(links: &[NumberGroup], mut at: NumberGroup) -> NumberGroup {
    while let Some(next) = links.get(at as usize).copied().filter(|next| *next != at) {
        at = next;
    }
    at
}

/// Links the rows of equal keys, and sorts the keys, each once.
fn link<K: Ord>(keys: &mut Sorted<K>, links: &mut [NumberGroup]) {
    keys.sort_unstable();
    keys.dedup_by(|(key, row), (kept, other)| {
        let same = key == kept;
        if same {
            let (own, other) = (root(links, *row), root(links, *other));
            if let Some(link) = links.get_mut(own.max(other) as usize) {
                *link = own.min(other);
            }
        }
        same
    });
}

fn find<K: Ord>(keys: &Sorted<K>, key: &K) -> Option<NumberGroup> {
    keys.binary_search_by(|(other, _)| other.cmp(key)).ok().and_then(|at| keys.get(at)).map(|(_, row)| *row)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::OwnedNumber;
    use crate::tools::account::number_key::keys_of;
    use proptest::prelude::*;
    use serde_json::json;

    fn row() -> impl Strategy<Value = OwnedNumber> {
        let id = "n[0-9]|N1|d0845d54-d96d-4cb8-8cc3-eac55f94c2c[0-9]|D0845D54-D96D-4CB8-8CC3-EAC55F94C2C1";
        let number = "\\+1415555010[0-9]|14155550101|00141555501[0-9]{2}|tel:\\+1-415-555-0101|line [0-3]";
        (id, number)
            .prop_map(|(id, number)| OwnedNumber::read(&json!({ "id": id, "phone_number": number })).expect("a row"))
    }

    proptest! {
        #[test]
        fn rows_are_in_one_group_if_keys_link_them(rows in proptest::collection::vec(row(), 0..12)) {
            let mut groups = KeyGroups::for_rows(rows.len());
            rows.iter().for_each(|row| groups.add(keys_of(row.view())));
            groups.link();
            // The first row that is linked with each row, found by comparing all pairs until nothing changes.
            let mut first: Vec<usize> = (0..rows.len()).collect();
            for _ in 0..rows.len() {
                for (one, other) in (0..rows.len()).flat_map(|one| (0..rows.len()).map(move |other| (one, other))) {
                    if keys_of(rows[one].view()).any(|key| keys_of(rows[other].view()).any(|other| other == key)) {
                        first[one] = first[one].min(first[other]);
                    }
                }
            }
            for (row, first) in rows.iter().zip(&first) {
                for key in keys_of(row.view()) {
                    prop_assert_eq!(groups.get(&key).map(|group| group as usize), Some(*first), "{:?}", key);
                }
            }
            for (at, first) in (0..).zip(first) {
                prop_assert_eq!(groups.of_row(at) as usize, first);
            }
        }
    }
}
