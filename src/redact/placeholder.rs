//! Detects values that are no secret: quoted or prefixed values, and placeholders that nobody filled in.

/// Words that occur in the names of variables and fields that hold secrets.
const SECRET_NAMES: [&str; 6] = ["key", "token", "secret", "password", "auth", "sid"];

/// Checks that a text can be a secret. The error says what is wrong and never repeats the text.
///
/// Used for every secret that is taken: arguments of calls, carrier profiles, forms of pages, the Truedy key.
pub fn check_filled_in(text: &str) -> Result<(), String> {
    let text = text.trim();
    let wrong = |why: &str| Err(format!("{why}; give the bare value"));
    if is_quoted(text) {
        return wrong("it stands in quotes, which belong to a shell or a file and not to the value");
    }
    if let Some(scheme) =
        ["bearer ", "basic ", "authorization:", "x-api-key:"].iter().find(|scheme| begins(text, scheme))
    {
        return wrong(&format!(
            "it begins with {:?}, which belongs to a header and not to the value",
            scheme.trim_end()
        ));
    }
    if begins(text, "export ") || assigned_name(text) {
        return wrong("it begins with NAME=, as in a list of variables");
    }
    if let Some(form) = placeholder(text) {
        return Err(format!(
            "{form} stands in the place of the value: nobody filled it in, or the client did not expand it; give the value itself"
        ));
    }
    if let Some(form) = reference(text) {
        return wrong(form);
    }
    if is_filler(text) {
        return Err("a word such as test or secret stands in the place of the value: nobody filled it in; give the value itself".to_owned());
    }
    Ok(())
}

/// Describes a text that stands for a value: a reference, a masked value, or a statement that there is none.
fn reference(text: &str) -> Option<&'static str> {
    const ELSEWHERE: [&str; 6] = ["env:", "file:", "op://", "process.env.", "vault:", "keyring:"];
    if ELSEWHERE.iter().any(|start| begins(text, start)) {
        return Some("it is a reference to the place of a value");
    }
    let is_name = text.contains('_') && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
    if is_name && text.split('_').any(|part| SECRET_NAMES.contains(&part.to_ascii_lowercase().as_str())) {
        return Some("it is the name of a variable");
    }
    if text.contains("****")
        || text.ends_with("...")
        || text.ends_with('\u{2026}')
        || text.eq_ignore_ascii_case("redacted")
    {
        return Some("it is masked or cut off");
    }
    let none = ["null", "undefined", "none", "nil"].iter().any(|word| text.eq_ignore_ascii_case(word));
    none.then_some("it says that there is no value")
}

/// Words that people write instead of a value. A text that is only one of them is no key.
const FILLERS: [&str; 24] = [
    "test", "testing", "password", "passwd", "string", "secret", "token", "key", "apikey", "dummy", "fake", "foo",
    "bar", "foobar", "abc", "abcd", "example", "sample", "todo", "tbd", "default", "value", "text", "empty",
];

/// Whether a text is only filler: a word of [`FILLERS`], alone or followed by words for secrets, or counted digits.
fn is_filler(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let word = ["truedy_", "sk_"].iter().find_map(|prefix| lower.strip_prefix(prefix)).unwrap_or(&lower);
    let counted = (3..=10).contains(&word.len()) && "1234567890".starts_with(word);
    let mut parts = word.split(['_', '-', ' ']);
    let (first, rest) = (parts.next().unwrap_or_default(), parts.collect::<Vec<_>>());
    let of_secret = |part: &&str| *part == "api" || SECRET_NAMES.contains(part);
    counted || (FILLERS.contains(&first) && rest.iter().all(of_secret))
}

/// Returns the form of the placeholder that the whole text is, without the text. `None` if it is no placeholder.
pub fn placeholder(text: &str) -> Option<&'static str> {
    let text = text.trim();
    let framed = |start: &str, end: &str| {
        let inside = text.strip_prefix(start).and_then(|rest| rest.strip_suffix(end));
        inside.is_some_and(|inside| !inside.is_empty() && is_words(inside))
    };
    if framed("${{", "}}") {
        return Some("a placeholder ${{...}}");
    }
    if framed("${", "}") || framed("$(", ")") || framed("$env:", "") || framed("#{", "}") {
        return Some("a placeholder ${...}");
    }
    if framed("{{", "}}") || framed("{", "}") || framed("[", "]") {
        return Some("a placeholder {...}");
    }
    if framed("%", "%") || framed("%(", ")s") {
        return Some("a placeholder %...%");
    }
    if framed("<", ">") {
        return Some("a placeholder <...>");
    }
    // `$NAME` without braces: the name of a variable has capitals, digits and `_`.
    let name = text.strip_prefix('$').filter(|name| name.len() >= 3);
    if name.is_some_and(|name| name.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')) {
        return Some("a placeholder $NAME");
    }
    is_example(text).then_some("an example such as YOUR_...")
}

/// Whether a text begins with `start`, ignoring case.
fn begins(text: &str, start: &str) -> bool {
    text.get(..start.len()).is_some_and(|front| front.eq_ignore_ascii_case(start))
}

fn is_quoted(text: &str) -> bool {
    const PAIRS: [(char, char); 6] = [
        ('"', '"'),
        ('\'', '\''),
        ('`', '`'),
        ('\u{201c}', '\u{201d}'),
        ('\u{2018}', '\u{2019}'),
        ('\u{ab}', '\u{bb}'),
    ];
    let ends = text.chars().next().zip(text.chars().next_back());
    text.chars().count() > 1 && ends.is_some_and(|ends| PAIRS.contains(&ends))
}

/// Whether the text begins with a name for a secret and `=`. The padding of base64 is no assignment.
fn assigned_name(text: &str) -> bool {
    let Some((name, value)) = text.split_once('=') else { return false };
    let name = name.trim_end();
    let plain = !name.is_empty() && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
    let lower = name.to_ascii_lowercase();
    let speaks = SECRET_NAMES.iter().any(|word| lower.split(['_', '-']).any(|part| part == *word));
    plain && speaks && !value.trim_start_matches('=').is_empty()
}

/// Whether the text inside the brackets reads as a name or as words: `user_config.key`, `your-api-key`,
/// `env:KEY:-none`.
fn is_words(text: &str) -> bool {
    let begins = text.trim_start().starts_with(|c: char| c.is_alphabetic() || c == '_');
    begins && text.chars().all(|c| c.is_alphanumeric() || " _-.:/'".contains(c))
}

/// Whether a text is an example value, such as documentation has in place of a secret.
fn is_example(text: &str) -> bool {
    let lower = text.to_ascii_lowercase().replace(['-', '_', '.', '\u{2026}'], " ");
    let mut words: Vec<&str> = lower.split_whitespace().collect();
    if words.first() == Some(&"truedy") || words.first() == Some(&"sk") {
        words.remove(0);
    }
    match words.as_slice() {
        ["your" | "my", rest @ ..] => {
            let is_of_example = |word: &&str| {
                SECRET_NAMES.contains(word)
                    || [
                        "api", "here", "telnyx", "twilio", "truedy", "sip", "account", "carrier", "goes", "value",
                        "the",
                    ]
                    .contains(word)
            };
            !rest.is_empty()
                && rest.iter().any(|word| SECRET_NAMES.contains(word) || *word == "here")
                && rest.iter().all(is_of_example)
        }
        ["changeme" | "change", ..] => lower.replace(' ', "") == "changeme",
        ["replace" | "insert" | "enter" | "paste", rest @ ..] => {
            rest.iter().any(|word| *word == "me" || *word == "here" || SECRET_NAMES.contains(word))
        }
        ["api", "key"] | ["api", "key", "here"] | ["placeholder"] => true,
        [one] => one.len() >= 4 && (one.bytes().all(|b| b == b'x') || one.bytes().all(|b| b == b'*')),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_value_is_named_and_not_repeated() {
        for (text, named) in [
            ("\"truedy_0123456789\"", "quotes"),
            ("'truedy_0123456789'", "quotes"),
            ("\u{201c}truedy_0123456789\u{201d}", "quotes"),
            ("`truedy_0123456789`", "quotes"),
            ("Bearer truedy_0123456789", "bearer"),
            ("bearer ${TOKEN}", "bearer"),
            ("Authorization: Bearer abc", "authorization:"),
            ("TRUEDY_API_KEY=truedy_0123456789", "NAME="),
            ("export TRUEDY_API_KEY=truedy_0123456789", "NAME="),
            ("api_key = 0123456789", "NAME="),
            ("api-key=0123456789", "NAME="),
            ("<your-api-key>", "<...>"),
            ("<Your API key>", "<...>"),
            ("%TRUEDY_API_KEY%", "%...%"),
            ("${TRUEDY_API_KEY}", "${...}"),
            ("${user_config.api_key}", "${...}"),
            ("${input:truedy-key}", "${...}"),
            ("${TRUEDY_API_KEY:-}", "${...}"),
            ("${{ secrets.TRUEDY_API_KEY }}", "${{...}}"),
            ("$TRUEDY_API_KEY", "$NAME"),
            ("$env:TRUEDY_API_KEY", "${...}"),
            ("{{api_key}}", "{...}"),
            ("{api_key}", "{...}"),
            ("[your key]", "{...}"),
            ("YOUR_API_KEY", "YOUR_"),
            ("YOUR_TELNYX_API_KEY", "YOUR_"),
            ("your key", "YOUR_"),
            ("Your-API-Key-Here", "YOUR_"),
            ("your_auth_token", "YOUR_"),
            ("truedy_your_key_here", "YOUR_"),
            ("REPLACE_ME", "YOUR_"),
            ("changeme", "YOUR_"),
            ("xxxxxxxx", "YOUR_"),
            ("TELNYX_API_KEY", "name of a variable"),
            ("TWILIO_AUTH_TOKEN", "name of a variable"),
            ("env:TELNYX_API_KEY", "reference"),
            ("file:/etc/telnyx.key", "reference"),
            ("op://vault/item/field", "reference"),
            ("process.env.TELNYX_API_KEY", "reference"),
            ("KEY0****cdef", "masked"),
            ("KEY...", "masked"),
            ("REDACTED", "masked"),
            ("null", "no value"),
            ("undefined", "no value"),
            ("None", "no value"),
            ("test", "word such as"),
            ("Password", "word such as"),
            ("string", "word such as"),
            ("SECRET", "word such as"),
            ("token", "word such as"),
            ("key", "word such as"),
            ("dummy", "word such as"),
            ("foo", "word such as"),
            ("abc", "word such as"),
            ("1234", "word such as"),
            (" 12345678 ", "word such as"),
            ("test-api-key", "word such as"),
            ("dummy_token", "word such as"),
            ("truedy_test", "word such as"),
        ] {
            let said = check_filled_in(text).expect_err(text);
            assert!(said.to_lowercase().contains(&named.to_lowercase()), "{text}: {said}");
            assert!(!said.contains("0123") && !said.contains("TRUEDY"), "{text}: {said}");
        }
    }

    #[test]
    fn passwords_and_keys_of_any_kind_pass() {
        for text in [
            "truedy_SandboxFirstKey00000000000000001",
            "KEY0123456789ABCDEF0123456789ABCDEF_aBcDeFgHiJkLmNoPqRsTuV",
            "0123456789abcdef0123456789abcdef",
            "hunter2",
            "$ecret{1}",
            "<3 my trunk",
            "100%sure%",
            "a=b",
            "c2VjcmV0a2V5==",
            "KEY==",
            "your mother's maiden name",
            "mysecretpassword",
            "test4",
            "testtest",
            "passw0rd",
            "secret-garden",
            "1235",
            "87654321",
            "12345678901",
            "truedy_testA1b2C3d4E5f6G7h8",
            "test_4f9c1b2e7d",
            "abcdef",
            "bearerofnews",
            "it's \"quoted\" inside",
            "'",
            "$5",
            "{1}",
            "Kc4nary/Telnyx+own=key\"with\\all&of%7Eit <'!*>",
        ] {
            assert_eq!(check_filled_in(text), Ok(()), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_random_key_is_never_refused(key in "[A-Za-z0-9]{16,64}", base64 in "[A-Za-z0-9+/]{20,60}={0,2}") {
            prop_assert_eq!(check_filled_in(&key), Ok(()));
            prop_assert_eq!(check_filled_in(&base64), Ok(()));
        }

        #[test]
        fn a_filler_is_refused_as_a_whole_word_only(at in 0..FILLERS.len(), more in "[A-Za-z0-9]{6,20}") {
            let filler = FILLERS.get(at).copied().unwrap_or_default();
            prop_assert!(check_filled_in(filler).is_err() && check_filled_in(&filler.to_uppercase()).is_err());
            for text in [format!("{filler}{more}"), format!("{more}{filler}"), format!("{filler}_{more}"), format!("{more}-{filler}")] {
                prop_assert_eq!(check_filled_in(&text), Ok(()), "{}", text);
            }
        }

        #[test]
        fn the_text_is_never_repeated(inside in "[a-z]{3}Q[0-9]{6}") {
            for text in [format!("\"{inside}\""), format!("Bearer {inside}"), format!("API_KEY={inside}"), format!("<{inside}>"), format!("${{{inside}}}")] {
                prop_assert!(!check_filled_in(&text).expect_err(&text).contains(&inside));
            }
        }
    }
}
