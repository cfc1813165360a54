//! `truedy-mcp tools`: prints the catalogue as agents see it.

use std::io::{self, IsTerminal};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::output::{Exit, print, print_styled, width};
use crate::cli::table::{Cell, Table, WARNING};
use crate::cli::tool_search::ToolIndex;
use crate::config::{ConfigError, Settings};
use crate::guard::Policy;
use crate::mcp::{Catalog, CatalogEntry};

#[derive(Debug, Args)]
pub struct ToolsArgs {
    /// As JSON, as clients receive it.
    #[arg(long)]
    json: bool,
    /// As a Markdown table.
    #[arg(long, conflicts_with = "json")]
    markdown: bool,
    /// Only tools that fit these words, best first, for example "buy a phone number".
    #[arg(long, value_name = "WORDS")]
    search: Option<String>,
}

pub(super) fn run(settings: &Settings, arguments: &ToolsArgs) -> Result<Exit, ConfigError> {
    let catalog = Catalog::new();
    let names: Vec<&str> = catalog.entries().iter().map(CatalogEntry::name).collect();
    let policy = settings.with_file_policy()?.policy(&names)?;
    // An error in a tenant's section is reported here, as in every other command.
    settings.tenants()?.iter().try_for_each(|tenant| tenant.settings.policy(&names).map(drop))?;
    let mut entries: Vec<&CatalogEntry> = catalog.offered(&policy).collect();
    if let Some(words) = &arguments.search {
        let texts: Vec<String> = entries.iter().map(|entry| search_text(entry, &policy)).collect();
        let hits = ToolIndex::new(texts.iter().map(String::as_str)).search(words);
        entries = hits.iter().filter_map(|(index, _)| entries.get(*index).copied()).collect();
    }
    if arguments.json {
        let cards: Vec<Value> =
            entries.iter().filter_map(|entry| serde_json::to_value(entry.shown(&policy)).ok()).collect();
        print(&format!("{}\n", serde_json::to_string_pretty(&json!({ "tools": cards })).unwrap_or_default()));
    } else if arguments.markdown {
        print(&table(&entries, &policy));
    } else {
        let width = io::stdout().is_terminal().then(|| width(&io::stdout()));
        print_styled(&plain(&entries, &policy, width));
    }
    Ok(if entries.is_empty() { Exit::Failed } else { Exit::Fine })
}

/// Returns the text that clients search: name, title, description and the names of the arguments.
fn search_text(entry: &CatalogEntry, policy: &Policy) -> String {
    let card = entry.shown(policy);
    let arguments: Vec<&str> = card
        .input_schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    format!(
        "{} {} {} {}",
        card.name.replace('_', " "),
        card.title.as_deref().unwrap_or_default(),
        card.description.as_deref().unwrap_or_default(),
        arguments.join(" ").replace('_', " ")
    )
}

/// Returns the tools that are offered by default: a Markdown table of all, then the arguments of each.
pub(super) fn markdown() -> String {
    let (catalog, policy) = (Catalog::new(), Policy::default());
    let entries: Vec<&CatalogEntry> = catalog.offered(&policy).collect();
    let sections = entries.iter().map(|entry| section(entry, &policy));
    table(&entries, &policy) + &sections.collect::<String>()
}

/// Returns a tool with its description, as agents read it, and a table of its arguments.
fn section(entry: &CatalogEntry, policy: &Policy) -> String {
    let card = entry.shown(policy);
    let description = card.description.as_deref().unwrap_or_default();
    let required = card.input_schema.get("required").and_then(Value::as_array);
    let mut text = format!("\n## `{}`\n\n{description}\n", entry.name());
    let arguments = card.input_schema.get("properties").and_then(Value::as_object);
    if arguments.is_some_and(|arguments| !arguments.is_empty()) {
        text.push_str("\n| argument | type | required | what it takes |\n| --- | --- | --- | --- |\n");
    }
    for (name, schema) in arguments.into_iter().flatten() {
        let word = |field: &str| schema.get(field).and_then(Value::as_str).unwrap_or_default();
        let is_required = required.is_some_and(|names| names.iter().any(|required| required == name));
        let values: Vec<&str> =
            schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let values = if values.is_empty() { String::new() } else { format!(" One of `{}`.", values.join("`, `")) };
        let required = if is_required { "yes" } else { "" };
        let what = word("description").replace('|', "\\|");
        text.push_str(&format!("| `{name}` | {} | {required} | {what}{values} |\n", word("type")));
    }
    text
}

/// Returns the tools as a Markdown table, for `docs/reference`.
fn table(entries: &[&CatalogEntry], policy: &Policy) -> String {
    let mut table = String::from("| tool | what it does | effect | tokens |\n| --- | --- | --- | --- |\n");
    for entry in entries {
        table.push_str(&format!(
            "| `{}` | {} | {} | ~{} |\n",
            entry.name(),
            first_sentence(entry),
            entry.effect.as_str(),
            tokens(entry, policy)
        ));
    }
    table
}

/// Returns the tools as a table with styles. It is cut to `width`, if that is given.
fn plain(entries: &[&CatalogEntry], policy: &Policy, width: Option<usize>) -> String {
    let mut table = Table::new(["TOOL", "EFFECT", "TOKENS", "WHAT IT DOES"].map(str::to_owned));
    for entry in entries {
        let effect = match entry.effect.as_str() {
            effect if entry.effect.grave() => Cell::styled(effect, WARNING),
            effect => effect.into(),
        };
        let tokens = format!("{:>6}", format!("~{}", tokens(entry, policy)));
        table.row(vec![entry.name().into(), effect, tokens.into(), first_sentence(entry).into()]);
    }
    let total: usize = entries.iter().map(|entry| tokens(entry, policy)).sum();
    let shown = width.map_or_else(|| table.to_text(), |width| table.clone().keeping(&["TOOL"]).fitted(width).0);
    format!("{shown}\n{} tools, about {total} tokens in a model's context\n", entries.len())
}

fn first_sentence(entry: &CatalogEntry) -> String {
    let description = entry.card.description.as_deref().unwrap_or_default();
    description.split_once(". ").map_or(description, |(first, _)| first).trim_end_matches('.').to_owned()
}

/// Estimates the tokens of a tool: one for four bytes of name, description and input schema. A model is shown these
/// three.
fn tokens(entry: &CatalogEntry, policy: &Policy) -> usize {
    let card = entry.shown(policy);
    let schema = Value::Object(card.input_schema.as_ref().clone()).to_string().len();
    (card.name.len() + card.description.as_deref().map_or(0, str::len) + schema).div_ceil(4)
}
