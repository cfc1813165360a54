//! Quotes texts for a shell.

/// Quotes a text for a shell argument, and for TOML and YAML. Plain texts need no quotes in any of them.
pub(crate) fn quoted(text: &str) -> String {
    let is_plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_./".contains(&b));
    if is_plain { text.to_owned() } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_of_an_argument_is_quoted_for_a_shell() {
        for (text, written) in
            [("--gate", "--gate"), ("50 USD", "'50 USD'"), ("", "''"), ("/a'b", "'/a'\\''b'"), ("$x", "'$x'")]
        {
            assert_eq!(quoted(text), written);
        }
    }
}
