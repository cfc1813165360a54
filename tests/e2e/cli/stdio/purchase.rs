//! What the tests of stdio share: a purchase, and how long to wait for what must not happen.

use std::time::Duration;

use serde_json::{Value, json};

pub(super) const FREE: &str = "+14155550199";

pub(super) fn buy() -> Value {
    json!({ "phone_number": FREE, "confirm": true })
}

/// After this long, what has not happened will not happen.
pub(super) const A_WHILE: Duration = Duration::from_millis(700);
