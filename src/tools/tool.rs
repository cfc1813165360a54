//! What a tool is: its arguments, its effect, and how it reads or changes.

use std::future::Future;
use std::sync::Arc;

use schemars::JsonSchema;
use serde::Serialize;

use super::answer::{Answer, Failure};
use super::arguments::Arguments;
use super::prices::Prices;
use crate::domain::Problem;
use crate::guard::{Claims, Stakes};
use crate::truedy::{Call, Client};

/// What calling a tool does, which decides its hints and its words when it fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// Only reads.
    Reads,
    /// Spends money.
    Spends,
    /// Registers something with secrets; live calls may move.
    Registers,
    /// Changes who gets calls; can be changed back.
    Changes,
    /// Destroys; cannot be undone.
    Destroys,
}

impl Effect {
    /// Whether it changes nothing.
    pub fn reads(self) -> bool {
        self == Self::Reads
    }

    /// Whether calling it again with the same arguments changes nothing more.
    pub fn idempotent(self) -> bool {
        !matches!(self, Self::Spends | Self::Registers)
    }

    /// Whether a client should always involve its user, whatever the user has waved through.
    pub fn grave(self) -> bool {
        matches!(self, Self::Spends | Self::Destroys)
    }
}

/// What a tool works with.
#[derive(Clone)]
pub struct Desk {
    /// The API, as the caller's organisation.
    pub truedy: Arc<Client>,
    /// Time, and whether the call is still wanted.
    pub call: Call,
    /// Whether a person can be asked: then it is worth finding out a price.
    pub asks: bool,
    /// Prices seen lately.
    pub prices: Arc<Prices>,
}

impl Desk {
    /// The same desk with another share of the time.
    pub fn with(&self, call: Call) -> Self {
        Self { call, ..self.clone() }
    }
}

/// A tool. Its type is the arguments, its rustdoc the description.
pub trait Tool: Arguments + Clone + Send + Sync + 'static {
    /// As clients call it.
    const NAME: &'static str;
    /// As people read it.
    const TITLE: &'static str;
    /// What calling it does.
    const EFFECT: Effect;
    /// The facts of its answer.
    type Output: Serialize + JsonSchema + Send + 'static;

    /// What is wrong between arguments that are each right.
    fn contradictions(&self) -> Vec<Problem> {
        Vec::new()
    }
}

/// A tool that only reads.
pub trait Read: Tool {
    /// Answers the call.
    fn read(self, desk: Desk) -> impl Future<Output = Result<Answer<Self::Output>, Failure>> + Send;
}

/// What reading before a change found.
#[derive(Debug)]
pub enum Step<P, T> {
    /// Nothing to change.
    Done(Answer<T>),
    /// This would be changed, with this at stake.
    Ready(P, Stakes),
}

/// A tool that changes something: it reads and plans first, and acts only when the gate lets it.
pub trait Change: Tool {
    /// What was found out, for acting.
    type Plan: Send + 'static;

    /// What the call says of itself before anything is read.
    fn claims(&self) -> Claims {
        Claims::default()
    }

    /// Reads what there is to know. Changes nothing.
    fn plan(&self, desk: &Desk) -> impl Future<Output = Result<Step<Self::Plan, Self::Output>, Failure>> + Send;

    /// Makes the one change and finds out what became of it.
    fn act(self, plan: Self::Plan, desk: Desk) -> impl Future<Output = Result<Answer<Self::Output>, Failure>> + Send;
}
