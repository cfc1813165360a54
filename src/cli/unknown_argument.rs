//! What is said about an argument that no command has.

use clap::Command;
use serde_json::Value;

use crate::cli::given::arguments;
use crate::domain::{AccessField, did_you_mean};
use crate::mcp::Catalog;

/// Flags of other servers, and what has the same effect here.
const ELSEWHERE: [(&str, &str); 5] = [
    ("--port", "--listen 127.0.0.1:PORT"),
    ("--host", "--listen ADDRESS:8080"),
    ("--api-key", "the variable TRUEDY_API_KEY, or --api-key-file"),
    ("--token", "--tokens FILE"),
    ("--transport", "the command stdio or http"),
];

/// Returns the subcommand that the command line names.
pub(super) fn deepest(command: &Command) -> &Command {
    let words = std::env::args().skip(1);
    words.fold(command, |at, word| at.find_subcommand(word).unwrap_or(at))
}

/// Returns the field of a carrier that a flag names, if the command takes its source by `--from`.
fn carrier_field(flag: &str, command: &Command) -> Option<&'static str> {
    let takes_place = command.get_arguments().any(|arg| arg.get_long() == Some("from"));
    let name = flag.strip_prefix("--")?.replace('-', "_");
    AccessField::named(&name).filter(|_| takes_place).map(AccessField::name)
}

/// Returns the message for an unknown argument. The argument is repeated only if it cannot be a value.
pub(super) fn unknown_argument(argument: &str, suggested: Option<String>, command: &Command) -> String {
    let is_flag = argument.strip_prefix("--").is_some_and(|name| {
        (1..=30).contains(&name.len()) && name.bytes().all(|b| b.is_ascii_lowercase() || b"-_".contains(&b))
    });
    if !is_flag {
        return "an argument is not known, or one too many".to_owned();
    }
    let here = deepest(command);
    if let Some(field) = carrier_field(argument, here) {
        return format!(
            "unexpected argument '{argument}': here it is --from {field}=env:NAME, the place of the value, for example --from {field}=env:TELNYX_API_KEY; a key itself is never an argument"
        );
    }
    if let Some((_, here)) = ELSEWHERE.iter().find(|(flag, _)| *flag == argument) {
        return format!("unexpected argument '{argument}': here it is {here}");
    }
    let flags = command.get_arguments().chain(here.get_arguments()).filter_map(|arg| arg.get_long());
    let flags: Vec<String> = flags.map(|flag| format!("--{flag}")).collect();
    let with_dashes = argument.replace('_', "-");
    let same = flags.iter().find(|flag| **flag == with_dashes && **flag != argument).cloned();
    let of_tool = if here.get_name() == "call" && same.is_none() { tool_argument(argument) } else { None };
    if let Some(pair) = of_tool {
        return format!("unexpected argument '{argument}'. Arguments of a tool are name=value: {pair}");
    }
    // Where several commands have it, the name of one of them would mislead.
    let has_it =
        |command: &&Command| arguments(command).iter().any(|arg| arg.get_long() == argument.strip_prefix("--"));
    let mut others = command.get_subcommands().filter(has_it);
    if let (Some(other), None) = (others.next(), others.next()) {
        return format!("unexpected argument '{argument}': it belongs to the command {}", other.get_name());
    }
    let meant = same.or(suggested.filter(|meant| meant != argument));
    let meant = meant.or_else(|| did_you_mean(argument, flags.iter().map(String::as_str)).map(str::to_owned));
    let meant = meant.map(|meant| format!("; did you mean '{meant}'?")).unwrap_or_default();
    format!("unexpected argument '{argument}' found{meant}")
}

/// Returns the argument of the called tool that a flag stands for, as it is written: `unassigned=true`.
fn tool_argument(flag: &str) -> Option<String> {
    let catalog = Catalog::new();
    let entry = std::env::args().skip(1).find_map(|word| catalog.get(&word))?;
    let fields = entry.card.input_schema.get("properties")?.as_object()?;
    let given = flag.trim_start_matches('-').replace('-', "_");
    let names = fields.keys().map(String::as_str);
    let name = fields.get_key_value(&given).map(|(name, _)| name.as_str()).or_else(|| did_you_mean(&given, names))?;
    let is_switch = fields.get(name)?.get("type").and_then(Value::as_str) == Some("boolean");
    Some(format!("{name}={}", if is_switch { "true" } else { "VALUE" }))
}
