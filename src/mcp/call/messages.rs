//! Builds the refusals of failed calls. Each says whether anything happened, what Truedy answered, and what to do next.

use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::{ArgumentProblem, Effect, OperationTarget, Refusal, Status};
use crate::journal::{Freeze, Operation, OperationPhase};
use crate::tools::{not_configured, said};
use crate::truedy::{ApiError, Error, NotSent};

/// Whether the failed request was the change itself or one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Only reads were sent.
    Before,
    /// The change itself was being made.
    During,
}

/// Turns an error of a request to Truedy into a refusal.
pub(crate) fn on_failure(error: &Error, effect: Effect, stage: Stage) -> Refusal {
    let no = effect.nothing();
    let refusal = match error {
        Error::Refused(api_error) => refused(api_error, no),
        Error::Limited(wait, _) => limited(*wait, &format!("{no} Truedy's rate limit for this organisation is used up.")),
        Error::NotSent(NotSent::Queue(wait)) => limited(*wait, &format!("{no} Too many requests: this server keeps within Truedy's rate limit.")),
        Error::NotSent(NotSent::NoConnection(why)) => Refusal::new(
            Status::UpstreamUnavailable,
            format!("{no} Truedy could not be reached. Try again later; `truedy-mcp doctor` helps the operator to find the cause."),
        )
        .with("cause", why.as_str())
        .retryable(),
        Error::NotSent(NotSent::Late) => Refusal::new(Status::UpstreamUnavailable, format!("{no} There was no time left to send it; Truedy answered too slowly before.")).retryable(),
        Error::NotSent(NotSent::Cancelled) => Refusal::new(Status::Cancelled, format!("{no} The call was cancelled before anything was sent.")).retryable(),
        Error::NotSent(NotSent::NotCleared(why)) => on_journal(why, effect),
        Error::NotSent(NotSent::BadAddress) => Refusal::new(Status::InternalError, format!("{no} The request could not be built; this is a fault of the server.")),
        Error::NoVerdict(why, _) | Error::Unreadable(why, _) if stage == Stage::During && !effect.reads() => Refusal::new(
            Status::OutcomeUnknown,
            format!("{} Do not repeat the call: look with list_numbers first.", effect.unknown()),
        )
        .with("cause", why.as_str())
        .with("next", json!({ "tool": "list_numbers", "arguments": {} })),
        Error::NoVerdict(why, _) => Refusal::new(Status::UpstreamUnavailable, format!("{no} Truedy did not give a usable answer. Try again later.")).with("cause", why.as_str()).retryable(),
        Error::Unreadable(why, _) => Refusal::new(
            Status::BadUpstreamResponse,
            format!("{no} Truedy's answer could not be read. If it happens again, its API may have changed, or a proxy is in between."),
        )
        .with("cause", why.as_str()),
    };
    let fields = error.api_error().map(|api_error| api_error.fields.as_slice()).unwrap_or_default();
    with_fields(said(refusal, error), fields)
}

fn refused(api_error: &ApiError, no: &str) -> Refusal {
    match api_error.status {
        401 => Refusal::new(
            Status::AuthFailed,
            format!(
                "{no} Truedy refused the API key. The operator must set a valid one in TRUEDY_API_KEY (Truedy dashboard: Settings > API Keys) and restart; `truedy-mcp doctor` checks it."
            ),
        ),
        402 => Refusal::new(
            Status::PaymentRequired,
            format!(
                "{no} Truedy asks for payment: trial, subscription or credits. The owner can settle it in Truedy's dashboard."
            ),
        ),
        403 => Refusal::new(
            Status::Forbidden,
            format!(
                "{no} Truedy does not allow this with this API key, perhaps because of the address it is used from. The owner can change that in Truedy's dashboard."
            ),
        ),
        404 => Refusal::new(
            Status::NotFound,
            format!("{no} Truedy knows nothing by that id. List again and take the id or the number from the result."),
        ),
        _ if api_error.mentions(&["not configured"]) => not_configured(no),
        _ if api_error.mentions(&["not found"]) => Refusal::new(
            Status::NotFound,
            format!("{no} Truedy knows nothing by that name or id. List again and take it from the result."),
        ),
        _ => Refusal::new(
            Status::UpstreamRejected,
            format!("{no} Truedy refused it; its reason, if it gave one, is in truedy_says."),
        ),
    }
}

fn limited(wait: Duration, why: &str) -> Refusal {
    let seconds = wait.as_secs().max(1);
    Refusal::new(Status::RateLimited, format!("{why} Try again in {seconds} s."))
        .with("retry_after_seconds", seconds)
        .retryable()
}

/// Adds Truedy's errors about single fields to a refusal. They are data, so they stand in a field of their own.
fn with_fields(refusal: Refusal, fields: &[(String, String)]) -> Refusal {
    if fields.is_empty() {
        return refusal;
    }
    let fields: Vec<_> = fields.iter().map(|(field, reason)| json!({ "field": field, "reason": reason })).collect();
    refusal.with("truedy_fields", fields)
}

/// Returns the refusal for wrong arguments. It lists at most 32 problems.
pub(crate) fn on_problems(problems: &[ArgumentProblem], effect: Effect) -> Refusal {
    let told: Vec<String> = problems.iter().take(32).map(ArgumentProblem::told).collect();
    let nothing = if effect.reads() { "Nothing was sent." } else { effect.nothing() };
    let problems: Vec<_> = problems.iter().take(32).map(ArgumentProblem::to_json).collect();
    Refusal::new(
        Status::InvalidArgument,
        format!(
            "{nothing} The arguments are not right: {}. What is expected, with an example for each, is in problems.",
            told.join("; ")
        ),
    )
    .with("problems", problems)
}

/// Returns the refusal for a missing API key. It says how to set one.
pub(crate) fn on_missing_key() -> Refusal {
    Refusal::new(
        Status::AuthFailed,
        "Nothing was sent. No Truedy API key is set. The operator must set TRUEDY_API_KEY (or TRUEDY_API_KEY_FILE) where this server is started (if the client starts it, in the env entry of its configuration), with a key from Truedy's dashboard (Settings > API Keys), and restart; or start it with --sandbox to try it without an account.",
    )
}

/// Returns the refusal for a journal that cannot be used. Without the journal no change is sent.
pub(crate) fn on_journal(why: &str, effect: Effect) -> Refusal {
    let summary = format!(
        "{} The journal of this server, without which nothing is changed, cannot be used: {why}. Reading goes on. The operator can find the cause with `truedy-mcp doctor`.",
        effect.nothing()
    );
    Refusal::new(Status::JournalUnavailable, summary).retryable()
}

/// Returns the refusal while the operator has frozen all changes. The operator's reason is data, so it stands in a field.
pub(crate) fn on_frozen(freeze: &Freeze, effect: Effect) -> Refusal {
    let summary = format!(
        "{} The operator has frozen all changes since {}; the reason is in frozen.why. Reading goes on. Do not try again: tell the user. Only the operator can end it, at the server.",
        effect.nothing(),
        freeze.since()
    );
    Refusal::new(Status::Frozen, summary).with("frozen", freeze.to_json())
}

/// Returns the refusal when another call in this process is buying or importing the same number.
pub(crate) fn on_flight(number: &str, effect: Effect) -> Refusal {
    let summary = format!(
        "{} Another call for {number} is running; wait for its answer, or look with list_operations.",
        effect.nothing()
    );
    Refusal::new(Status::DuplicateInFlight, summary).with("number", number).retryable()
}

/// Returns the refusal when another operation changed the same number after this call had read it.
pub(crate) fn on_stale(other: &Operation, effect: Effect) -> Refusal {
    let summary = format!(
        "{} Another operation changed {} while this call was looking at it. Call again: what is true now is then shown.",
        effect.nothing(),
        other.object.name()
    );
    Refusal::new(Status::DuplicateInFlight, summary).with("operation_id", other.id.as_str()).retryable()
}

/// Returns the refusal for a confirmation or an answer that was used before. Each is valid once.
pub(crate) fn on_answer_used(effect: Effect) -> Refusal {
    Refusal::new(Status::ConfirmationUsed, format!("{} The confirmation was used already.", effect.nothing()))
}

/// Returns the refusal when an operation with the same number blocks this one. It is retryable unless that operation is
/// unresolved.
pub(crate) fn on_duplicate(other: &Operation, effect: Effect) -> Refusal {
    let name = other.object.name();
    let why = match other.state {
        OperationPhase::Unknown => format!(
            "It is not known whether an earlier operation made {name} yours; it may have. It is looked for; list_operations tells when it is known. If it stays unknown, the owner looks in Truedy's dashboard, and the operator resolves it with `truedy-mcp operations resolve`."
        ),
        OperationPhase::Done => {
            format!("An operation of a moment ago made {name} yours, although the account does not show it yet.")
        }
        _ => {
            format!("Another operation with {name} is running; wait for it, or look with list_operations.")
        }
    };
    let refusal = Refusal::new(Status::DuplicateInFlight, format!("{} {why}", effect.nothing()))
        .with("number", name)
        .with("operation_id", other.id.as_str())
        .with("next", look_up(&other.id));
    if other.is_unresolved() { refusal } else { refusal.retryable() }
}

/// Returns the refusal when earlier operations of the same principal may have happened. Making another change in their
/// place could then be one too many.
///
/// `arguments` are those of the call without its secrets. `left_out` names these secrets. The call in `next` is a
/// preview, so it spends nothing.
pub(crate) fn on_unresolved(
    open: &[Operation],
    (mut arguments, left_out): (Value, Vec<&str>),
    tool: &str,
    effect: Effect,
) -> Refusal {
    let ids: Vec<&str> = open.iter().map(|operation| operation.id.as_str()).collect();
    let names: Vec<&str> = open.iter().map(|operation| operation.object.name()).collect();
    let names = names.join(", ");
    let known = if open.iter().any(Operation::is_unresolved) {
        format!("It is not known whether {names} was bought: it may have been, and would be paid for.")
    } else {
        format!("The purchase of {names} goes on although nobody waits for its answer: it may be bought, and paid for.")
    };
    let summary = format!(
        "{} {known} Tell the user. To buy this one all the same, call again with acknowledge_unresolved, first without confirm to see what it costs; list_operations tells what is known.",
        effect.nothing()
    );
    let summary = match left_out.as_slice() {
        [] => summary,
        // Without the secret, the next call would use another account, and that account would pay.
        secrets => format!("{summary} Give the same {} again: next does not repeat it.", secrets.join(" and ")),
    };
    let open: Vec<Value> = open.iter().map(|operation| Value::Object(operation.to_json())).collect();
    if let Some(fields) = arguments.as_object_mut() {
        for word in ["confirm", "confirmation_token"] {
            fields.remove(word);
        }
        fields.insert("acknowledge_unresolved".to_owned(), json!(ids));
    }
    Refusal::new(Status::OperationUnresolved, summary)
        .with("unresolved", open)
        .with("acknowledge_unresolved", ids)
        .with("next", json!({ "tool": tool, "arguments": arguments }))
}

/// Returns the refusal when the caller must be answered while the change still runs.
pub(crate) fn in_progress(effect: Effect, object: &OperationTarget, id: &str) -> Refusal {
    let summary = format!(
        "{} The call is still running and goes on by itself, for three minutes at most. Do not repeat it, and do not do another instead: list_operations tells when it is done.",
        effect.not_known("not known yet")
    );
    Refusal::new(Status::InProgress, summary).with("number", object.name()).with("next", look_up(id))
}

/// Returns the call that reports what became of an operation: `list_operations` with its id.
pub(crate) fn look_up(id: &str) -> Value {
    json!({ "tool": "list_operations", "arguments": { "id": id } })
}

/// Returns the refusal when too many calls run or wait. The caller may try again after 2 s.
pub(crate) fn on_overload(effect: Effect) -> Refusal {
    Refusal::new(
        Status::RateLimited,
        format!("{} This server has too many calls running. Try again in a moment.", effect.nothing()),
    )
    .with("retry_after_seconds", 2)
    .retryable()
}

/// Returns the refusal when this caller has the maximum number of open questions.
pub(crate) fn on_questions(effect: Effect) -> Refusal {
    let why =
        "Too many questions to the user are open already, and nobody was asked this one. Wait until some are answered.";
    Refusal::new(Status::RateLimited, format!("{} {why}", effect.nothing())).retryable()
}

/// Returns the refusal when the key that seals previews and questions cannot be used.
pub(crate) fn on_sealing(why: &str, effect: Effect) -> Refusal {
    let summary = format!(
        "{} The key of this server for confirmations, without which no confirmation can be checked, cannot be used: {why}. Reading goes on.",
        effect.nothing()
    );
    Refusal::new(Status::JournalUnavailable, summary).retryable()
}

/// Returns the refusal when the data behind a change became too old, for example while the machine slept. The account
/// may have changed, and reading it again did not confirm the plan.
pub(crate) fn on_overslept(effect: Effect) -> Refusal {
    let why = "The machine slept, or this program was stopped, between the decision and the request. Look again, then call again.";
    Refusal::new(Status::StateChanged, format!("{} {why}", effect.nothing())).retryable()
}

/// Returns the refusal for an internal error. It is not known how far the call had come.
pub(crate) fn on_fault(effect: Effect) -> Refusal {
    let next = if effect.reads() { "" } else { " Look with list_numbers before repeating the call." };
    Refusal::new(Status::InternalError, format!("{} A fault in this server ended the call.{next}", effect.unknown()))
}
