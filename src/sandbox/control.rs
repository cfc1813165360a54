//! The control endpoints for tests, beside the API: the faults and the ledger of the sandbox.

use http::Method;
use serde_json::{Value, json};

use crate::sandbox::faults::active::Faults;
use crate::sandbox::response::HttpReply;
use crate::sandbox::state::SandboxState;

/// Answers a request to `/sandbox/…`.
pub(super) fn answer(state: &SandboxState, method: &Method, path: &str, body: &[u8]) -> HttpReply {
    match (path, method) {
        ("faults", &Method::GET) => HttpReply::json(200, &state.faults().to_json()),
        ("faults", &Method::PUT) => set(state, body),
        ("ledger", &Method::GET) => HttpReply::json(200, &state.ledger.entries()),
        ("faults", _) => not_allowed("GET, PUT"),
        ("ledger", _) => not_allowed("GET"),
        _ => HttpReply::json(404, &json!({ "error": "there is /sandbox/faults and /sandbox/ledger" })),
    }
}

/// Replaces the present faults by the given ones. An empty object ends all faults.
fn set(state: &SandboxState, body: &[u8]) -> HttpReply {
    let Ok(Value::Object(asked)) = serde_json::from_slice(body) else {
        return HttpReply::json(400, &json!({ "error": "the body must be a JSON object of names to values" }));
    };
    match Faults::from_json(&asked) {
        Ok(faults) => {
            let present = faults.to_json();
            state.set_faults(faults);
            HttpReply::json(200, &present)
        }
        Err(error) => HttpReply::json(400, &json!({ "error": error.to_string() })),
    }
}

fn not_allowed(allow: &str) -> HttpReply {
    let mut reply = HttpReply::json(405, &json!({ "error": "Method Not Allowed" }));
    reply.headers.push(("allow", allow.to_owned()));
    reply
}
