//! What tests ask of the sandbox itself, beside the API: its faults and its ledger.

use http::Method;
use serde_json::{Value, json};

use crate::sandbox::faults::active::Faults;
use crate::sandbox::response::Reply;
use crate::sandbox::state::World;

/// Answers a request to `/sandbox/…`.
pub(super) fn answer(world: &World, method: &Method, path: &str, body: &[u8]) -> Reply {
    match (path, method) {
        ("faults", &Method::GET) => Reply::json(200, &world.faults().to_json()),
        ("faults", &Method::PUT) => set(world, body),
        ("ledger", &Method::GET) => Reply::json(200, &world.ledger.entries()),
        ("faults", _) => not_allowed("GET, PUT"),
        ("ledger", _) => not_allowed("GET"),
        _ => Reply::json(404, &json!({ "error": "there is /sandbox/faults and /sandbox/ledger" })),
    }
}

/// Replaces the present faults by the ones given; an empty object ends all of them.
fn set(world: &World, body: &[u8]) -> Reply {
    let Ok(Value::Object(asked)) = serde_json::from_slice(body) else {
        return Reply::json(400, &json!({ "error": "the body must be a JSON object of names to values" }));
    };
    match Faults::from_json(&asked) {
        Ok(faults) => {
            let present = faults.to_json();
            world.set_faults(faults);
            Reply::json(200, &present)
        }
        Err(error) => Reply::json(400, &json!({ "error": error.to_string() })),
    }
}

fn not_allowed(allow: &str) -> Reply {
    let mut reply = Reply::json(405, &json!({ "error": "Method Not Allowed" }));
    reply.headers.push(("allow", allow.to_owned()));
    reply
}
