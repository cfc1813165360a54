//! What came of each direction, in an answer about both.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// The answer to the change of each direction, by its name.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DirectionResults(Map<String, Value>);

/// The fields are those of an answer about one direction; a long schema would cost every conversation.
impl JsonSchema for DirectionResults {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DirectionResults".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object" })
    }
}
