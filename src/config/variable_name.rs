//! Checks names of variables in the configuration file. Such a name says where a secret is, and is never the secret
//! itself.

use crate::redact::{is_plausible_variable, looks_like_key};

/// Checks that a text can be the name of a variable. The error does not repeat the text, because it may be the secret
/// itself.
pub(crate) fn check_variable(name: &str) -> Result<(), String> {
    const EXPECTED: &str = "expected the name of a variable, for example TELNYX_API_KEY";
    let is_name = !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if looks_like_key(name) {
        return Err(format!(
            "it looks like a key and not like the name of a variable; {EXPECTED}, and put the key into that variable"
        ));
    }
    if !is_name {
        return Err(format!(
            "it is not the name of a variable, which has only letters, digits and _ and does not begin with a digit; {EXPECTED}"
        ));
    }
    // A name in lower case is accepted if a variable of that name is set.
    if !is_plausible_variable(name) && name.len() > 32 {
        return Err(format!(
            "it looks like a secret and not like the name of a variable; {EXPECTED}, and put the secret into that variable"
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check_variable;

    #[test]
    fn a_secret_in_the_place_of_a_name_is_refused_and_not_repeated() {
        for wrong in [
            "",
            "2hunter2",
            "hunter2 hunter2",
            "tmcp_hunter2hunter2hunter2hunter2hunter2hunter2",
            "truedy_hunter2HUNTER2hunter2hunter2hunte",
            "hunter2hunter2hunter2hunter2hunter2hunter2",
            "${TELNYX_API_KEY}",
            "$TELNYX_API_KEY",
        ] {
            let said = check_variable(wrong).expect_err(wrong);
            assert!(said.contains("TELNYX_API_KEY") && !said.contains("hunter2"), "{wrong}: {said}");
            // A long text with only the allowed characters gets another message than the list of these characters.
            let has_only_such = wrong.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') && wrong.len() > 32;
            assert_eq!(said.contains("only letters, digits and _"), !has_only_such, "{wrong}: {said}");
        }
        for name in ["TELNYX_API_KEY", "acme_key", "A1"] {
            assert_eq!(check_variable(name), Ok(()), "{name}");
        }
    }
}
