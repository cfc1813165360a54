//! Texts that come again and again, each kept once.

use std::collections::HashMap;

use foldhash::fast::RandomState;

/// The place of a text among [`InternedTexts`]. Two places are the same if their texts are.
pub(crate) type TextPlace = u32;

/// Texts, each kept once. Comparing their places needs no text.
#[derive(Debug, Clone, Default)]
pub(crate) struct InternedTexts {
    texts: Vec<String>,
    places: HashMap<String, TextPlace, RandomState>,
}

impl InternedTexts {
    /// Returns the place of a text, and keeps the text if it is new.
    pub(crate) fn place(&mut self, text: &str) -> TextPlace {
        if let Some(place) = self.places.get(text) {
            return *place;
        }
        // So many texts do not fit in memory.
        let place = TextPlace::try_from(self.texts.len()).unwrap_or(TextPlace::MAX);
        self.places.insert(text.to_owned(), place);
        self.texts.push(text.to_owned());
        place
    }

    /// Returns the text of a place.
    pub(crate) fn get(&self, place: TextPlace) -> Option<&str> {
        self.texts.get(usize::try_from(place).ok()?).map(String::as_str)
    }
}
