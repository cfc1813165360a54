//! The layout of the help pages: what a command is for, an example, and no more settings than people look for there.

use clap::builder::{Resettable, StyledStr};
use clap::{Arg, Command};

use crate::cli::help::groups::grouped;

/// The longest line of a help page, in characters.
pub(crate) const WIDTH: usize = 100;

/// The settings that the page of a command shows, without the dashes. The command uses each of them.
/// A command that is not listed uses none.
const SHOWN: [(&str, &[&str]); 16] = [
    ("stdio", &["sandbox", "read-only", "spend-per-day", "protect", "api-key-file", "config"]),
    ("http", &["sandbox", "read-only", "config"]),
    ("call", &["sandbox", "api-key-file", "config"]),
    ("numbers", &["sandbox", "api-key-file", "config"]),
    ("tools", &["read-only", "tools", "exclude-tools"]),
    ("doctor", &["sandbox", "api-key-file", "config"]),
    ("operations", &["sandbox", "journal", "state-dir"]),
    ("operations resolve", &["sandbox", "journal", "state-dir"]),
    ("undo", &["sandbox", "api-key-file", "config"]),
    ("freeze", &["sandbox", "journal", "state-dir"]),
    ("unfreeze", &["sandbox", "journal", "state-dir"]),
    ("carriers", &["config"]),
    ("config", &["sandbox", "read-only", "config"]),
    ("config print", &["sandbox", "read-only", "config"]),
    ("sandbox", &["ephemeral", "fault", "ledger", "state-dir"]),
    ("sandbox reset", &["state-dir"]),
];

/// The arguments of `http` that its page shows.
const OF_HTTP: [&str; 6] = ["listen", "tokens", "oauth-issuer", "behind-tls-proxy", "allow-host", "replicas"];

/// The heading of the settings on the page of a command.
const HEADING: &str = "Settings (`truedy-mcp help settings` shows all)";

/// The page of the program. `GROUPS` stands for the commands.
const PROGRAM_PAGE: &str = "\
{about-with-newline}
  truedy-mcp tour    # all of it on made-up numbers, in a few seconds and without an account

{usage-heading} {usage}

GROUPS

{options}

Settings are flags or variables: `truedy-mcp help settings`. The API key comes from TRUEDY_API_KEY
or from a file, never from an argument. `truedy-mcp COMMAND --help` says more about a command.
Exit codes: 0 fine, 1 failed, 2 usage, 3 key missing or refused, 4 Truedy down, 5 refused by policy
or frozen, 6 not known whether it happened: do not repeat it, see `truedy-mcp operations`.";

/// The page of a command: what it is for and how it is used come first.
const PAGE: &str = "{about}{after-help}\n\n{usage-heading} {usage}\n\n{all-args}";

/// Returns the definition that the help is printed from. It parses the same command lines.
pub(crate) fn laid_out(program: Command) -> Command {
    let settings: Vec<Arg> = program.get_arguments().filter(|arg| is_setting(arg)).cloned().collect();
    let page = PROGRAM_PAGE.replace("GROUPS", grouped(&program).trim_end());
    program
        .mut_args(|arg| if is_setting(&arg) { arg.hide(true) } else { concise(arg) })
        .mut_subcommands(|command| {
            let name = command.get_name().to_owned();
            laid_out_command(command, &name, &settings, None)
        })
        .help_template(page)
        .max_term_width(WIDTH)
}

/// Whether an argument is a setting of every command.
fn is_setting(arg: &Arg) -> bool {
    arg.is_global_set() && arg.get_env().is_some()
}

/// `examples` are those of the command above, for a command that has none of its own.
fn laid_out_command(command: Command, words: &str, settings: &[Arg], examples: Option<StyledStr>) -> Command {
    let examples = command.get_after_help().cloned().or(examples);
    let shown = shown_settings(words);
    let settings_here = settings.iter().filter(|arg| shown.iter().any(|name| arg.get_long() == Some(name)));
    let settings_here: Vec<Arg> =
        settings_here.cloned().map(|arg| concise(arg).global(false).help_heading(HEADING)).collect();
    let is_hidden = |arg: &Arg| words == "http" && !OF_HTTP.iter().any(|name| arg.get_long() == Some(name));
    let command = command.mut_args(|arg| {
        let hidden = arg.is_hide_set() || is_hidden(&arg);
        concise(arg).hide(hidden)
    });
    let command = command.args(settings_here).help_template(PAGE).mut_subcommands(|below| {
        let words = format!("{words} {}", below.get_name());
        laid_out_command(below, &words, settings, examples.clone())
    });
    match examples {
        Some(examples) => command.after_help(examples),
        None => command,
    }
}

/// Returns the settings that the page of a command shows. Those of `carriers` are those of its subcommands.
fn shown_settings(words: &str) -> &'static [&'static str] {
    let first = words.split(' ').next().unwrap_or_default();
    let found = SHOWN.iter().find(|(name, _)| *name == words);
    found
        .or_else(|| SHOWN.iter().find(|(name, _)| *name == first && first != "sandbox"))
        .map_or(&[], |(_, shown)| shown)
}

/// Returns an argument as a help page shows it: short values stand in its name, and nothing in further paragraphs.
pub(crate) fn concise(arg: Arg) -> Arg {
    let values: Vec<String> = arg
        .get_possible_values()
        .iter()
        .filter(|one| !one.is_hide_set())
        .map(|one| one.get_name().to_owned())
        .collect();
    let arg = arg.long_help(Resettable::Reset).hide_env_values(true);
    let is_named = arg.get_value_names().is_some_and(|names| names.iter().any(|name| name.contains('|')));
    if !arg.get_action().takes_values() {
        return arg;
    }
    if values.is_empty() || is_named || values == ["true", "false"] {
        return arg.hide_possible_values(true);
    }
    let about = arg.get_help().map(ToString::to_string).unwrap_or_default();
    arg.hide_possible_values(true).help(format!("{}: {}", about.trim_end_matches('.'), values.join(", ")))
}
