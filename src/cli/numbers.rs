//! `truedy-mcp numbers`: shows the numbers of the account, and who has them.

use std::sync::Arc;

use clap::Args;
use serde_json::{Map, Value, json};
use tokio_util::sync::CancellationToken;

use crate::cli::call::{COMMAND_LINE, exit_of, told_here};
use crate::cli::output::{Exit, complain, print, print_styled};
use crate::cli::progress::ProgressLine;
use crate::cli::repeated_call::until_answered;
use crate::cli::table::{Cell, FAINT, GOOD, Table, WARNING};
use crate::cli::{bootstrap, logging};
use crate::config::{ConfigError, Settings};
use crate::domain::numbers_for_people;
use crate::mcp::{CallResult, Catalog, CatalogEntry, ClientCall, CredentialForms, FinishedCall, Principal};
use crate::redact::Redactor;
use crate::tools::{ListNumbers, NumberSheet, Tool};

/// How many numbers are asked for at once.
const PAGE: u64 = 100;

#[derive(Debug, Args)]
pub struct NumbersArgs {
    /// As JSON: an array of objects.
    #[arg(long)]
    json: bool,
    /// As CSV, for a spreadsheet.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
}

pub(super) fn run(settings: &Settings, arguments: &NumbersArgs) -> Result<Exit, ConfigError> {
    let redactor = Arc::new(Redactor::default());
    let _traced = logging::start_for_one(settings, &redactor);
    let service = bootstrap::service(settings, &redactor, CredentialForms::nowhere())?;
    let local = Principal::local(Arc::clone(&service), settings.mode());
    let catalog = Catalog::new();
    let Some(entry) = catalog.get(ListNumbers::NAME) else {
        return Err(ConfigError("The numbers cannot be listed.".to_owned()));
    };
    match bootstrap::runtime()?.block_on(all(entry, &local)) {
        Ok(numbers) => {
            for warning in &numbers.warnings {
                complain(warning);
            }
            show(&numbers.table, arguments);
            Ok(Exit::Fine)
        }
        Err(reply) => {
            let reply = told_here(&service, *reply);
            let summary = match &reply {
                CallResult::Done(FinishedCall { body, .. }) => body.get("summary").and_then(Value::as_str),
                CallResult::Ask(_) => None,
            };
            complain(summary.unwrap_or("the numbers could not be read"));
            Ok(exit_of(&reply))
        }
    }
}

/// The numbers of all pages.
#[derive(Default)]
struct AllPages {
    table: NumberSheet,
    /// What Truedy did not say, each warning once.
    warnings: Vec<String>,
}

/// Reads all pages. The error is the answer that ended it.
async fn all(entry: &CatalogEntry, local: &Principal) -> Result<AllPages, Box<CallResult>> {
    let (mut all, mut offset) = (AllPages::default(), 0);
    // Whoever ends the program ends the reading.
    let stop = CancellationToken::new();
    let waiting = ProgressLine::begin("reading the numbers");
    loop {
        let arguments = Map::from_iter([("limit".to_owned(), json!(PAGE)), ("offset".to_owned(), json!(offset))]);
        let from = || ClientCall::unattended(Some(COMMAND_LINE.to_owned()));
        let call = || entry.call(arguments.clone(), local, from(), stop.clone());
        let reply = until_answered(&waiting, &stop, true, call).await;
        let CallResult::Done(FinishedCall { body, is_error: false, .. }) = &reply else {
            return Err(Box::new(reply));
        };
        all.table.add(body);
        for warning in body.get("warnings").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            if !all.warnings.iter().any(|known| known == warning) {
                all.warnings.push(warning.to_owned());
            }
        }
        match body.get("next_offset").and_then(Value::as_u64) {
            Some(next) if next > offset => {
                let of = body.get("total").and_then(Value::as_u64).map(|total| format!(" of {total}"));
                waiting.say(format!("{}{} numbers are read", all.table.rows.len(), of.unwrap_or_default()));
                offset = next;
            }
            _ => return Ok(all),
        }
    }
}

fn show(numbers: &NumberSheet, arguments: &NumbersArgs) {
    if arguments.csv {
        return print(&numbers.to_csv());
    }
    if arguments.json {
        let objects: Vec<Value> = numbers.rows.iter().map(|row| object(&numbers.columns, row)).collect();
        return print(&format!("{}\n", serde_json::to_string_pretty(&objects).unwrap_or_default()));
    }
    if numbers.rows.is_empty() {
        return print("No numbers.\n");
    }
    let mut table = Table::new(numbers.columns.iter().map(|name| name.to_ascii_uppercase()));
    for row in &numbers.rows {
        table.row(numbers.columns.iter().zip(row).map(|(column, text)| cell(column, text)).collect());
    }
    print_styled(&format!("{}\n{} numbers.\n", table.to_text(), numbers.rows.len()));
}

fn object(columns: &[String], row: &[String]) -> Value {
    let known = columns.iter().zip(row).filter(|(_, text)| !text.is_empty());
    Value::Object(known.map(|(name, text)| (name.clone(), json!(text))).collect())
}

fn cell(column: &str, text: &str) -> Cell {
    match (column, text) {
        ("number", number) => numbers_for_people(number).into(),
        ("id", id) => Cell::styled(id, FAINT),
        ("status", "active") => Cell::styled(text, GOOD),
        ("status", other) => Cell::styled(other, WARNING),
        ("inbound" | "outbound", "none") => "".into(),
        _ => text.into(),
    }
}
