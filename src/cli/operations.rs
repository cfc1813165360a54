//! `truedy-mcp operations`: shows the recorded changes, and records outcomes that an operator found out.

use std::fmt::Write as _;
use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use jiff::ZonedDateTime;
use jiff::tz::TimeZone;
use serde_json::{Value, json};

use crate::cli::operation_table::{csv, line, table, whole};
use crate::cli::output::{Exit, complain, print, print_styled};
use crate::cli::repeated::command_as_given;
use crate::cli::{bootstrap, logging};
use crate::config::{ConfigError, Settings};
use crate::domain::{Argument, ChangeName, Moment, NumberRef, OperationSelection, OperationState, clean_to, read_e164};
use crate::journal::{
    Journal, Operation, OperationPhase, OperationQuery, Outcome, OutcomeSource, PREVIEWED, Unavailable,
};
use crate::redact::Redactor;
use crate::tools::{change_kinds, totals_of, totals_sentence};

/// How often new changes are looked for.
const LOOK: Duration = Duration::from_millis(500);
/// Longest note, in characters.
const NOTE: usize = 200;

#[derive(Debug, Args)]
pub struct OperationsArgs {
    /// As JSON: an array, or one object a line with --follow.
    #[arg(long)]
    json: bool,
    /// As CSV, for a spreadsheet.
    #[arg(long, conflicts_with_all = ["json", "follow"])]
    csv: bool,
    /// Go on and show every change as it comes.
    #[arg(long)]
    follow: bool,
    /// Only this operation.
    #[arg(long, value_name = "ID")]
    id: Option<String>,
    /// Only in this state: begun, sent, done, refused, previewed, or unknown, which are the unresolved ones.
    #[arg(long, value_name = "STATE", value_parser = shown_state)]
    state: Option<ShownState>,
    /// Only of this tool, for example `purchase_number`.
    #[arg(long, value_name = "NAME", value_parser = change_name)]
    tool: Option<ChangeName>,
    /// Only about this number: with + and country code as you like to write it, or by id.
    #[arg(long, value_name = "NUMBER", value_parser = number)]
    object: Option<NumberRef>,
    /// Only those begun since then: `today`, `yesterday`, `7d`, `2h`, `2026-11-25` or `2026-11-25T08:00:00Z`.
    #[arg(long, value_name = "MOMENT", value_parser = parsed::<Moment>)]
    since: Option<Moment>,
    /// Only those begun until then; a day counts to its end.
    #[arg(long, value_name = "MOMENT", value_parser = parsed::<Moment>)]
    until: Option<Moment>,
    /// `changes`: what was changed, or may have been; `all`: refusals and previews as well.
    #[arg(long, value_name = "changes|all", default_value = "changes", value_parser = parsed::<OperationSelection>)]
    only: OperationSelection,
    /// At most so many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    limit: u32,
    #[command(subcommand)]
    command: Option<OperationsCommand>,
}

#[derive(Debug, Subcommand)]
enum OperationsCommand {
    /// Say what became of an unresolved operation, after a look in Truedy's dashboard.
    #[command(
        after_help = "Example: truedy-mcp operations resolve 0199d0ab-7c1e-7d4b-9a55-2f0e6b1c8d90 --as not-bought --note \"not in the dashboard\""
    )]
    Resolve(ResolveArgs),
}

#[derive(Debug, Args)]
struct ResolveArgs {
    /// Its id.
    id: String,
    /// Whether it happened; for an import, release or assignment, too: bought stands for yes, not-bought for no.
    #[arg(long = "as", value_enum)]
    verdict: ResolvedAs,
    /// Where that was seen, in at most 200 characters; kept with it.
    #[arg(long, value_name = "TEXT")]
    note: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ResolvedAs {
    /// It happened.
    #[value(alias = "done")]
    Bought,
    /// It did not happen.
    #[value(alias = "not-done")]
    NotBought,
}

/// Parses an argument like a tool does.
fn parsed<T: Argument>(text: &str) -> Result<T, String> {
    T::parse(&json!(text)).map_err(|why| format!("{why}; expected is {}, for example {}", T::EXPECTED, T::EXAMPLE))
}

/// A state as it is printed. A preview is stored as a refused call, but printed as a preview.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ShownState {
    Of(OperationState),
    Previewed,
}

fn shown_state(text: &str) -> Result<ShownState, String> {
    if text == PREVIEWED {
        return Ok(ShownState::Previewed);
    }
    parsed::<OperationState>(text).map(ShownState::Of).map_err(|why| format!("{why}; or previewed"))
}

/// Parses a number or an id. A number may have any notation that includes its country code, as in printed output.
fn number(text: &str) -> Result<NumberRef, String> {
    parsed::<NumberRef>(read_e164(text).as_deref().unwrap_or(text))
}

pub(super) fn run(settings: &Settings, arguments: &OperationsArgs) -> Result<Exit, ConfigError> {
    let redactor = std::sync::Arc::new(Redactor::default());
    let _traced = logging::start_for_one(settings, &redactor);
    let journal = bootstrap::journal(settings, &redactor)?;
    if journal.kind() == "memory" {
        return Err(ConfigError("A journal in memory is gone with its process; there is nothing to show.".to_owned()));
    }
    let outcome = bootstrap::runtime()?.block_on(async {
        match &arguments.command {
            Some(OperationsCommand::Resolve(what)) => resolve(&journal, what, &redactor).await,
            None if arguments.follow => follow(&journal, arguments).await,
            None => show(&journal, arguments).await,
        }
    });
    Ok(outcome.unwrap_or_else(|why| {
        complain(&format!("the journal cannot be used: {why}. `truedy-mcp doctor` helps to find the cause."));
        Exit::Failed
    }))
}

fn query(arguments: &OperationsArgs, now: &ZonedDateTime) -> OperationQuery {
    OperationQuery {
        tenant: None,
        id: arguments.id.as_ref().map(|id| id.to_ascii_lowercase()),
        state: match arguments.state {
            Some(ShownState::Of(state)) => OperationPhase::read(state.as_str()),
            Some(ShownState::Previewed) | None => None,
        },
        previews: arguments.state == Some(ShownState::Previewed),
        tool: arguments.tool.as_ref().map(|tool| tool.as_str().to_owned()),
        object: arguments.object.as_ref().map(|object| object.as_str().to_owned()),
        changes: arguments.only == OperationSelection::Changes,
        since: arguments.since.as_ref().map(|since| since.begins(now)),
        until: arguments.until.as_ref().map(|until| until.ends(now)),
        after: None,
        after_rev: None,
        limit: arguments.limit,
    }
}

async fn show(journal: &Journal, arguments: &OperationsArgs) -> Result<Exit, Unavailable> {
    let now = ZonedDateTime::now();
    let zone = now.time_zone();
    let query = query(arguments, &now);
    if query.has_empty_period() {
        complain("--until: it is not after --since; expected is a later time or day, for example --until today.");
        return Ok(Exit::Usage);
    }
    let found = journal.find(query.clone()).await?;
    if (arguments.json || arguments.csv) && found.len() >= arguments.limit as usize {
        complain(&format!("these are the first {}; there may be more. --limit takes up to 10000.", found.len()));
    }
    if let Some(why) = arguments.object.as_ref().filter(|_| found.is_empty()).and_then(NumberRef::found_nothing) {
        complain(why);
    }
    if arguments.json {
        let rows: Vec<Value> = found.iter().map(|operation| whole(operation, zone)).collect();
        print(&format!("{}\n", serde_json::to_string_pretty(&rows).unwrap_or_default()));
        return Ok(Exit::Fine);
    }
    if arguments.csv {
        print(&csv(&found, zone));
        return Ok(Exit::Fine);
    }
    let mut text = String::new();
    if found.len() >= arguments.limit as usize {
        let _ = writeln!(text, "The first {} (--limit shows more):", found.len());
    }
    if found.is_empty() {
        text.push_str("No operations.\n");
    } else {
        text.push_str(&table(&found, zone));
    }
    let totals = totals_of(journal, &query).await?.as_ref().map(totals_sentence);
    if let Some(totals) = totals.filter(|totals| !totals.is_empty()) {
        let _ = writeln!(text, "\n{totals}");
    }
    let unresolved = found.iter().filter(|operation| operation.is_unresolved()).count();
    if unresolved > 0 {
        let _ = writeln!(
            text,
            "\nUnresolved: {unresolved}. It is not known whether Truedy has done them. Look for each in Truedy's dashboard, then record what is there:\n  {}\n  {}",
            command_as_given("truedy-mcp operations resolve ID --as bought --note \"in the dashboard since 12:04\""),
            command_as_given("truedy-mcp operations resolve ID --as not-bought --note \"not in the dashboard\"")
        );
    }
    print_styled(&text);
    Ok(Exit::Fine)
}

/// Prints the recorded operations and then every change, until the program is ended.
async fn follow(journal: &Journal, arguments: &OperationsArgs) -> Result<Exit, Unavailable> {
    let (zone, now) = (TimeZone::system(), ZonedDateTime::now());
    let told = |operation: &Operation| {
        if arguments.json {
            print(&format!("{}\n", whole(operation, &zone)))
        } else {
            print_styled(&line(operation, &zone))
        }
    };
    let mut shown = journal.find(query(arguments, &now)).await?;
    shown.sort_by_key(|operation| operation.rev);
    shown.iter().for_each(told);
    let mut rev = shown.last().map_or(0, |operation| operation.rev);
    let end = crate::cli::signal::end();
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return Ok(Exit::Fine),
            () = tokio::time::sleep(LOOK) => {}
        }
        for operation in journal.find(OperationQuery { after_rev: Some(rev), ..query(arguments, &now) }).await? {
            rev = rev.max(operation.rev);
            told(&operation);
        }
    }
}

async fn resolve(journal: &Journal, what: &ResolveArgs, redactor: &Redactor) -> Result<Exit, Unavailable> {
    let note = clean_to(&what.note, NOTE);
    if note.is_empty() {
        complain("--note must say where it was seen, for example \"not in the dashboard\".");
        return Ok(Exit::Usage);
    }
    if redactor.text(&note) != note {
        complain("--note holds something that looks like a key; say it without.");
        return Ok(Exit::Usage);
    }
    let id = what.id.to_ascii_lowercase();
    let known =
        journal.find(OperationQuery { id: Some(id.clone()), limit: 1, ..OperationQuery::default() }).await?.pop();
    let Some(operation) = known else {
        complain(&format!("there is no operation {}; `truedy-mcp operations` shows them.", clean_to(&what.id, 64)));
        return Ok(Exit::Failed);
    };
    let happened = what.verdict == ResolvedAs::Bought;
    let outcome = outcome(&operation.tool, happened);
    let ending = Outcome::new(happened, outcome, OutcomeSource::Operator);
    match journal.resolve(id, ending, note).await? {
        Some((operation, true)) => {
            print_styled(&line(&operation, &TimeZone::system()));
            Ok(Exit::Fine)
        }
        Some((operation, false)) => {
            let why = match operation.state {
                OperationPhase::Begun | OperationPhase::Sent => "it is still running",
                _ => "its outcome is known",
            };
            complain(&format!("nothing was changed: the operation is not unresolved, {why}."));
            print_styled(&line(&operation, &TimeZone::system()));
            Ok(Exit::Failed)
        }
        None => Ok(Exit::Failed),
    }
}

/// Returns the outcome in the journal that an operator found out.
fn outcome(tool: &str, happened: bool) -> &'static str {
    match (change_kinds().find(tool), happened) {
        (Some(kind), true) => kind.succeeded.as_str(),
        (Some(kind), false) => kind.not_done,
        (None, true) => "done",
        (None, false) => "not_done",
    }
}

/// Parses the name of a tool that changes something.
fn change_name(text: &str) -> Result<ChangeName, String> {
    let name = parsed::<ChangeName>(text)?;
    change_kinds().check("tool", &name).map_err(|problem| {
        format!("{}; expected is {}, for example {}", problem.reason, problem.expected, problem.example)
    })?;
    Ok(name)
}
