//! What the journal says of the number: its last change, and what is not known.

use serde_json::json;

use crate::journal::{Operation, OperationPhase, moment};
use crate::tools::catalog::diagnose_number::findings::{
    Finding, FindingAction, JOURNAL_UNREAD, NOT_IN_ACCOUNT, Weight, call,
};

/// The last operation that brought the number into the account or took it out.
pub(crate) fn last_move(history: &[Operation]) -> Option<&Operation> {
    let moves = ["purchase_number", "import_number", "release_number"];
    let done = history.iter().filter(|one| one.state == OperationPhase::Done && moves.contains(&one.tool.as_str()));
    done.max_by_key(|one| one.ended_at.unwrap_or(one.begun_at))
}

pub(crate) fn at(operation: &Operation) -> String {
    moment(operation.ended_at.unwrap_or(operation.begun_at))
}

/// What is not settled in the journal, and where it cannot be read.
pub(crate) fn unsettled(history: Option<&[Operation]>) -> Vec<Finding> {
    let Some(history) = history else {
        return vec![Finding::new(
            JOURNAL_UNREAD,
            Weight::Unknown,
            "The journal could not be read: whether the number was released from here, or an operation on it is unresolved, is not known.",
            FindingAction::Outside("operator", "Find the cause with truedy-mcp doctor."),
        )];
    };
    let mut findings = Vec::new();
    for operation in history {
        let (code, what) = match operation.state {
            OperationPhase::Unknown => (
                "operation_unresolved",
                "It is not known whether an operation on the number took effect; it may have. Do not repeat it.",
            ),
            OperationPhase::Begun | OperationPhase::Sent => {
                ("operation_running", "An operation on the number is still running. Wait for its end.")
            }
            OperationPhase::Done | OperationPhase::Refused => continue,
        };
        let mut finding =
            Finding::new(code, Weight::Unknown, what, call("list_operations", json!({ "id": operation.id })))
                .with("tool", operation.tool.as_str())
                .with("operation_id", operation.id.as_str())
                .with("begun_at", moment(operation.begun_at));
        if let Some(direction) = &operation.object.direction {
            finding = finding.with("direction", direction.as_str());
        }
        findings.push(finding);
    }
    findings
}

pub(crate) fn released(operation: &Operation, listed: bool) -> Finding {
    let what = if listed {
        "The journal says that the number was released from here, although the account still lists it; calls to it may have ended."
    } else {
        "The number was released from here. A bought one can usually not be had again; an imported one is still with its carrier and can be imported again."
    };
    let next =
        if listed { call("list_operations", json!({ "id": operation.id })) } else { call("search_numbers", json!({})) };
    Finding::new("released", Weight::Fault, what, next)
        .with("operation_id", operation.id.as_str())
        .with("released_at", at(operation))
}

/// Why a number is not in the account, as far as the journal knows.
pub(crate) fn absent(name: &str, history: Option<&[Operation]>, complete: bool) -> Vec<Finding> {
    let mut findings = unsettled(history);
    match history.and_then(last_move) {
        Some(last) if last.tool == "release_number" => findings.push(released(last, false)),
        Some(last) if complete => findings.push(
            Finding::new(
                "missing_from_account",
                Weight::Fault,
                "The journal says that the number became yours, but the account does not list it: it may not show yet, or somebody removed it elsewhere.",
                FindingAction::Outside("dashboard", "Look for the number in Truedy's dashboard, or ask its support with the request_id."),
            )
            .with("operation_id", last.id.as_str())
            .with("since", at(last))
            .with("request_id", last.request_id.clone()),
        ),
        _ if !complete => findings.push(Finding::new(
            "list_incomplete",
            Weight::Unknown,
            "The account has more numbers than could be read, and this one was not among those that were: whether it is there is not known.",
            call("list_numbers", json!({})),
        )),
        // What is not settled explains it well enough.
        _ if findings.iter().any(|finding| finding.code != JOURNAL_UNREAD) => {}
        _ => findings.push(
            Finding::new(
                NOT_IN_ACCOUNT,
                Weight::Fault,
                "The account lists no number or id of exactly this form; a number is written with + and its country code.",
                call("list_numbers", json!({})),
            )
            .with("number", name),
        ),
    }
    findings
}
