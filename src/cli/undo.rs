//! `truedy-mcp undo`: puts back what an operation changed, by the same path as any other change.

use std::io::{self, IsTerminal};
use std::sync::Arc;

use clap::Args;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use crate::cli::call::{AnswerFormat, finish, report, told_here};
use crate::cli::output::{Exit, complain, complain_styled, width};
use crate::cli::person::{can_be_asked, is_yes, typed};
use crate::cli::progress::ProgressLine;
use crate::cli::repeated_call::until_answered;
use crate::cli::{answer, bootstrap, logging, signal};
use crate::config::{ConfigError, Settings};
use crate::domain::{Caller, Status, numbers_for_people};
use crate::guard::Rights;
use crate::journal::{ConsentPlace, Operation, OperationPhase, moment};
use crate::mcp::{
    CallResult, Catalog, CatalogEntry, ClientCall, CredentialForms, FinishedCall, Principal, Service, UndoConsent,
    UndoRequest,
};
use crate::redact::Redactor;
use crate::tools::{Pointer, Undo, undo_of};

/// What the journal keeps as the client of an undo.
const COMMAND_LINE: &str = concat!("truedy-mcp undo ", env!("CARGO_PKG_VERSION"));

#[derive(Debug, Args)]
pub struct UndoArgs {
    /// The operation, as `truedy-mcp operations` shows it.
    #[arg(value_name = "ID")]
    id: String,
    /// Do not ask. Policy and gate apply all the same.
    #[arg(long)]
    yes: bool,
    /// The tenant of `truedy-mcp http` whose operation it is.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Answer in JSON, as in a pipe.
    #[arg(long)]
    json: bool,
}

impl UndoArgs {
    fn format(&self) -> AnswerFormat {
        if !self.json && io::stdout().is_terminal() { AnswerFormat::People } else { AnswerFormat::Json }
    }
}

pub(super) fn run(settings: &Settings, arguments: &UndoArgs) -> Result<Exit, ConfigError> {
    let redactor = Arc::new(Redactor::default());
    let _traced = logging::start_for_one(settings, &redactor);
    let local = operator(settings, arguments.tenant.as_deref(), &redactor)?;
    let service = Arc::clone(&local.tenant.service);
    bootstrap::runtime()?.block_on(async {
        let found = match service.operation_of_tenant(&arguments.id.to_ascii_lowercase()).await {
            Ok(found) => found,
            Err(error) => {
                complain(&format!("the journal cannot be used: {error}. `truedy-mcp doctor` helps to find the cause."));
                return Ok(Exit::Failed);
            }
        };
        let Some(operation) = found else {
            // The id is not repeated: it may be a key that was pasted by mistake.
            complain("there is no operation with this id; `truedy-mcp operations` shows them.");
            if arguments.tenant.is_none() {
                complain("that of a tenant of `truedy-mcp http` needs its name: --tenant NAME.");
            }
            return Ok(Exit::Failed);
        };
        let call = match how(&operation) {
            Ok(call) => call,
            Err(why) => {
                complain(&format!("{} Nothing was changed.", described(&operation)));
                complain(&why);
                return Ok(Exit::Failed);
            }
        };
        let catalog = Catalog::new();
        let entry = catalog.get(call.tool).ok_or_else(|| ConfigError("The tool of the undo is missing.".to_owned()))?;
        let attempt = UndoAttempt { service: &service, local: &local, entry, arguments: call.arguments, operation };
        Ok(attempt.run(arguments.yes, arguments.format()).await)
    })
}

/// Returns the operator, who works on the account of this tenant. Without a tenant, on the only account of the settings.
fn operator(settings: &Settings, tenant: Option<&str>, redactor: &Arc<Redactor>) -> Result<Principal, ConfigError> {
    let Some(name) = tenant else {
        let all = settings.tenants()?;
        if all.len() > 1 {
            let names: Vec<&str> = all.iter().map(|tenant| tenant.name.as_str()).collect();
            return Err(ConfigError(format!(
                "The file of --config has several tenants: name the one whose operation it is, with --tenant. There are: {}.",
                names.join(", ")
            )));
        }
        let service = bootstrap::service(settings, redactor, CredentialForms::nowhere())?;
        return Ok(Principal::local(service, settings.mode()));
    };
    let tenant = bootstrap::tenant(settings, name, redactor)?;
    Ok(Principal::new(tenant, Caller::local().principal, Rights::default()))
}

/// Returns the call that undoes an operation. The error says why there is none.
fn how(operation: &Operation) -> Result<Pointer, String> {
    match undo_of(operation) {
        Some(Undo::Call(call)) => Ok(call),
        Some(Undo::Never) => Err("It cannot be undone.".to_owned()),
        Some(Undo::No(why)) => Err(format!("It has {why}.")),
        None => Err(match operation.state {
            OperationPhase::Refused => "It did not happen, so there is nothing to undo.".to_owned(),
            OperationPhase::Unknown => {
                "It is not known whether it happened; `truedy-mcp operations resolve` records what you find out."
                    .to_owned()
            }
            OperationPhase::Begun | OperationPhase::Sent => "It is still running.".to_owned(),
            OperationPhase::Done => "This version knows no tool that undoes it.".to_owned(),
        }),
    }
}

/// Returns an operation in a sentence.
fn described(operation: &Operation) -> String {
    let direction = operation.object.direction.as_ref().map(|way| format!(" {way}")).unwrap_or_default();
    format!(
        "{}: {} {}{direction}, by {}, {}.",
        moment(operation.begun_at),
        operation.tool,
        numbers_for_people(operation.object.name()),
        operation.principal,
        operation.outcome.as_deref().unwrap_or(operation.state.as_str())
    )
}

/// One undo: the operation, and the call that undoes it.
struct UndoAttempt<'a> {
    service: &'a Arc<Service>,
    local: &'a Principal,
    entry: &'a CatalogEntry,
    arguments: Value,
    operation: Operation,
}

impl UndoAttempt<'_> {
    /// Shows what the undo would do, asks, and does it.
    async fn run(&self, yes: bool, format: AnswerFormat) -> Exit {
        let unwanted = signal::cancelled_at_end();
        complain(&described(&self.operation));
        complain(&format!("to undo it: {}", self.how(format)));
        let mut consent = UndoConsent::Waived;
        if !yes {
            let shown = self.answered(UndoConsent::Absent, &unwanted).await;
            if !is_ready(&shown) {
                return report(told_here(self.service, shown), None, format);
            }
            if !can_be_asked() {
                complain("nothing was changed: there is no terminal to ask at, and --yes was not given.");
                return report(shown, None, format);
            }
            if let (AnswerFormat::People, CallResult::Done(FinishedCall { body, .. })) = (format, &shown) {
                complain_styled(&answer::for_people(body, true, width(&io::stderr())));
            }
            complain("the account is as this operation left it. Undo it? [y/N]");
            if !is_yes(&typed(&unwanted).await) {
                complain("nothing was changed.");
                return Exit::Failed;
            }
            consent = UndoConsent::Person(ConsentPlace::Terminal);
        }
        let reply = self.answered(consent, &unwanted).await;
        let ended = finish(self.service, &reply).await;
        report(told_here(self.service, reply), ended, format)
    }

    /// Returns the call that undoes the operation.
    fn how(&self, format: AnswerFormat) -> String {
        match format {
            AnswerFormat::People => answer::call_line(self.entry.name(), &self.arguments),
            AnswerFormat::Json | AnswerFormat::Csv => format!("{} {}", self.entry.name(), self.arguments),
        }
    }

    /// Calls until it is answered. Without consent it only reads.
    async fn answered(&self, consent: UndoConsent, unwanted: &CancellationToken) -> CallResult {
        let reads = consent == UndoConsent::Absent;
        let waiting = ProgressLine::begin("waiting for the answer");
        until_answered(&waiting, unwanted, reads, || self.call(consent, unwanted)).await
    }

    async fn call(&self, consent: UndoConsent, unwanted: &CancellationToken) -> CallResult {
        let arguments = self.arguments.as_object().cloned().unwrap_or_default();
        let undo = UndoRequest { operation: self.operation.clone(), consent };
        let from = ClientCall { undoes: Some(undo), ..ClientCall::unattended(Some(COMMAND_LINE.to_owned())) };
        self.entry.call(arguments, self.local, from, unwanted.clone()).await
    }
}

/// Whether a preview shows that the undo can be made.
fn is_ready(shown: &CallResult) -> bool {
    matches!(shown, CallResult::Done(FinishedCall { status: Status::ConfirmationRequired, body, .. }) if !body.contains_key("frozen"))
}
