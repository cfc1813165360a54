//! The schemas of tools, in a form that every client can read: flat objects, plain types, no references, no
//! combinators.

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// Gives a type the schema of any object. Its values explain themselves; a long schema would cost every conversation.
macro_rules! any_object {
    ($name:ident) => {
        $crate::domain::inline_schema!($name, { "type": "object" });
    };
}
pub(crate) use any_object;

/// Returns the description of a tool, from the rustdoc of its argument type, and the schema of its arguments.
pub fn input_schema<T: JsonSchema>() -> (String, Map<String, Value>) {
    let mut schema = plain::<T>();
    let description = match schema.remove("description") {
        Some(Value::String(description)) => description,
        _ => String::new(),
    };
    let properties = schema.entry("properties").or_insert_with(|| json!({}));
    // OpenAI's strict converter needs this if there are no properties. Gemini rejects it, so it is set only in this
    // case.
    if properties.as_object().is_none_or(Map::is_empty) {
        schema.insert("additionalProperties".to_owned(), json!(false));
    }
    // Set even if it is empty, because some clients guess wrongly without it.
    schema.entry("required").or_insert_with(|| json!([]));
    (description, schema)
}

/// Returns the schema of a tool's result: the fields of every result, and this tool's data.
/// Only fields that a refusal has too are required. The result of a change also has the id of its operation in the
/// journal.
pub fn output_schema<T: JsonSchema>(reads: bool) -> Map<String, Value> {
    let mut properties = json!({ "status": { "type": "string" }, "summary": { "type": "string" } });
    if let Some(all) = properties.as_object_mut().filter(|_| !reads) {
        all.insert("operation_id".to_owned(), json!({ "type": "string" }));
    }
    if let (Some(all), Some(Value::Object(own))) = (properties.as_object_mut(), plain::<T>().remove("properties")) {
        all.extend(own.into_iter().map(|(name, mut schema)| {
            if let Some(schema) = schema.as_object_mut() {
                schema.remove("description");
            }
            (name, schema)
        }));
    }
    let schema = json!({ "type": "object", "properties": properties, "required": ["status", "summary"] });
    schema.as_object().cloned().unwrap_or_default()
}

fn plain<T: JsonSchema>() -> Map<String, Value> {
    let generator = SchemaSettings::draft2020_12().with(|settings| settings.inline_subschemas = true).into_generator();
    let mut schema = generator.into_root_schema_for::<T>().to_value();
    simplify(&mut schema);
    match schema {
        Value::Object(schema) => schema,
        _ => Map::new(),
    }
}

/// Removes what some clients cannot read. Here `Option` means "not required", never "or null".
fn simplify(schema: &mut Value) {
    let Some(object) = schema.as_object_mut() else {
        return;
    };
    for word in ["$schema", "$defs", "title", "format", "additionalProperties"] {
        object.remove(word);
    }
    if object.get("default").is_some_and(Value::is_null) {
        object.remove("default");
    }
    if let Some(Value::Array(types)) = object.get("type") {
        let one = types.iter().find(|name| name.as_str() != Some("null")).cloned();
        object.insert("type".to_owned(), one.unwrap_or_else(|| json!("string")));
    }
    if let Some(Value::Array(choices)) = object.get_mut("enum") {
        choices.retain(|choice| !choice.is_null());
    }
    if let Some(Value::String(text)) = object.get_mut("description") {
        *text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    }
    if let Some(Value::Object(properties)) = object.get_mut("properties") {
        properties.values_mut().for_each(simplify);
    }
    if let Some(items) = object.get_mut("items") {
        simplify(items);
    }
}
