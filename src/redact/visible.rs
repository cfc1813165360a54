//! What can be seen of a text. A secret that hides from a search may come out when the text is cleaned later.

use unicode_normalization::UnicodeNormalization;

/// Checks whether a character hides or reorders text.
pub fn is_invisible(c: char) -> bool {
    matches!(u32::from(c),
        0x00AD | 0x034F | 0x061C | 0x115F | 0x1160 | 0x17B4 | 0x17B5 | 0x180B..=0x180F
        | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x206F | 0x3164 | 0xFE00..=0xFE0F | 0xFEFF | 0xFFA0
        | 0xFFF0..=0xFFFB | 0x1BCA0..=0x1BCA3 | 0x1D173..=0x1D17A | 0xE0000..=0xE0FFF
        | 0xE000..=0xF8FF | 0xF0000..=0x10FFFF)
}

/// Returns the text without invisible characters, in NFC. `None` if that is the text itself.
pub(super) fn visible(text: &str) -> Option<String> {
    if text.is_ascii() {
        return None;
    }
    let seen: String = text.chars().filter(|c| !is_invisible(*c)).nfc().collect();
    (seen != text).then_some(seen)
}
