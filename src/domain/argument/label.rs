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
    /// The name of a tool. [`ChangeKinds::check`](crate::domain::ChangeKinds::check) tells whether it changes something.
    ChangeName,
    pattern r"^[a-z_]{1,40}$",
    expected "the name of a tool that changes something, in small letters",
    example "purchase_number",
    |text| within(text, 40, |c| c.is_ascii_lowercase() || c == '_')
}
