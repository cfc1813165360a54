//! The similarity of texts: for "did you mean", and for sorting candidates by similarity.

/// How many characters of a text are compared. This bounds the work for any text.
const COMPARED: usize = 64;

/// Counts the letters to change, add, remove or swap with a neighbour to turn one text into the other.
///
/// At most 64 characters of each text are compared.
fn distance(one: &str, other: &str) -> usize {
    let cut = |text: &str| text.chars().take(COMPARED).collect::<String>();
    strsim::osa_distance(&cut(one), &cut(other))
}

/// Returns the known name that was probably meant. `None` if no name is similar enough.
///
/// At most a third of the letters may differ, or the name must contain all parts of the given text. Examples are
/// `number` for `phone_number` and `maxCost` for `max_monthly_cost`.
pub fn did_you_mean<'a>(given: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> Option<&'a str> {
    let given = in_snake_case(given);
    let length = given.chars().count();
    let near = known.clone().into_iter().map(|word| (distance(&given, &in_snake_case(word)), word)).min()?;
    if near.0 * 3 <= length.max(near.1.chars().count()) {
        return Some(near.1);
    }
    let parts: Vec<&str> = given.split('_').filter(|part| part.len() > 2).collect();
    let holds = |word: &&str| !parts.is_empty() && parts.iter().all(|part| word.split('_').any(|own| own == *part));
    known.into_iter().filter(holds).min_by_key(|word| word.len())
}

/// Returns the sentence " Did you mean X?" with a space before it, for an error. Empty if no name is similar enough.
pub fn meant_sentence<'a>(given: &str, known: impl IntoIterator<Item = &'a str> + Clone) -> String {
    did_you_mean(given, known).map(|meant| format!(" Did you mean {meant}?")).unwrap_or_default()
}

/// Converts `phoneNumber`, `Phone-Number` and `PHONE NUMBER` to `phone_number`.
fn in_snake_case(text: &str) -> String {
    let mut snake = String::new();
    let mut after_small = false;
    for c in text.chars().take(COMPARED) {
        if c.is_uppercase() && after_small {
            snake.push('_');
        }
        after_small = c.is_lowercase() || c.is_ascii_digit();
        if c.is_alphanumeric() { snake.extend(c.to_lowercase()) } else { snake.push('_') }
    }
    snake
}

/// Returns how much a name differs from the wanted text: 0 means equal, 1000 means nothing in common.
///
/// Either may be a part of the other. Case counts, so the caller must use the same case for both.
pub fn unlikeness(wanted: &str, name: &str) -> usize {
    if wanted == name {
        return 0;
    }
    let apart = |one: &str, other: &str| {
        let length = one.chars().count().max(other.chars().count()).clamp(1, COMPARED);
        distance(one, other) * 900 / length + 1
    };
    if !wanted.is_empty() && (name.contains(wanted) || wanted.contains(name)) {
        return apart(wanted, name) / 10 + 1;
    }
    let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (wanted_words, own_words) = (words(wanted), words(name));
    let best = |word: &String| own_words.iter().map(|own| apart(word, own)).min().unwrap_or(1000);
    let by_words = wanted_words.iter().map(best).min().unwrap_or(1000) + 50;
    apart(wanted, name).min(by_words).min(1000)
}

/// The fewest digits that tell one number from another.
const TELLING: usize = 3;

/// Returns how much a number differs from the digits that a person wrote: 0 means equal, 1000 means nothing in common.
///
/// A number is near if it ends with these digits, has them as its area code, or differs in few of them.
pub fn number_unlikeness(wanted: &str, number: &str) -> usize {
    let digits = |text: &str| text.chars().filter(char::is_ascii_digit).take(COMPARED).collect::<String>();
    if wanted.chars().any(char::is_alphabetic) {
        return 1000;
    }
    let (wanted, own) = (digits(wanted), digits(number));
    if wanted.len() < TELLING || own.len() < TELLING {
        return 1000;
    }
    if wanted == own {
        return 0;
    }
    let length = wanted.len().max(own.len());
    let apart = distance(&wanted, &own) * 900 / length + 1;
    let ends = own.ends_with(&wanted) || wanted.ends_with(&own);
    let begins = own.starts_with(&wanted) || own.get(1..).is_some_and(|national| national.starts_with(&wanted));
    match (ends, begins) {
        (true, _) => apart / 10 + 1,
        (_, true) => apart / 5 + 1,
        _ => apart,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn distance_counts_letters_and_swaps() {
        for (one, other, letters) in
            [("kitten", "sitting", 3), ("", "ab", 2), ("ab", "ab", 0), ("statsu", "status", 1), ("ca", "abc", 3)]
        {
            assert_eq!((distance(one, other), distance(other, one)), (letters, letters), "{one} {other}");
        }
    }

    #[test]
    fn only_what_is_near_is_suggested() {
        let fields = ["phone_number", "carrier", "api_key", "max_monthly_cost", "confirm", "confirmation_token"];
        for (given, meant) in [
            ("phoneNumber", Some("phone_number")),
            ("phone_numbr", Some("phone_number")),
            ("number", Some("phone_number")),
            ("max_cost", Some("max_monthly_cost")),
            ("maxMonthlyCost", Some("max_monthly_cost")),
            ("comfirm", Some("confirm")),
            ("apikey", Some("api_key")),
            ("dry_run", None),
            ("force", None),
            ("x", None),
            ("", None),
        ] {
            assert_eq!(did_you_mean(given, fields), meant, "{given}");
        }
        let settings = ["READ_ONLY", "COUNTRIES", "PURCHASES_PER_DAY", "SANDBOX"];
        for (given, meant) in [
            ("READONLY", Some("READ_ONLY")),
            ("read-only", Some("READ_ONLY")),
            ("COUNTRY", Some("COUNTRIES")),
            ("PURCHASE_PER_DAY", Some("PURCHASES_PER_DAY")),
            ("SANDOBX", Some("SANDBOX")),
            ("COLOUR", None),
        ] {
            assert_eq!(did_you_mean(given, settings), meant, "{given}");
        }
        assert_eq!(did_you_mean("toll-free", ["local", "toll_free"]), Some("toll_free"));
        assert_eq!(did_you_mean("anything", []), None);
    }

    #[test]
    fn likeness_puts_what_was_meant_first() {
        for (wanted, names, first) in [
            ("reminders", &["front desk", "sales", "reminder calls", "support"][..], "reminder calls"),
            ("desk", &["sales", "front desk"], "front desk"),
            ("fornt desk", &["front office", "front desk"], "front desk"),
            ("front desk team", &["front office", "front desk"], "front desk"),
        ] {
            let nearest = names.iter().min_by_key(|name| unlikeness(wanted, name));
            assert_eq!(nearest, Some(&first), "{wanted}");
        }
    }

    #[test]
    fn the_number_that_was_meant_comes_first() {
        let all = ["+442079460123", "+14155550123", "+16175550155", "+12125550142", "+13125550110"];
        for (wanted, meant) in [
            ("+6175550155", "+16175550155"),
            ("617-555-0155", "+16175550155"),
            ("0155", "+16175550155"),
            ("617", "+16175550155"),
            ("+16175550515", "+16175550155"),
            ("+1212555014", "+12125550142"),
            ("2079460123", "+442079460123"),
        ] {
            let nearest = all.iter().min_by_key(|number| number_unlikeness(wanted, number));
            assert_eq!(nearest, Some(&meant), "{wanted}");
        }
        assert_eq!(number_unlikeness("Boston", "+16175550155"), 1000);
        assert_eq!(number_unlikeness("12", "+16175550155"), 1000);
    }

    proptest! {
        #[test]
        fn likeness_is_bounded(one in ".{0,90}", other in ".{0,90}") {
            prop_assert!(unlikeness(&one, &other) <= 1000);
            prop_assert_eq!(unlikeness(&one, &one), 0);
            prop_assert!(number_unlikeness(&one, &other) <= 1000);
            prop_assert!(distance(&one, &other) <= COMPARED);
        }
    }
}
