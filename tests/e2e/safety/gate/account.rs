//! The numbers of the sandbox that the tests of the gate use, and what each of these tests looks at.

use serde_json::{Value, json};

use crate::support::mcp_client::{Agent, Refusal};

/// Bought, waiting for its carrier, used by nobody.
pub(super) const IDLE: &str = "+13125550110";
pub(super) const IDLE_ID: &str = "51f2a8d6-c073-4e9b-8d1c-a4b96e3f7205";
/// Imported, used by nobody.
pub(super) const IDLE_IMPORTED: &str = "+442079460123";
pub(super) const IDLE_IMPORTED_ID: &str = "2e8d41b7-6f95-4a03-bc12-d7f0a9638e5c";
/// "Front desk" answers it.
pub(super) const ANSWERED: &str = "+14155550123";
/// "Front office" calls from it.
pub(super) const CALLED_FROM: &str = "+12125550142";
/// "Front office" answers it and calls from it.
pub(super) const BUSY: &str = "+16175550155";
/// For sale.
pub(super) const FOR_SALE: &str = "+14155550150";
/// With a carrier of the owner's own.
pub(super) const ELSEWHERE: &str = "+16465550177";

pub(super) fn release(number: &str) -> Value {
    json!({ "number_id": number, "confirm": true })
}

pub(super) fn import(number: &str) -> Value {
    json!({ "phone_number": number, "provider_type": "telnyx", "api_key": "KEY-of-the-carrier" })
}

/// Whether the account still has a number.
pub(super) async fn has(agent: &Agent, number: &str) -> bool {
    agent.numbers(json!({})).await.numbers().contains(&number)
}

/// The refusal, which says in its first words that nothing happened.
pub(super) fn refused(outcome: Result<Value, Refusal>) -> Refusal {
    let refusal = outcome.expect_err("a refusal");
    assert!(refusal.summary.starts_with("Nothing was "), "{}", refusal.summary);
    refusal
}
