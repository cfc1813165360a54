//! The verdict on a campaign: what must hold between the requests that arrived, the account, the journal and the answers.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::fight::Told;
use super::truedy::Request;

/// Everything that is known in the end.
pub(super) struct Evidence<'a> {
    /// Every request that changes something.
    pub(super) changes: &'a [Request],
    pub(super) journal: &'a [Value],
    pub(super) account: &'a [Value],
    /// Every answer that was received.
    pub(super) told: &'a [Told],
    /// Numbers that somebody was asked to release.
    pub(super) given_up: &'a BTreeSet<String>,
    /// Numbers that were there at the beginning.
    pub(super) seed: &'a BTreeSet<String>,
}

impl Request {
    /// The tool that sends such requests.
    fn tool(&self) -> &'static str {
        match self.path.rsplit('/').next().unwrap_or_default() {
            _ if self.method == "DELETE" => "release_number",
            "purchase" => "purchase_number",
            "import" => "import_number",
            "assign" => "assign_number",
            "unassign" => "unassign_number",
            other => panic!("a request to {other} changes something"),
        }
    }

    /// The id of the number it is about.
    fn number_id(&self) -> Option<&str> {
        if self.method == "DELETE" { self.path.rsplit('/').next() } else { self.body["number_id"].as_str() }
    }
}

impl Evidence<'_> {
    fn operation(&self, id: &str) -> Option<&Value> {
        self.journal.iter().find(|operation| operation["id"] == json!(id))
    }

    fn shows(&self, number: &Value) -> bool {
        self.account.iter().any(|row| row["phone_number"] == *number)
    }

    fn shows_id(&self, id: &Value) -> bool {
        self.account.iter().any(|row| row["id"] == *id)
    }

    /// The requests an operation sent.
    fn sent_by(&self, operation: &Value) -> Vec<&Request> {
        let id = operation["id"].as_str();
        self.changes.iter().filter(|request| request.operation.as_deref() == id).collect()
    }

    /// Whether the number was ours at some time: it is, or somebody was asked to release it.
    fn became_ours(&self, number: &Value) -> bool {
        self.shows(number) || self.given_up.contains(number.as_str().unwrap_or_default())
    }
}

fn makes_ours(tool: &Value) -> bool {
    ["purchase_number", "import_number"].map(Value::from).contains(tool)
}

/// Everything that is not as it must be, in words.
pub(super) fn judge(evidence: &Evidence<'_>) -> Vec<String> {
    let mut wrong = Vec::new();
    once_each(evidence, &mut wrong);
    every_request_is_known(evidence, &mut wrong);
    every_operation_is_true(evidence, &mut wrong);
    every_slot_is_as_somebody_wanted(evidence, &mut wrong);
    every_undo_puts_back_what_was_there(evidence, &mut wrong);
    every_answer_is_true(evidence, &mut wrong);
    wrong
}

impl Evidence<'_> {
    /// Whether anybody asked to release the number an operation is about.
    fn was_released(&self, operation: &Value) -> bool {
        let about = |request: &&Request| request.number_id() == operation["number_id"].as_str();
        self.changes.iter().filter(about).any(|request| request.method == "DELETE")
    }

    /// Whether another operation released the number an operation is about: one that a carrier refused may be tried again.
    fn was_released_by_another(&self, operation: &Value) -> bool {
        let refused = |request: &Request| request.status.is_some_and(|code| (400..500).contains(&code));
        self.changes.iter().any(|request| {
            request.method == "DELETE"
                && request.number_id() == operation["number_id"].as_str()
                && request.operation.as_deref() != operation["id"].as_str()
                && !refused(request)
        })
    }

    /// All that is known of the number an operation is about.
    fn story(&self, operation: &Value) -> String {
        let (number, id) = (&operation["number"], &operation["number_id"]);
        let about = |other: &&Value| other["number"] == *number && other.get("known_by").is_some();
        let operations: Vec<&Value> = self.journal.iter().filter(about).collect();
        let sent = |request: &&Request| request.body["phone_number"] == *number || request.number_id() == id.as_str();
        let requests: Vec<&Request> = self.changes.iter().filter(sent).collect();
        format!("{operation}\n  of {operations:#?}\n  by {requests:#?}")
    }
}

/// No number was bought or imported by two requests.
fn once_each(evidence: &Evidence<'_>, wrong: &mut Vec<String>) {
    let mut times: BTreeMap<&str, usize> = BTreeMap::new();
    for request in evidence.changes.iter().filter(|request| makes_ours(&json!(request.tool()))) {
        *times.entry(request.body["phone_number"].as_str().unwrap_or_default()).or_default() += 1;
    }
    let twice = times.into_iter().filter(|(_, times)| *times > 1);
    wrong.extend(twice.map(|(number, times)| format!("{times} requests made {number} ours")));
}

/// Every request belongs to an operation of the journal, about the same thing, that let it pass.
fn every_request_is_known(evidence: &Evidence<'_>, wrong: &mut Vec<String>) {
    for request in evidence.changes {
        let tool = request.tool();
        let Some(operation) = request.operation.as_deref().and_then(|id| evidence.operation(id)) else {
            wrong.push(format!("the journal knows nothing of {request:?}"));
            continue;
        };
        let same = match tool {
            "purchase_number" | "import_number" => operation["number"] == request.body["phone_number"],
            _ => operation["number_id"].as_str() == request.number_id(),
        };
        if operation["tool"] != json!(tool) || !same {
            wrong.push(format!("{request:?} is not what {operation} is about"));
        }
        if tool == "release_number" && !operation["evidence"].as_str().unwrap_or_default().contains("flag") {
            wrong.push(format!("without confirm: true released: {operation}"));
        }
    }
}

/// What the journal says of an operation agrees with what was sent and with the account.
fn every_operation_is_true(evidence: &Evidence<'_>, wrong: &mut Vec<String>) {
    for operation in evidence.journal {
        let sent = evidence.sent_by(operation);
        let tool = &operation["tool"];
        let may_repeat = ["assign_number", "unassign_number"].map(Value::from).contains(tool);
        if sent.len() > 1 + usize::from(may_repeat) {
            wrong.push(format!("{} requests were sent by {operation}", sent.len()));
        }
        let shows = evidence.shows(&operation["number"]);
        let gone = !evidence.shows_id(&operation["number_id"]);
        let releases = *tool == json!("release_number");
        match operation["state"].as_str().unwrap_or_default() {
            // A release that is not known gives way to another of the same number; when that one is gone, both are done.
            "done" if sent.is_empty() && releases && evidence.was_released(operation) => {}
            "done" if sent.is_empty() && (makes_ours(tool) || releases) => {
                wrong.push(format!("done, and nothing was sent: {}", evidence.story(operation)));
            }
            "done" if makes_ours(tool) && !evidence.became_ours(&operation["number"]) => {
                wrong.push(format!("done, and the account does not show it: {operation}"));
            }
            "done" if releases && !gone => wrong.push(format!("released, and it is there: {operation}")),
            "done" => {}
            "refused" => {
                let denied =
                    sent.iter().filter(|request| !request.status.is_some_and(|code| (400..500).contains(&code)));
                // A carrier that refuses a release answers in the words of a failure.
                let denied = denied.count() > 0 && !releases && !may_repeat;
                let released = releases && !sent.is_empty() && gone && !evidence.was_released_by_another(operation);
                if denied || makes_ours(tool) && !sent.is_empty() && shows || released {
                    wrong.push(format!("refused, and it was sent and happened: {operation} by {sent:?}"));
                }
                if operation["outcome"] == json!("cancelled") && !sent.is_empty() {
                    wrong.push(format!("cancelled, and it was sent: {operation} by {sent:?}"));
                }
            }
            "unknown" => {
                if makes_ours(tool)
                    && shows
                    && !evidence.seed.contains(operation["number"].as_str().unwrap_or_default())
                {
                    wrong.push(format!("unknown, although the account shows it: {operation}"));
                }
                if releases && gone {
                    wrong.push(format!("unknown, although it is gone: {operation}"));
                }
                if operation["unresolved"] != json!(true) {
                    wrong.push(format!("unknown, and not listed as unresolved: {operation}"));
                }
            }
            other => wrong.push(format!("left {other}: {operation}")),
        }
    }
}

/// Who holds a direction of a number is as one of the operations about it wanted it.
fn every_slot_is_as_somebody_wanted(evidence: &Evidence<'_>, wrong: &mut Vec<String>) {
    let mut slots: BTreeMap<(&str, &str), Vec<&Value>> = BTreeMap::new();
    for operation in evidence.journal {
        if let (Some(id), Some(way)) = (operation["number_id"].as_str(), operation["direction"].as_str())
            && !evidence.sent_by(operation).is_empty()
        {
            slots.entry((id, way)).or_default().push(operation);
        }
    }
    for ((id, way), operations) in slots {
        let Some(row) = evidence.account.iter().find(|row| row["id"] == json!(id)) else { continue };
        let holder = &row[format!("{way}_agent_id")];
        let wants = |operation: &&Value| operation["agent_id"] == *holder;
        let all_done = operations.iter().all(|operation| operation["state"] == json!("done"));
        if all_done && !operations.iter().any(wants) {
            wrong.push(format!("{holder} holds {way} of {id}, which nobody wanted: {operations:?}"));
        }
    }
}

/// An operation that undoes another one is about the same direction of the same number, and wants who had it before.
fn every_undo_puts_back_what_was_there(evidence: &Evidence<'_>, wrong: &mut Vec<String>) {
    for undo in evidence.journal {
        let Some(id) = undo.get("undo_of").and_then(Value::as_str) else { continue };
        let Some(undone) = evidence.operation(id) else {
            wrong.push(format!("it undoes what the journal does not know: {undo}"));
            continue;
        };
        let same = ["number_id", "direction"].iter().all(|field| undo[field] == undone[field]);
        let wants = undo["agent_id"].as_str().unwrap_or("none");
        if !same || undone["state"] != json!("done") || undone["displaced"] != json!(wants) {
            wrong.push(format!("{undo} is no undo of {undone}"));
        }
    }
}

/// No answer denies what happened, and none claims what did not.
fn every_answer_is_true(evidence: &Evidence<'_>, wrong: &mut Vec<String>) {
    for Told { tool, arguments, answer } in evidence.told {
        let status = answer["status"].as_str().unwrap_or("none");
        let say = |what: &str| format!("{what}: {tool} {arguments} was answered {answer}");
        let number = &arguments["phone_number"];
        let claims = ["purchased", "imported", "released", "assigned", "unassigned"].contains(&status);
        // The id in a refusal of a duplicate is that of the other one.
        let own = answer["operation_id"].as_str().filter(|_| status != "duplicate_in_flight");
        let Some(id) = own else {
            let acted = answer["released"] == json!(true) || answer["purchased"] == json!(true);
            if claims && acted {
                wrong.push(say("done by no operation"));
            }
            if status == "already_owned" && !evidence.became_ours(number) {
                wrong.push(say("not owned"));
            }
            continue;
        };
        let Some(operation) = evidence.operation(id) else {
            wrong.push(say("an operation that the journal does not know"));
            continue;
        };
        let state = operation["state"].as_str().unwrap_or_default();
        let open = ["outcome_unknown", "in_progress", "internal_error"].contains(&status);
        // A lost change that does not show is denied so far only: Truedy may still carry it out.
        let so_far = ["not_released", "not_assigned", "not_unassigned"].contains(&status)
            && answer["summary"].as_str().unwrap_or_default().contains("so far");
        if so_far && evidence.sent_by(operation).is_empty() {
            wrong.push(say("not known, and nothing was sent"));
        }
        if claims && state != "done" {
            wrong.push(say(&format!("claimed, and it is {state}")));
        }
        if !claims && !open && !so_far && state != "refused" {
            wrong.push(say(&format!("denied, and it is {state}")));
        }
        let happened = makes_ours(&json!(tool)) && !evidence.sent_by(operation).is_empty() && evidence.shows(number);
        if !claims && !open && happened {
            wrong.push(say("denied, and it happened"));
        }
    }
}
