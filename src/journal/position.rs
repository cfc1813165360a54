//! A position in the list of operations, from which the next page goes on.

use std::fmt;

/// The position of an operation in the list: behind it, the next page begins.
///
/// It is a text for the caller: the group, the time and the revision, separated by points. It stays right when
/// operations are added or deleted meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListPosition {
    /// The index of the group in the list.
    pub(crate) group: usize,
    /// The time by which the operation is listed, in milliseconds since 1970.
    pub(crate) at: i64,
    pub(crate) rev: i64,
}

/// How many groups a list has.
pub(crate) const GROUPS: usize = 3;

impl ListPosition {
    /// Reads the text of a position. `None` if it is none.
    pub fn read(text: &str) -> Option<Self> {
        let mut parts = text.splitn(3, '.');
        let mut next = || parts.next()?.parse::<i64>().ok();
        let (group, at, rev) = (next()?, next()?, next()?);
        let group = usize::try_from(group).ok().filter(|group| *group < GROUPS)?;
        Some(Self { group, at, rev })
    }
}

impl fmt::Display for ListPosition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}.{}.{}", self.group, self.at, self.rev)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written() {
        let position = ListPosition { group: 2, at: 1_764_057_600_123, rev: 42 };
        assert_eq!(ListPosition::read(&position.to_string()), Some(position));
        for odd in ["", "2", "2.1", "3.1.1", "-1.1.1", "a.1.1", "2.1.1.1", "2.1.x", "2.99999999999999999999.1"] {
            assert_eq!(ListPosition::read(odd), None, "{odd}");
        }
    }
}
