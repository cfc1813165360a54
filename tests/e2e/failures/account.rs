//! What the tests of failures share: an account in which each call has something to do, and a call of each tool.

use serde_json::{Value, json};

use crate::support::fake_truedy::{
    AGENT_NUMBERS, AGENTS, ASSIGN, CREDENTIALS, FRONT_DESK, FRONT_OFFICE, IMPORT, LIST, PURCHASE, RELEASE, SEARCH,
    UNASSIGN, Upstream, WEBHOOK,
};

pub(super) fn error(code: &str, message: &str) -> Value {
    json!({ "error": { "code": code, "message": message, "details": {} }, "meta": { "request_id": "req-1" } })
}

pub(super) const HTML: &str = "<html><head><title>502 Bad Gateway</title></head><body>nginx</body></html>";
pub(super) const NUMBER: &str = "+14155550123";
pub(super) const FREE: &str = "+14155550199";
pub(super) const OTHER: &str = "+14155550198";

/// A call of each tool that asks Truedy: the journal is read without it.
pub(super) fn one_of_each() -> Vec<(&'static str, Value)> {
    vec![
        ("list_numbers", json!({})),
        ("search_numbers", json!({ "area_code": "415" })),
        ("purchase_number", json!({ "phone_number": FREE, "confirm": true })),
        ("import_number", json!({ "phone_number": OTHER, "provider_type": "telnyx", "api_key": "KEYwire0123456789" })),
        ("assign_number", json!({ "number_id": NUMBER, "agent_id": FRONT_OFFICE, "assignment_type": "outbound" })),
        ("unassign_number", json!({ "number_id": "+14155550124", "assignment_type": "inbound" })),
        ("release_number", json!({ "number_id": "+14155550125", "confirm": true })),
        ("get_agent_numbers", json!({ "agent_id": FRONT_DESK })),
        ("get_webhook_url", json!({ "agent_id": FRONT_DESK })),
        ("diagnose_number", json!({ "number_id": "+14155550124" })),
        ("list_credentials", json!({})),
        ("list_agents", json!({})),
    ]
}

/// An account in which each of those calls has something to do.
pub(super) fn busy() -> Upstream {
    let upstream = Upstream::start();
    upstream.account(|account| {
        for number in [NUMBER, "+14155550124", "+14155550125"] {
            account.add(number, true);
        }
        account.numbers[1]["inbound_agent_id"] = json!(FRONT_DESK);
    });
    upstream
}

pub(super) const READS: [&str; 6] = [LIST, AGENTS, CREDENTIALS, AGENT_NUMBERS, WEBHOOK, SEARCH];
pub(super) const CHANGES: [&str; 5] = [PURCHASE, IMPORT, ASSIGN, UNASSIGN, RELEASE];
