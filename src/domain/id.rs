//! Ids of numbers and agents, and the references that people use instead: the number itself or a name.
//!
//! Source: contract §9 row 19: ids are opaque, with letters, digits, `-` and `_`, at most 64. So they are safe in a URL
//! path.

use crate::domain::argument::text::{checked_text, within};
use crate::domain::location::NumberLocation;
use crate::domain::phone::E164;
use crate::domain::phone::is_number_in_any_notation;
use crate::domain::target::OperationTarget;

fn id_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

/// Checks whether a text from outside can be an id. Records contain no other text from outside.
pub fn may_be_id(text: &str) -> bool {
    text.len() <= 64 && text.chars().all(|c| id_character(c) || c == '.' || c == ':')
}

checked_text! {
    /// The id of a phone number in Truedy.
    NumberId,
    pattern r"^[\w-]{1,64}$",
    expected "the id of a number, from list_numbers",
    example "d0845d54-d96d-4cb8-8cc3-eac55f94c2c0",
    |text| within(text, 64, id_character)
}

checked_text! {
    /// The id of an agent in Truedy.
    AgentId,
    pattern r"^[\w-]{1,64}$",
    expected "the id of an agent, from list_agents",
    example "1f4baf16-1540-4d91-9696-7f34b2f2cb77",
    |text| within(text, 64, id_character)
}

checked_text! {
    /// A number of the account as a caller names it: its id or the number itself.
    ///
    /// A place such as `New York` is no name of a number. It is read so that the numbers from there can be suggested.
    NumberRef,
    pattern r"^.{1,65}$",
    expected "the number in E.164 (+ and 2 to 15 digits) or its id from list_numbers",
    example "+14155550123",
    |text| {
        let id = NumberId::try_from(text).map(drop).or_else(|why| match NumberLocation::is_named(text) {
            true => within(text, 65, |c| c.is_alphabetic() || " .,'-".contains(c)),
            false => Err(why),
        });
        let number = text.starts_with('+') || (id.is_err() && is_number_in_any_notation(text));
        if number { E164::try_from(text).map(drop) } else { id }
    },
    nearest |text| if NumberId::try_from(text).is_ok() { None } else { E164::nearest(text) }
}

impl NumberRef {
    fn is_number(&self) -> bool {
        self.as_str().starts_with('+')
    }

    /// Returns what to tell a caller who found nothing in a record by this text. `None` if it is certainly a number or an
    /// id.
    ///
    /// Records are compared with the whole text. So a number without its `+` and a place find nothing.
    pub fn found_nothing(&self) -> Option<&'static str> {
        let certain = self.is_number() || uuid::Uuid::try_parse(self.as_str()).is_ok();
        (!certain).then_some("The object is looked for as it is written: give the number in E.164, for example +14155550123, or the number's id.")
    }

    /// Returns what the reference names, for a record.
    pub fn object(&self) -> OperationTarget {
        let text = self.as_str().to_owned();
        if self.is_number() {
            OperationTarget::number(text)
        } else {
            // A place is no identifier.
            OperationTarget { number_id: Some(text).filter(|text| may_be_id(text)), ..OperationTarget::default() }
        }
    }
}

checked_text! {
    /// An agent as a caller names it: its id or its exact name.
    AgentRef,
    pattern r"^.{1,400}$",
    expected "the agent's exact name or its id from list_agents: 1 to 400 characters, no control characters",
    example "Front desk",
    |text| within(text, 400, |c| !c.is_control())
}

impl AgentRef {
    /// Returns the id if the text can only be an id: a UUID or a prefixed id such as `agt_f9447372`.
    pub fn certain_id(&self) -> Option<AgentId> {
        let text = self.as_str();
        // Truedy writes UUIDs in lower case.
        let uuid = uuid::Uuid::try_parse(text).is_ok().then(|| text.to_ascii_lowercase());
        let prefixed = text.strip_prefix("agt_").filter(|rest| !rest.is_empty()).map(|_| text.to_owned());
        AgentId::try_from(uuid.or(prefixed)?.as_str()).ok()
    }
}
