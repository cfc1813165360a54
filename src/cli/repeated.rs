//! Adds the settings of this command line to commands that are printed for copying. Without them, a copied command would
//! work elsewhere: on the live account, or on another journal.

use std::path::Path;
use std::sync::OnceLock;

use crate::cli::given::{SetSetting, SetValue};
use crate::cli::quoted::quoted;
use crate::redact::shown_path;

/// The flags of this command line, each with its value. A program has one command line.
static GIVEN: OnceLock<Vec<Repeated>> = OnceLock::new();
/// What begins each printed command.
const PROGRAM: &str = "truedy-mcp ";
/// The commands that take no settings.
const TAKE_NONE: [&str; 7] = ["token", "probe", "tour", "completions", "man", "help", "version"];
/// The settings that `sandbox` takes.
const OF_SANDBOX: [&str; 3] = ["--sandbox", "--state-dir", "--journal"];

/// A flag, and what is written for it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Repeated {
    flag: String,
    written: String,
}

/// Notes the settings of the command line. Those of variables hold for the next command anyway.
pub(crate) fn note(set: &[SetSetting]) {
    let given = set.iter().filter(|one| !one.by_variable).filter_map(|one| {
        let flag = format!("--{}", one.flag);
        let written = match &one.value {
            SetValue::On => flag.clone(),
            SetValue::Word(word) => format!("{flag} {word}"),
            SetValue::Text(text) if is_number(text) => format!("{flag} {text}"),
            SetValue::Text(text) if is_money(text) => format!("{flag} {}", quoted(text)),
            SetValue::Path(path) if is_repeated(path) => format!("{flag} {}", quoted(path.to_str()?)),
            // It may be a key that was given in the wrong place.
            SetValue::Text(_) | SetValue::Path(_) => format!("{flag} VALUE"),
            SetValue::Off | SetValue::Secret => return None,
        };
        Some(Repeated { flag, written })
    });
    // The command line is read once.
    drop(GIVEN.set(given.collect()));
}

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.len() < 8 && text.bytes().all(|b| b.is_ascii_digit())
}

/// Whether the text is an amount as this program writes it: `20 USD`.
fn is_money(text: &str) -> bool {
    let is_currency = |code: &str| code.len() == 3 && code.bytes().all(|b| b.is_ascii_uppercase());
    text.split_once(' ').is_some_and(|(amount, code)| is_number(&amount.replacen('.', "", 1)) && is_currency(code))
}

/// Whether a path may be shown. A word that is no path may be a key that was given in the wrong place.
fn is_repeated(path: &Path) -> bool {
    path.is_absolute() && shown_path(path) == path.display().to_string()
}

/// Returns a command with the settings of this command line: `truedy-mcp call list_numbers --sandbox`.
pub(crate) fn command_as_given(command: &str) -> String {
    with(command, GIVEN.get().map(Vec::as_slice).unwrap_or_default())
}

/// Returns a text in which each command in backticks has the settings of this command line.
pub(crate) fn as_given(text: &str) -> String {
    in_text(text, GIVEN.get().map(Vec::as_slice).unwrap_or_default())
}

fn with(command: &str, given: &[Repeated]) -> String {
    let name = command.strip_prefix(PROGRAM).unwrap_or_default().split(' ').next().unwrap_or_default();
    let is_there = |flag: &str| command.split([' ', '=']).any(|word| word == flag);
    let takes = |flag: &str| match name {
        "sandbox" => OF_SANDBOX.contains(&flag),
        "" => false,
        name => !TAKE_NONE.contains(&name),
    };
    let more = given.iter().filter(|one| takes(&one.flag) && !is_there(&one.flag));
    more.fold(command.to_owned(), |command, one| format!("{command} {}", one.written))
}

fn in_text(text: &str, given: &[Repeated]) -> String {
    // Every second part stands between backticks.
    let parts = text
        .split('`')
        .enumerate()
        .map(|(at, part)| if at % 2 == 1 && part.starts_with(PROGRAM) { with(part, given) } else { part.to_owned() });
    parts.collect::<Vec<_>>().join("`")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_numbers_amounts_and_whole_paths_are_repeated() {
        for (text, shown) in
            [("20 USD", true), ("1.50 EUR", true), ("20 usd", false), ("a1 USD", false), ("20USD", false)]
        {
            assert_eq!(is_money(text), shown, "{text}");
        }
        for (text, shown) in [("5", true), ("", false), ("20 USD", false), ("canary2", false), ("12345678", false)] {
            assert_eq!(is_number(text), shown, "{text}");
        }
        for (path, shown) in [("/var/lib/truedy", true), ("canary2", false), ("a/b", false)] {
            assert_eq!(is_repeated(Path::new(path)), shown, "{path}");
        }
    }

    #[test]
    fn a_printed_command_has_the_settings_that_were_given_and_that_it_takes() {
        let one = |flag: &str, written: &str| Repeated { flag: flag.to_owned(), written: written.to_owned() };
        let given = [one("--sandbox", "--sandbox"), one("--state-dir", "--state-dir '/a b'")];
        for (command, whole) in [
            ("truedy-mcp call list_numbers", "truedy-mcp call list_numbers --sandbox --state-dir '/a b'"),
            ("truedy-mcp unfreeze --sandbox", "truedy-mcp unfreeze --sandbox --state-dir '/a b'"),
            ("truedy-mcp token new", "truedy-mcp token new"),
            ("claude mcp list", "claude mcp list"),
        ] {
            assert_eq!(with(command, &given), whole);
            assert_eq!(in_text(&format!("Do `{command}`, or `x`."), &given), format!("Do `{whole}`, or `x`."));
        }
        assert_eq!(in_text("truedy-mcp call", &given), "truedy-mcp call");
    }
}
