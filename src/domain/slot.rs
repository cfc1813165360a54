//! Which agent has one direction of a number.

/// The agent that is assigned to one direction of a number.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub enum Slot {
    /// Truedy did not say, or it was not asked.
    #[default]
    Unknown,
    /// No agent.
    Free,
    /// The agent with this id.
    Held(String),
}

impl Slot {
    /// Returns the text that a confirmation is bound to. Two different slots give two different texts.
    pub fn fingerprint(&self) -> String {
        match self {
            Self::Unknown => "unknown".to_owned(),
            Self::Free => "free".to_owned(),
            Self::Held(agent) => format!("held by {agent}"),
        }
    }
}
