//! `truedy-mcp call`: calls one tool by the same code path as over MCP.

use std::io::Read;
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Map, Value};
use tokio_util::sync::CancellationToken;

use crate::cli::output::{Exit, complain, print};
use crate::cli::{bootstrap, logging, signal};
use crate::config::{ConfigError, Settings};
use crate::domain::{Status, did_you_mean};
use crate::journal::{Operation, OperationPhase};
use crate::mcp::{
    CallResult, Catalog, CatalogEntry, ClientCall, CredentialForms, FinishedCall, Principal, Service, arguments_of,
    given_twice,
};
use crate::redact::Redactor;

/// What the journal keeps as the client of a call.
pub(super) const COMMAND_LINE: &str = concat!("truedy-mcp call ", env!("CARGO_PKG_VERSION"));

/// How long the program waits for the end of a change after its response.
const WAITING: Duration = Duration::from_secs(20);

/// How long the program reads the whole list of numbers for a call that needs it.
const READING: Duration = Duration::from_secs(20 * 60);

#[derive(Debug, Args)]
pub struct CallArgs {
    /// The tool, for example list_numbers.
    tool: String,
    /// Arguments as name=value, for example `area_code=415`.
    #[arg(value_name = "NAME=VALUE", conflicts_with = "json")]
    arguments: Vec<String>,
    /// All arguments as one JSON object, or `-` to read it from standard input; secrets only that way.
    #[arg(long, value_name = "OBJECT|-")]
    json: Option<String>,
}

pub(super) fn run(settings: &Settings, call: &CallArgs) -> Result<Exit, ConfigError> {
    let redactor = Arc::new(Redactor::default());
    let _traced = logging::start(settings, &redactor);
    let service = bootstrap::service(settings, &redactor, CredentialForms::nowhere())?;
    let local = Principal::local(Arc::clone(&service), settings.mode());
    let catalog = Catalog::new();
    let Some(entry) = catalog.get(&call.tool) else {
        let names: Vec<&str> = catalog.entries().iter().map(CatalogEntry::name).collect();
        let meant = did_you_mean(&call.tool, names.iter().copied());
        let meant = meant.map(|meant| format!(" Did you mean {meant}?")).unwrap_or_default();
        return Err(ConfigError(format!("There is no tool of this name.{meant} There are {}.", names.join(", "))));
    };
    let arguments = match &call.json {
        Some(text) => from_json(text, entry)?,
        None => from_pairs(&call.arguments, entry)?,
    };
    let (reply, ended) = bootstrap::runtime()?.block_on(async {
        let unwanted = CancellationToken::new();
        let stop = unwanted.clone();
        tokio::spawn(async move {
            signal::end().await;
            stop.cancel();
        });
        let reply = until_read(|| {
            let from = ClientCall::unattended(Some(COMMAND_LINE.to_owned()));
            entry.call(arguments.clone(), &local, from, unwanted.clone())
        });
        let reply = reply.await;
        let ended = finish(&service, &reply).await;
        (reply, ended)
    });
    Ok(report(reply, ended))
}

/// Prints the response of a tool. `ended` is the operation, if its outcome was not known when it was answered.
pub(super) fn report(reply: CallResult, ended: Option<Operation>) -> Exit {
    let mut exit = exit_of(&reply);
    match reply {
        CallResult::Done(FinishedCall { body: object, .. }) => {
            print(&format!("{}\n", serde_json::to_string_pretty(&Value::Object(object.clone())).unwrap_or_default()));
            if exit != Exit::Fine {
                complain(object.get("summary").and_then(Value::as_str).unwrap_or("the call failed"));
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
    service.finish(std::future::ready(()), WAITING, WAITING).await;
    how_it_ended(service, reply).await
}

/// Returns the operation of a call whose outcome was not known when it was answered.
async fn how_it_ended(service: &Service, reply: &CallResult) -> Option<Operation> {
    let CallResult::Done(FinishedCall { body, .. }) = reply else { return None };
    let id = body.get("operation_id").and_then(Value::as_str).filter(|_| exit_of(reply) == Exit::Unknown)?;
    service.operation(id).await
}

/// Calls again while the whole list of numbers is being read, because the reading ends with this process.
pub(super) async fn until_read<F: Future<Output = CallResult>>(call: impl Fn() -> F) -> CallResult {
    let give_up = Instant::now() + READING;
    loop {
        let reply = call().await;
        match &reply {
            CallResult::Done(FinishedCall { status: Status::StillReading, body, .. }) if Instant::now() < give_up => {
                let known = |field: &str| body.get(field).and_then(Value::as_u64);
                let of = known("numbers_total").map(|total| format!(" of {total}")).unwrap_or_default();
                complain(&format!("{}{of} numbers are read.", known("numbers_read").unwrap_or(0)));
            }
            _ => return reply,
        }
    }
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

fn from_json(text: &str, entry: &CatalogEntry) -> Result<Map<String, Value>, ConfigError> {
    let given = if text == "-" {
        let mut read = Vec::new();
        std::io::stdin()
            .lock()
            .take(1024 * 1024)
            .read_to_end(&mut read)
            .map_err(|error| ConfigError(format!("Standard input could not be read: {error}.")))?;
        String::from_utf8(read).map_err(|_| ConfigError("What stands on standard input is not UTF-8.".to_owned()))?
    } else {
        text.to_owned()
    };
    // Some editors and shells put a byte order mark at the front.
    let given = given.strip_prefix('\u{feff}').unwrap_or(&given);
    let object = arguments_of(given)
        .map_err(|_| ConfigError("--json takes one JSON object, for example '{\"limit\": 5}'.".to_owned()))?;
    if text != "-" {
        refuse_secrets(object.keys().map(String::as_str), entry)?;
    }
    Ok(object)
}

fn from_pairs(pairs: &[String], entry: &CatalogEntry) -> Result<Map<String, Value>, ConfigError> {
    let (mut object, mut twice) = (Map::new(), None);
    for pair in pairs {
        let Some((name, text)) = pair.split_once('=') else {
            return Err(ConfigError("Arguments are name=value, for example area_code=415.".to_owned()));
        };
        let kind = entry
            .card
            .input_schema
            .get("properties")
            .and_then(|properties| properties.get(name)?.get("type")?.as_str());
        let value = match (kind, text) {
            (Some("boolean"), "true") => Value::Bool(true),
            (Some("boolean"), "false") => Value::Bool(false),
            (Some("integer"), digits) => {
                digits.parse::<i64>().map_or_else(|_| Value::String(digits.to_owned()), Value::from)
            }
            (Some("array"), several) => several.split(',').map(str::trim).collect(),
            _ => Value::String(text.to_owned()),
        };
        if object.insert(name.to_owned(), value).is_some() {
            twice = Some(given_twice(name));
        }
    }
    refuse_secrets(object.keys().map(String::as_str), entry)?;
    Ok(twice.unwrap_or(object))
}

/// Refuses secrets in the arguments, because every process can read the arguments of another.
fn refuse_secrets<'a>(mut names: impl Iterator<Item = &'a str>, entry: &CatalogEntry) -> Result<(), ConfigError> {
    match names.find(|name| entry.secrets.contains(name)) {
        Some(name) => Err(ConfigError(format!(
            "{name} is a secret and must not stand on the command line: give all arguments as JSON on standard input, with --json -."
        ))),
        None => Ok(()),
    }
}
