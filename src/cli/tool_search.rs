//! Finds a tool from a description of the task. It uses the ranking that clients use if they show a model only a few
//! tools.
//!
//! Source: BM25, Robertson and Zaragoza 2009, with the usual k1 = 1.2 and b = 0.75.

use std::collections::HashMap;

/// An index of texts that can be searched.
pub struct ToolIndex {
    texts: Vec<HashMap<String, f64>>,
    lengths: Vec<f64>,
}

impl ToolIndex {
    /// Builds an index of texts. Each text is identified by its position.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let texts: Vec<HashMap<String, f64>> = texts
            .into_iter()
            .map(|text| {
                words(text).into_iter().fold(HashMap::new(), |mut counts, word| {
                    *counts.entry(word).or_insert(0.0) += 1.0;
                    counts
                })
            })
            .collect();
        let lengths = texts.iter().map(|counts| counts.values().sum()).collect();
        Self { texts, lengths }
    }

    /// Returns the positions of matching texts with their scores, best first.
    pub fn search(&self, query: &str) -> Vec<(usize, f64)> {
        let number = |n: usize| f64::from(u32::try_from(n).unwrap_or(u32::MAX));
        let (count, average) =
            (number(self.texts.len()), self.lengths.iter().sum::<f64>() / number(self.texts.len()).max(1.0));
        let mut scores: Vec<(usize, f64)> = (0..self.texts.len()).map(|index| (index, 0.0)).collect();
        for word in words(query) {
            let with = number(self.texts.iter().filter(|text| text.contains_key(&word)).count());
            let rarity = (1.0 + (count - with + 0.5) / (with + 0.5)).ln();
            for ((score, text), length) in scores.iter_mut().map(|(_, score)| score).zip(&self.texts).zip(&self.lengths)
            {
                let times = text.get(&word).copied().unwrap_or_default();
                *score += rarity * times * 2.2 / (times + 1.2 * (0.25 + 0.75 * length / average));
            }
        }
        scores.retain(|(_, score)| *score > 0.0);
        scores.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        scores
    }
}

/// Words that say nothing about the task. The indexes of clients leave them out too.
const FILLERS: [&str; 48] = [
    "a", "all", "an", "and", "any", "are", "as", "at", "be", "by", "can", "do", "does", "for", "from", "has", "have",
    "how", "i", "if", "in", "into", "is", "it", "its", "me", "my", "no", "not", "of", "on", "or", "our", "so", "that",
    "the", "their", "them", "these", "this", "to", "us", "we", "what", "which", "who", "with", "you",
];

/// Splits a text into lower-case words without fillers and endings. So "porting our numbers" finds "port" and "number".
fn words(text: &str) -> Vec<String> {
    text.to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty() && !FILLERS.contains(word))
        .map(|word| {
            let stem = ["ing", "ed", "s"].iter().find_map(|end| word.strip_suffix(end)).filter(|stem| stem.len() > 2);
            stem.filter(|stem| !stem.ends_with('s')).unwrap_or(word).to_owned()
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rarer_word_decides() {
        let index = ToolIndex::new(["buy a number", "release a number", "list numbers"]);
        assert_eq!(index.search("release the numbers").first().map(|hit| hit.0), Some(1));
        assert!(index.search("weather").is_empty());
    }
}
