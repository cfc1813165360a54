//! Which ASCII characters a text has. It rules out most searches of a text without reading it again.

/// A set of ASCII characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct AsciiSet(u128);

impl AsciiSet {
    /// Returns the ASCII characters of a text. Its other bytes are left out.
    pub(super) const fn of(text: &[u8]) -> Self {
        let (mut set, mut rest) = (0, text);
        while let [byte, others @ ..] = rest {
            if byte.is_ascii() {
                set |= 1_u128 << *byte;
            }
            rest = others;
        }
        Self(set)
    }

    /// Whether the two have a character in common.
    pub(super) const fn has_any(self, others: Self) -> bool {
        self.0 & others.0 != 0
    }

    /// Whether every character of the other is in this set. A text can hold another only if this is so.
    pub(super) const fn has_all(self, others: Self) -> bool {
        others.0 & !self.0 == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn sets_are_compared() {
        let set = |text: &str| AsciiSet::of(text.as_bytes());
        assert!(set("00-ff").has_all(set("f0f-")) && !set("00-ff").has_all(set("g")));
        assert!(set("a%").has_any(set("%&")) && !set("ab").has_any(set("%&")));
        assert_eq!(set("é\u{a0}"), set(""));
        assert_eq!(set("\0\u{7f}"), AsciiSet((1 << 127) | 1));
    }

    proptest! {
        #[test]
        fn a_text_has_all_characters_of_its_parts(before in ".*", part in ".*", after in ".*") {
            let whole = format!("{before}{part}{after}");
            prop_assert!(AsciiSet::of(whole.as_bytes()).has_all(AsciiSet::of(part.as_bytes())));
        }
    }
}
