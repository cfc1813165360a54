//! Ids in three forms: as they are stored, as responses show them, and as requests contain them.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::sandbox::faults::active::Faults;
use crate::sandbox::faults::catalogue::Fault;
use crate::sandbox::response::ApiRefusal;

/// The kind of thing that an id identifies. The generated documentation writes it as a prefix of the id.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Number,
    Agent,
    Credential,
    Call,
}

impl Kind {
    fn prefix(self) -> &'static str {
        match self {
            Kind::Number => "num",
            Kind::Agent => "agt",
            Kind::Credential => "cred",
            Kind::Call => "call",
        }
    }
}

/// Returns a new id in stored form.
pub(super) fn fresh() -> String {
    Uuid::new_v4().to_string()
}

/// Returns an id as responses show it.
pub(super) fn shown(faults: &Faults, kind: Kind, id: &str) -> Value {
    if faults.has(Fault::IdsPrefixed) { json!(format!("{}_{}", kind.prefix(), id.replace('-', ""))) } else { json!(id) }
}

/// Returns an optional id as responses show it, or null.
pub(super) fn shown_or_null(faults: &Faults, kind: Kind, id: Option<&str>) -> Value {
    id.map_or(Value::Null, |id| shown(faults, kind, id))
}

/// Converts an id from a request to its stored form.
/// Both forms are always accepted, so that ids stay valid when the switch changes. Any other text identifies nothing.
pub(super) fn asked(faults: &Faults, action: &str, id: &str) -> Result<String, ApiRefusal> {
    let bare = id.split_once('_').map_or(id, |(_, bare)| bare);
    match Uuid::try_parse(bare) {
        Ok(uuid) => Ok(uuid.to_string()),
        Err(_) if faults.has(Fault::IdsStrict) => Err(ApiRefusal::rule(format!(
            "Failed to {action}: {{'code': '22P02', 'details': None, 'hint': None, \
             'message': 'invalid input syntax for type uuid: \"{id}\"'}}"
        ))),
        Err(_) => Ok(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_comes_back_whatever_it_was_dressed_in() {
        let id = "d0845d54-d96d-4cb8-8cc3-eac55f94c2c0";
        let prefixed = Faults::parse(["ids=prefixed"]).unwrap();
        let plain = Faults::default();
        let dressed = shown(&prefixed, Kind::Number, id);
        assert_eq!(dressed, "num_d0845d54d96d4cb88cc3eac55f94c2c0");
        for form in [dressed.as_str().unwrap(), id, &id.to_uppercase()] {
            assert_eq!(asked(&plain, "x", form).unwrap(), id);
        }
        assert_eq!(asked(&plain, "x", "nonsense").unwrap(), "");
        assert!(asked(&Faults::parse(["ids=strict"]).unwrap(), "x", "nonsense").is_err());
    }
}
