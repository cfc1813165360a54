//! `call TOOL --help`: what a tool does, and its arguments.

use std::fmt::Write as _;

use serde_json::Value;

use crate::cli::call_arguments::written;
use crate::cli::color::HELP_STYLES;
use crate::cli::help::layout::WIDTH;
use crate::cli::wrap::wrap;
use crate::mcp::{Catalog, CatalogEntry};

/// Returns the help page of a tool with its styles. `None` if there is no such tool.
pub(crate) fn tool_page(name: &str) -> Option<String> {
    let catalog = Catalog::new();
    let entry = catalog.get(name)?;
    let (header, literal) = (HELP_STYLES.get_header(), HELP_STYLES.get_literal());
    let description = entry.card.description.as_deref().unwrap_or_default();
    let mut text = String::new();
    for paragraph in description.split("\n\n") {
        let _ = writeln!(text, "{}\n", wrap(paragraph, WIDTH).join("\n"));
    }
    let command = format!("Example: truedy-mcp call {name}");
    let given = match entry.example {
        Some(example) => format!(" {example}"),
        None => format!("{} --sandbox", example(entry)),
    };
    // A line that is too long goes on in the next, as a shell reads it.
    let fits = command.len() + given.len() <= WIDTH;
    let _ = writeln!(text, "{command}{}{given}\n", if fits { "" } else { " \\\n   " });
    let arguments = arguments(entry);
    if arguments.is_empty() {
        text.push_str("It takes no arguments.\n");
        return Some(text);
    }
    let widest = |of: fn(&ToolArgument) -> &str| arguments.iter().map(|one| of(one).chars().count()).max().unwrap_or(0);
    let (names, kinds) = (widest(|one| &one.name), widest(|one| &one.kind));
    let _ = writeln!(text, "{header}Arguments, as name=value:{header:#}");
    for ToolArgument { name, kind, about } in &arguments {
        let before = 2 + names + 2 + kinds + 2;
        let about = wrap(about, WIDTH.saturating_sub(before)).join(&format!("\n{}", " ".repeat(before)));
        let gap = " ".repeat(names - name.chars().count());
        let _ = writeln!(text, "  {literal}{name}{literal:#}{gap}  {kind:<kinds$}  {about}");
    }
    text.push_str("\nSecrets go through standard input only: truedy-mcp call TOOL --json -\n");
    Some(text)
}

/// An argument of a tool, as its help shows it.
struct ToolArgument {
    name: String,
    kind: String,
    about: String,
}

/// Returns the arguments, required ones first.
fn arguments(entry: &CatalogEntry) -> Vec<ToolArgument> {
    let properties = entry.card.input_schema.get("properties").and_then(Value::as_object);
    let mut all: Vec<(bool, ToolArgument)> = Vec::new();
    for (name, schema) in properties.into_iter().flatten() {
        let word = |field: &str| schema.get(field).and_then(Value::as_str).unwrap_or_default();
        let required = is_required(entry, name);
        let values: Vec<&str> =
            schema.get("enum").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str).collect();
        let kind = match word("type") {
            "boolean" => "true|false",
            "integer" => "number",
            "array" => "a,b,…",
            _ => "text",
        };
        let before = if required { "Required. " } else { "" };
        let after = if values.is_empty() { String::new() } else { format!(" One of {}.", values.join(", ")) };
        let about = format!("{before}{}{after}", word("description"));
        all.push((!required, ToolArgument { name: name.clone(), kind: kind.to_owned(), about }));
    }
    all.sort_by_key(|(optional, _)| *optional);
    all.into_iter().map(|(_, one)| one).collect()
}

fn is_required(entry: &CatalogEntry, name: &str) -> bool {
    let required = entry.card.input_schema.get("required").and_then(Value::as_array);
    required.is_some_and(|names| names.iter().any(|required| required == name))
}

/// Returns the arguments of an example: those that are required, or the first one that has an example.
fn example(entry: &CatalogEntry) -> String {
    let properties = entry.card.input_schema.get("properties").and_then(Value::as_object);
    let with_value: Vec<(bool, String)> = properties
        .into_iter()
        .flatten()
        .filter(|(name, _)| !entry.secrets.contains(&name.as_str()))
        .filter_map(|(name, schema)| {
            let values = schema.get("enum").and_then(Value::as_array).and_then(|values| values.first()?.as_str());
            let quoted = schema.get("description").and_then(Value::as_str).and_then(|text| text.split('"').nth(1));
            let value = values.or(quoted)?;
            Some((is_required(entry, name), written(name, value)))
        })
        .collect();
    let required: String = with_value.iter().filter(|(required, _)| *required).map(|(_, text)| text.as_str()).collect();
    if !required.is_empty() {
        return required;
    }
    with_value.into_iter().next().map(|(_, text)| text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tools::Tool as _;

    #[test]
    fn the_page_of_every_tool_is_short_and_shows_each_argument_and_an_example() {
        for name in Catalog::names() {
            let page = anstream::adapter::strip_str(&tool_page(name).unwrap()).to_string();
            assert!(page.lines().count() <= 45, "{name} has {} lines", page.lines().count());
            assert!(page.lines().all(|line| line.chars().count() <= WIDTH), "{page}");
            assert!(page.contains(&format!("Example: truedy-mcp call {name}")), "{page}");
            let catalog = Catalog::new();
            let entry = catalog.get(name).unwrap();
            for argument in arguments(entry) {
                assert!(page.contains(&format!("\n  {} ", argument.name)), "{name}: {}", argument.name);
            }
        }
        let buy = tool_page(crate::tools::PurchaseNumber::NAME).unwrap();
        assert!(buy.contains("Required. E.164") && buy.contains("phone_number=+14155550100"), "{buy}");
        assert_eq!(tool_page("no_such_tool"), None);
    }
}
