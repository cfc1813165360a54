//! The name that somebody probably meant.

/// How alike two names must be, from 0 to 1.
const ALIKE: f64 = 0.84;

/// The name among these that is most like this one, if one is like it; capitals do not matter.
pub fn nearest<'a>(name: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let plain = |text: &str| text.to_ascii_lowercase().replace('-', "_");
    let name = plain(name);
    let scored = known.into_iter().map(|one| (strsim::jaro_winkler(&name, &plain(one)), one));
    scored.filter(|(alike, _)| *alike >= ALIKE).max_by(|one, other| one.0.total_cmp(&other.0)).map(|(_, one)| one)
}

#[cfg(test)]
mod tests {
    use super::nearest;

    #[test]
    fn slips_are_understood_and_other_names_are_not() {
        // Several are alike: the one that is most like it counts.
        let known =
            ["READ_ONLY", "COUNTRIES", "PURCHASES_PER_WEEK", "PURCHASES_PER_DAY", "PURCHASED_PER_YEAR", "SANDBOX"];
        for (slip, meant) in [
            ("READONLY", Some("READ_ONLY")),
            ("read-only", Some("READ_ONLY")),
            ("COUNTRY", Some("COUNTRIES")),
            ("PURCHASE_PER_DAY", Some("PURCHASES_PER_DAY")),
            ("SANDOBX", Some("SANDBOX")),
            ("COLOUR", None),
            ("", None),
        ] {
            assert_eq!(nearest(slip, known), meant, "{slip}");
        }
    }
}
