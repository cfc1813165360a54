//! The response of a tool: a status, one plain sentence, the data, and the next step.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::{ArgumentProblem, Refusal, Status};
use crate::truedy::Error;

/// The response of a call that succeeded.
#[derive(Debug, Clone)]
pub struct ToolResponse<T> {
    /// The status that says what happened.
    pub status: Status,
    /// One sentence, written by this server.
    pub summary: String,
    /// The facts.
    pub data: T,
    /// Further things that the owner should know.
    pub warnings: Vec<String>,
    /// The call that usually follows.
    pub next: Option<Pointer>,
    /// How to undo the change.
    pub undo: Option<Undo>,
    /// Truedy's request id.
    pub request_id: Option<String>,
}

/// A call that the caller may make next.
#[derive(Debug, Clone, PartialEq)]
pub struct Pointer {
    /// The tool.
    pub tool: &'static str,
    /// The arguments of the tool.
    pub arguments: Value,
}

/// How to undo a change.
#[derive(Debug, Clone, PartialEq)]
pub enum Undo {
    /// By this call.
    Call(Pointer),
    /// It cannot be undone.
    Never,
    /// It cannot be undone. The text says why, or what the opposite would be and what that loses.
    No(&'static str),
}

/// Why a tool gave no response.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolFailure {
    /// The exchange with Truedy failed. One place writes the message for all tools.
    Truedy(Error),
    /// The tool itself refuses.
    Refused(Refusal),
    /// An argument is wrong in a way that only the state of the server shows.
    Invalid(Box<ArgumentProblem>),
}

impl From<Error> for ToolFailure {
    fn from(error: Error) -> Self {
        Self::Truedy(error)
    }
}

impl From<ArgumentProblem> for ToolFailure {
    fn from(problem: ArgumentProblem) -> Self {
        Self::Invalid(Box::new(problem))
    }
}

impl From<Refusal> for ToolFailure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Pointer {
    /// Returns the JSON object that the caller reads.
    pub fn to_json(&self) -> Value {
        json!({ "tool": self.tool, "arguments": self.arguments })
    }
}

impl Undo {
    /// Returns the JSON value that the caller reads: the call, or a text.
    pub fn to_json(&self) -> Value {
        match self {
            Self::Call(pointer) => pointer.to_json(),
            Self::Never => json!("cannot be undone"),
            Self::No(why) => json!(why),
        }
    }
}

impl<T: Serialize> ToolResponse<T> {
    /// Creates a response with only the status, the summary and the facts.
    pub fn new(status: Status, summary: impl Into<String>, data: T) -> Self {
        Self { status, summary: summary.into(), data, warnings: Vec::new(), next: None, undo: None, request_id: None }
    }

    /// Adds the call that usually follows.
    #[must_use]
    pub fn next(mut self, tool: &'static str, arguments: Value) -> Self {
        self.next = Some(Pointer { tool, arguments });
        self
    }

    /// Adds how to undo the change.
    #[must_use]
    pub fn undo(mut self, undo: Undo) -> Self {
        self.undo = Some(undo);
        self
    }

    /// Adds Truedy's request id.
    #[must_use]
    pub fn request_id(mut self, id: Option<String>) -> Self {
        self.request_id = id;
        self
    }

    /// Adds something that the owner should know.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// Returns the response as the caller reads it: one flat object.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut object = Map::new();
        object.insert("status".to_owned(), json!(self.status));
        object.insert("summary".to_owned(), json!(self.summary));
        if let Ok(Value::Object(data)) = serde_json::to_value(&self.data) {
            object.extend(data);
        }
        if !self.warnings.is_empty() {
            object.insert("warnings".to_owned(), json!(self.warnings));
        }
        if let Some(next) = &self.next {
            object.insert("next".to_owned(), next.to_json());
        }
        if let Some(undo) = &self.undo {
            object.insert("undo".to_owned(), undo.to_json());
        }
        if let Some(id) = &self.request_id {
            object.insert("request_id".to_owned(), json!(id));
        }
        object
    }
}
