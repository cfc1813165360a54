//! Short texts a caller writes: places, names, statuses to filter by.

use crate::domain::argument::text::{checked_text, within};
use crate::domain::nearest::did_you_mean;

checked_text! {
    /// One line of 1 to 64 characters: a city, a state, a name for a credential.
    Label,
    pattern r"^.{1,64}$",
    expected "one line of 1 to 64 characters, no control characters",
    example "San Francisco",
    |text| within(text, 64, |c| !c.is_control())
}

checked_text! {
    /// A status to filter by; Truedy may know more than today's three.
    StatusName,
    pattern r"^[a-z_]{1,32}$",
    expected "active, pending, inactive or another status that list_numbers shows, in small letters",
    example "active",
    |text| within(text, 32, |c| c.is_ascii_lowercase() || c == '_'),
    nearest |text| did_you_mean(text, ["active", "pending", "inactive", "draft", "creating", "failed"]).map(str::to_owned)
}

checked_text! {
    /// The name of a tool that changes something.
    ChangeName,
    pattern r"^[a-z_]{1,40}$",
    expected "purchase_number, import_number, assign_number, unassign_number or release_number",
    example "purchase_number",
    |text| if CHANGES.contains(&text) { Ok(()) } else { Err("no tool of this name changes anything".to_owned()) },
    nearest |text| did_you_mean(text, CHANGES).map(str::to_owned)
}

/// The tools that change something.
const CHANGES: [&str; 5] = ["purchase_number", "import_number", "assign_number", "unassign_number", "release_number"];
