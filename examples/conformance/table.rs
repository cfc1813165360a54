//! The fixtures as `fixtures.json` states them, and the filling in of what a call brings.

use std::collections::BTreeMap;
use std::error::Error;

use rmcp::model::{CallToolResult, ContentBlock, ErrorData, InputRequest, Prompt, Resource, ResourceTemplate, Tool};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// What may stand in the texts of a fixture as `{name}`.
pub(crate) type Words = BTreeMap<String, String>;

/// All fixtures.
#[derive(Deserialize)]
pub(crate) struct Table {
    pub(crate) tools: Vec<ToolFixture>,
    pub(crate) prompts: Vec<PromptFixture>,
    pub(crate) resources: Vec<ResourceFixture>,
    pub(crate) templates: Vec<TemplateFixture>,
    /// What rounds ask, by the name they use for it.
    pub(crate) questions: BTreeMap<String, InputRequest>,
    /// Words that every text may use.
    samples: Words,
}

/// A tool, and what it does before it answers.
#[derive(Deserialize)]
pub(crate) struct ToolFixture {
    pub(crate) name: String,
    description: String,
    #[serde(default = "anything")]
    schema: Map<String, Value>,
    /// Whether it refuses a client that cannot sample.
    #[serde(default)]
    pub(crate) needs_sampling: bool,
    #[serde(default)]
    pub(crate) logs: Vec<String>,
    /// Of a hundred.
    #[serde(default)]
    pub(crate) progress: Vec<f64>,
    pub(crate) changes: Option<Change>,
    /// A request to the client while the call is open: what 2026-07-28 no longer has.
    pub(crate) asks: Option<Value>,
    #[serde(flatten)]
    pub(crate) rounds: Rounds,
    #[serde(default)]
    pub(crate) fails: bool,
    pub(crate) content: Vec<Value>,
}

/// Questions that are answered by calling again.
#[derive(Deserialize)]
pub(crate) struct Rounds {
    /// By the key of the answer, one map a round.
    #[serde(default, rename = "rounds")]
    pub(crate) asked: Vec<BTreeMap<String, String>>,
    /// Whether answers count only with the state that was given out with the questions.
    #[serde(default)]
    pub(crate) sealed: bool,
}

#[derive(Deserialize)]
pub(crate) struct PromptFixture {
    #[serde(flatten)]
    pub(crate) card: Prompt,
    #[serde(default)]
    pub(crate) completions: BTreeMap<String, Vec<String>>,
    #[serde(flatten)]
    pub(crate) rounds: Rounds,
    /// One message each.
    pub(crate) content: Vec<Value>,
}

#[derive(Deserialize)]
pub(crate) struct ResourceFixture {
    #[serde(flatten)]
    pub(crate) card: Resource,
    pub(crate) contents: Map<String, Value>,
}

#[derive(Deserialize)]
pub(crate) struct TemplateFixture {
    #[serde(flatten)]
    pub(crate) card: ResourceTemplate,
    pub(crate) contents: Map<String, Value>,
}

/// A list that is said to have changed. It has not: the message is what is tested.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Change {
    Tools,
    Prompts,
}

impl Table {
    pub(crate) fn read() -> Result<Self, Box<dyn Error + Send + Sync>> {
        Ok(serde_json::from_str(include_str!("fixtures.json"))?)
    }

    pub(crate) fn tool(&self, name: &str) -> Option<&ToolFixture> {
        self.tools.iter().find(|tool| tool.name == name)
    }

    pub(crate) fn prompt(&self, name: &str) -> Option<&PromptFixture> {
        self.prompts.iter().find(|prompt| prompt.card.name == name)
    }

    /// The samples, and the arguments of a call.
    pub(crate) fn words(&self, arguments: Option<&Map<String, Value>>) -> Words {
        let given = arguments.into_iter().flatten().map(|(name, value)| (name.clone(), text(value)));
        self.samples.clone().into_iter().chain(given).collect()
    }
}

/// The schema of a tool that looks at no argument.
fn anything() -> Map<String, Value> {
    Map::from_iter([("type".to_owned(), Value::from("object"))])
}

impl ToolFixture {
    pub(crate) fn card(&self) -> Tool {
        Tool::new(self.name.clone(), self.description.clone(), self.schema.clone())
    }

    /// What to tell a caller who left out a required argument.
    pub(crate) fn incomplete(&self, words: &Words) -> Option<CallToolResult> {
        let required = self.schema.get("required")?.as_array()?;
        let missing = required.iter().filter_map(Value::as_str).find(|name| !words.contains_key(*name))?;
        Some(failure(format!("{missing} is required")))
    }
}

/// A failure the model is to read.
pub(crate) fn failure(message: String) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(message)])
}

/// The content of a fixture; a mere text is a block of text.
pub(crate) fn blocks(content: &[Value], words: &Words) -> Result<Vec<ContentBlock>, ErrorData> {
    let block = |stated: &Value| match stated {
        Value::String(_) => filled::<String>(stated, words).map(ContentBlock::text),
        other => filled(other, words),
    };
    content.iter().map(block).collect()
}

/// A part of a fixture with its words filled in.
pub(crate) fn filled<T: DeserializeOwned>(value: &Value, words: &Words) -> Result<T, ErrorData> {
    serde_json::from_value(fill(value, words))
        .map_err(|error| ErrorData::internal_error(format!("fixtures.json: {error}"), None))
}

fn fill(value: &Value, words: &Words) -> Value {
    match value {
        Value::String(text) => {
            let put = |text: String, (name, word): (&String, &String)| text.replace(&format!("{{{name}}}"), word);
            Value::String(words.iter().fold(text.clone(), put))
        }
        Value::Array(items) => items.iter().map(|item| fill(item, words)).collect(),
        Value::Object(fields) => fields.iter().map(|(name, field)| (name.clone(), fill(field, words))).collect(),
        other => other.clone(),
    }
}

/// A value as a word: a text without its quotes.
pub(crate) fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}
