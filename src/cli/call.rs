//! `truedy-mcp call`: calls one tool by the same code path as over MCP.

use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::cli::output::{Exit, SET_A_KEY, complain, print, print_styled, width};
use crate::cli::person::{can_be_asked, is_yes, typed};
use crate::cli::progress::ProgressLine;
use crate::cli::repeated_call::until_answered;
use crate::cli::{answer, bootstrap, call_arguments, logging, signal};
use crate::config::{ConfigError, Settings};
use crate::domain::{ChangeClass, Status, meant_sentence, numbers_for_people};
use crate::journal::{ConsentPlace, Operation, OperationPhase};
use crate::mcp::{CallResult, Catalog, CatalogEntry, ClientCall, CredentialForms, FinishedCall, Principal, Service};
use crate::redact::Redactor;

/// What the journal keeps as the client of a call.
pub(super) const COMMAND_LINE: &str = concat!("truedy-mcp call ", env!("CARGO_PKG_VERSION"));

/// How long the program waits for the end of a change after its response.
const WAITING: Duration = Duration::from_secs(20);

#[derive(Debug, Args)]
pub struct CallArgs {
    /// The tool, for example list_numbers.
    tool: String,
    /// Arguments as name=value, for example `area_code=415`.
    #[arg(value_name = "NAME=VALUE")]
    arguments: Vec<String>,
    /// Answer in JSON, as in a pipe. With an object, or `-` for standard input, all arguments come from it; secrets only that way.
    #[arg(long, value_name = "OBJECT|-", num_args = 0..=1, default_missing_value = "")]
    json: Option<String>,
    /// Answer in CSV, for a spreadsheet.
    #[arg(long, conflicts_with = "json")]
    csv: bool,
    /// Do not ask at the terminal before a purchase or a release; `confirm=true` is needed all the same.
    #[arg(long)]
    yes: bool,
}

/// How an answer is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AnswerFormat {
    Json,
    Csv,
    /// Tables and facts, for a terminal.
    People,
}

impl CallArgs {
    fn format(&self) -> AnswerFormat {
        match () {
            () if self.csv => AnswerFormat::Csv,
            () if self.json.is_none() && io::stdout().is_terminal() => AnswerFormat::People,
            () => AnswerFormat::Json,
        }
    }
}

pub(super) fn run(settings: &Settings, call: &CallArgs) -> Result<Exit, ConfigError> {
    let redactor = Arc::new(Redactor::default());
    let _traced = logging::start_for_one(settings, &redactor);
    let service = bootstrap::service(settings, &redactor, CredentialForms::nowhere())?;
    let local = Principal::local(Arc::clone(&service), settings.mode());
    let catalog = Catalog::new();
    let Some(entry) = catalog.get(&call.tool) else {
        let names: Vec<&str> = catalog.entries().iter().map(CatalogEntry::name).collect();
        let meant = meant_sentence(&call.tool, names.iter().copied());
        return Err(ConfigError(format!("There is no tool of this name.{meant} There are {}.", names.join(", "))));
    };
    let arguments = call_arguments::read(&call.arguments, call.json.as_deref(), entry)?;
    let asks = entry.effect.grave() && !call.yes && can_be_asked();
    let runtime = bootstrap::runtime()?;
    let (reply, ended) = runtime.block_on(async {
        let unwanted = signal::cancelled_at_end();
        let attempt = CallAttempt { local: &local, entry, arguments, unwanted };
        let reply = if asks { attempt.ask().await } else { Some(attempt.call(None).await) };
        let ended = match &reply {
            Some(reply) => finish(&service, reply).await,
            None => None,
        };
        (reply.map(|reply| told_here(&service, reply)), ended)
    });
    // A read from the terminal may still be under way, and nobody waits for it.
    runtime.shutdown_background();
    Ok(match reply {
        Some(reply) => report(reply, ended, call.format()),
        None => {
            complain(entry.effect.nothing());
            Exit::Failed
        }
    })
}

/// One call of a tool.
struct CallAttempt<'a> {
    local: &'a Principal,
    entry: &'a CatalogEntry,
    arguments: Map<String, Value>,
    unwanted: CancellationToken,
}

impl CallAttempt<'_> {
    /// Calls the tool. `agreed` says where a person agreed to this call before.
    async fn call(&self, agreed: Option<ConsentPlace>) -> CallResult {
        let from = || ClientCall { agreed, ..ClientCall::unattended(Some(COMMAND_LINE.to_owned())) };
        let call = || self.entry.call(self.arguments.clone(), self.local, from(), self.unwanted.clone());
        let waiting = ProgressLine::begin("waiting for the answer");
        until_answered(&waiting, &self.unwanted, self.entry.effect.kind().is_none(), call).await
    }

    /// Shows the preview of a purchase or a release, asks the person at the terminal, and makes it.
    /// Returns nothing if the person does not agree.
    async fn ask(mut self) -> Option<CallResult> {
        self.arguments.remove("confirm");
        let shown = self.call(None).await;
        let Some(preview) = ready(&shown, self.entry.name()) else { return Some(frozen(shown, self.entry.name())) };
        let text = answer::for_people(&as_question(preview, self.entry.name()), true, width(&io::stderr()));
        complain(&format!("please look before you agree:\n{}", anstream::adapter::strip_str(&text)));
        let told = |field: &str| preview.get(field).and_then(Value::as_str).unwrap_or_default();
        if self.is_agreed(told("number"), told("price")).await {
            // With the price that was shown as the limit, and the token where one is needed. What is secret stays as given.
            let next = preview.get("next").and_then(|next| next.get("arguments")).and_then(Value::as_object);
            self.arguments.extend(next.cloned().unwrap_or_default());
            return Some(self.call(Some(ConsentPlace::Terminal)).await);
        }
        None
    }

    /// Asks the person: for a yes before money, and for the last four digits before a release.
    async fn is_agreed(&self, number: &str, price: &str) -> bool {
        let shown = numbers_for_people(number);
        if self.entry.effect.kind().is_some_and(|kind| kind.class == ChangeClass::Destroys) {
            complain(&format!("release {shown} for good? Type its last four digits:"));
            let digits = number.get(number.len().saturating_sub(4)..).unwrap_or_default();
            return !digits.is_empty() && typed(&self.unwanted).await == digits;
        }
        let price = if price.is_empty() { "a price that is not known" } else { price };
        complain(&format!("buy {shown} for {price}? [y/N]"));
        is_yes(&typed(&self.unwanted).await)
    }
}

/// Returns the body of a preview whose next step is the change itself. `None` if something stands in its way.
fn ready<'a>(shown: &'a CallResult, tool: &str) -> Option<&'a Map<String, Value>> {
    let CallResult::Done(FinishedCall { status: Status::ConfirmationRequired, body, .. }) = shown else { return None };
    let next = body.get("next").and_then(|next| next.get("tool")).and_then(Value::as_str);
    (next == Some(tool) && !body.contains_key("frozen")).then_some(body)
}

/// Returns a preview that tells of a freeze as the refusal that it is to a person, who asked for the change itself.
fn frozen(mut shown: CallResult, tool: &str) -> CallResult {
    if let CallResult::Done(FinishedCall { status, body, is_error }) = &mut shown
        && *status == Status::ConfirmationRequired
        && body.contains_key("frozen")
    {
        *body = as_question(body, tool);
        (*status, *is_error) = (Status::Frozen, true);
        body.insert("status".to_owned(), status.as_str().into());
    }
    shown
}

/// Returns a preview without what tells a model to call again: the person is asked right below.
fn as_question(preview: &Map<String, Value>, tool: &str) -> Map<String, Value> {
    let mut shown = preview.clone();
    shown.remove("next");
    if let Some(summary) = preview.get("summary").and_then(Value::as_str) {
        let again = format!("call {tool} again");
        let kept = summary.split_inclusive(". ").filter(|sentence| !sentence.contains(&again));
        shown.insert("summary".to_owned(), kept.collect::<String>().trim_end().into());
    }
    shown
}

/// Tells a person at the command line how to set a missing key. The sentence for clients is about starting a server.
pub(super) fn told_here(service: &Service, mut reply: CallResult) -> CallResult {
    if let CallResult::Done(FinishedCall { status: Status::AuthFailed, body, .. }) = &mut reply
        && !service.has_key()
    {
        let summary = format!("Nothing was sent. No Truedy API key is set. {SET_A_KEY}");
        body.insert("summary".to_owned(), Value::String(summary));
    }
    reply
}

/// Prints the response of a tool. `ended` is the operation, if its outcome was not known when it was answered.
pub(super) fn report(reply: CallResult, ended: Option<Operation>, format: AnswerFormat) -> Exit {
    let mut exit = exit_of(&reply);
    match reply {
        CallResult::Done(FinishedCall { body: object, .. }) => {
            match format {
                AnswerFormat::Json => print(&format!(
                    "{}\n",
                    serde_json::to_string_pretty(&Value::Object(object.clone())).unwrap_or_default()
                )),
                AnswerFormat::Csv if exit == Exit::Fine => print(&answer::csv(&object)),
                AnswerFormat::Csv => {}
                AnswerFormat::People => {
                    print_styled(&answer::for_people(&object, exit == Exit::Fine, width(&io::stdout())))
                }
            }
            if exit != Exit::Fine {
                complain(object.get("summary").and_then(Value::as_str).unwrap_or("the call failed"));
                if object.get("status") == Some(&Status::Frozen.as_str().into()) && format == AnswerFormat::People {
                    complain("`truedy-mcp doctor` shows each freeze, and `truedy-mcp unfreeze` ends it.");
                }
            }
        }
        CallResult::Ask(_) => complain("the tool asks a question that only an MCP client can put"),
    }
    if let Some(ended) = ended.filter(|operation| !operation.is_unresolved()) {
        complain(&format!("meanwhile it is {}: {}", ended.state, ended.outcome.as_deref().unwrap_or("still running")));
        exit = match ended.state {
            OperationPhase::Done => Exit::Fine,
            OperationPhase::Refused => Exit::Failed,
            OperationPhase::Begun | OperationPhase::Sent | OperationPhase::Unknown => exit,
        };
    }
    exit
}

/// Waits for the end of a change that still runs. It gets as much time as at the end of a connection. The journal records
/// it in any case.
pub(super) async fn finish(service: &Service, reply: &CallResult) -> Option<Operation> {
    if reply.status() == Some(Status::InProgress) {
        complain("the change goes on; its end is waited for, for a while.");
    }
    let _waiting = ProgressLine::begin("waiting for the end of the change");
    service.finish(std::future::ready(()), WAITING, WAITING).await;
    how_it_ended(service, reply).await
}

/// Returns the operation of a call whose outcome was not known when it was answered.
async fn how_it_ended(service: &Service, reply: &CallResult) -> Option<Operation> {
    let CallResult::Done(FinishedCall { body, .. }) = reply else { return None };
    let id = body.get("operation_id").and_then(Value::as_str).filter(|_| exit_of(reply) == Exit::Unknown)?;
    service.operation(id).await
}

/// Returns the exit code for a response.
pub(super) fn exit_of(reply: &CallResult) -> Exit {
    let is_error = !matches!(reply, CallResult::Done(FinishedCall { is_error: false, .. }));
    reply.status().map_or(Exit::Failed, |status| exit_of_status(status, is_error))
}

/// Returns the exit code for a status.
/// A preview is no error to a model. For a script it counts as failed, because the requested change was not made.
pub(super) fn exit_of_status(status: Status, is_error: bool) -> Exit {
    match status {
        Status::InvalidArgument => Exit::Usage,
        Status::AuthFailed => Exit::Key,
        Status::UpstreamUnavailable | Status::BadUpstreamResponse | Status::RateLimited | Status::StillReading => {
            Exit::Upstream
        }
        Status::PolicyDenied | Status::Frozen => Exit::Policy,
        Status::OutcomeUnknown | Status::InProgress => Exit::Unknown,
        status if is_error || status.is_of_the_gate() => Exit::Failed,
        _ => Exit::Fine,
    }
}
