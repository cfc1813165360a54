//! The groups of the commands, as the help shows them.

use std::fmt::Write as _;

use clap::Command;

/// Each group with its commands, in the order of the help. A new command is one word here.
pub(crate) const GROUPS: [(&str, &[&str]); 5] = [
    ("Try", &["tour", "sandbox"]),
    ("Connect", &["init", "config", "stdio", "http", "token"]),
    ("Use", &["call", "numbers", "operations", "undo", "freeze", "unfreeze", "carriers"]),
    ("Check", &["doctor", "tools", "probe"]),
    ("Other", &["version", "completions", "man", "help"]),
];

/// The width of the column of names.
const NAMES: usize = 11;

/// Returns the commands in their groups, a line each.
pub(crate) fn grouped(program: &Command) -> String {
    let styles = program.get_styles();
    let (header, literal) = (styles.get_header(), styles.get_literal());
    let mut text = String::new();
    for (group, names) in GROUPS {
        let _ = writeln!(text, "{header}{group}{header:#}");
        for name in names {
            let about = program.find_subcommand(name).and_then(Command::get_about).map(ToString::to_string);
            let gap = " ".repeat(NAMES.saturating_sub(name.len()));
            let _ = writeln!(text, "  {literal}{name}{literal:#}{gap}  {}", about.unwrap_or_default());
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use clap::CommandFactory;

    use super::*;
    use crate::cli::args::Cli;

    #[test]
    fn every_command_is_in_one_group_and_fits_in_a_line() {
        let program = Cli::command();
        let listed: Vec<&str> = GROUPS.iter().flat_map(|(_, names)| names.iter().copied()).collect();
        let there: BTreeSet<&str> = program.get_subcommands().map(Command::get_name).collect();
        assert_eq!(listed.iter().copied().collect::<BTreeSet<_>>(), there);
        assert_eq!(listed.len(), there.len(), "a command is in two groups");
        let text = anstream::adapter::strip_str(&grouped(&program)).to_string();
        for line in text.lines() {
            assert!(line.chars().count() <= 100 && !line.trim_end().ends_with("  "), "{line}");
        }
    }
}
