//! What a tool answers: a status, one plain sentence, the data, and where to go from there.

use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::{Refusal, Status};
use crate::truedy::Error;

/// A call that did what it is for.
#[derive(Debug, Clone)]
pub struct ToolResponse<T> {
    /// What became of it.
    pub status: Status,
    /// One sentence of our own words.
    pub summary: String,
    /// The facts.
    pub data: T,
    /// What the owner should know besides.
    pub warnings: Vec<String>,
    /// The call that usually comes next.
    pub next: Option<Pointer>,
    /// How to take it back.
    pub undo: Option<Undo>,
    /// Truedy's id of the exchange.
    pub request_id: Option<String>,
}

/// A call to make.
#[derive(Debug, Clone, PartialEq)]
pub struct Pointer {
    /// The tool.
    pub tool: &'static str,
    /// Its arguments.
    pub arguments: Value,
}

/// How to take a change back.
#[derive(Debug, Clone, PartialEq)]
pub enum Undo {
    /// By this call.
    Call(Pointer),
    /// Not at all.
    Never,
}

/// Why a tool gave no answer.
#[derive(Debug, Clone, PartialEq)]
pub enum ToolFailure {
    /// The exchange with Truedy failed; put into words by one place for all tools.
    Truedy(Error),
    /// The tool itself refuses.
    Refused(Refusal),
}

impl From<Error> for ToolFailure {
    fn from(error: Error) -> Self {
        Self::Truedy(error)
    }
}

impl From<Refusal> for ToolFailure {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Pointer {
    /// As the caller reads it.
    pub fn to_json(&self) -> Value {
        json!({ "tool": self.tool, "arguments": self.arguments })
    }
}

impl<T: Serialize> ToolResponse<T> {
    /// An answer with nothing but the facts.
    pub fn new(status: Status, summary: impl Into<String>, data: T) -> Self {
        Self { status, summary: summary.into(), data, warnings: Vec::new(), next: None, undo: None, request_id: None }
    }

    /// Adds the call that usually comes next.
    #[must_use]
    pub fn next(mut self, tool: &'static str, arguments: Value) -> Self {
        self.next = Some(Pointer { tool, arguments });
        self
    }

    /// Adds how to take it back.
    #[must_use]
    pub fn undo(mut self, undo: Undo) -> Self {
        self.undo = Some(undo);
        self
    }

    /// Adds Truedy's id of the exchange.
    #[must_use]
    pub fn request_id(mut self, id: Option<String>) -> Self {
        self.request_id = id;
        self
    }

    /// Adds something the owner should know.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// As the caller reads it: one flat object.
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
        match &self.undo {
            Some(Undo::Call(pointer)) => drop(object.insert("undo".to_owned(), pointer.to_json())),
            Some(Undo::Never) => drop(object.insert("undo".to_owned(), json!("cannot be undone"))),
            None => {}
        }
        if let Some(id) = &self.request_id {
            object.insert("request_id".to_owned(), json!(id));
        }
        object
    }
}
