//! What came of one direction, in an answer about both.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};

/// The answer to the change of one direction.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct DirectionResult(Map<String, Value>);

/// The fields are those of an answer about one direction; a long schema would cost every conversation.
impl JsonSchema for DirectionResult {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "DirectionResult".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "object" })
    }
}
