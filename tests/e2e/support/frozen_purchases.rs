//! The numbers that are bought while the operator freezes all changes.

use serde_json::{Value, json};

/// Why the operator freezes.
pub(crate) const WHY: &str = "wrong numbers bought";

/// A number for sale. The prices of those above 180 are searched for in another area.
pub(crate) fn number(last: usize) -> String {
    let area = if (180..190).contains(&last) { 212 } else { 415 };
    format!("+1{area}555{last:04}")
}

/// The arguments that buy it.
pub(crate) fn buy(last: usize) -> Value {
    json!({ "phone_number": number(last), "confirm": true })
}
