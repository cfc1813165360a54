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

/// A [`Slot`] whose text is kept elsewhere.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SlotView<'a> {
    /// Truedy did not say.
    Unknown,
    /// No agent.
    Free,
    /// The agent with this id.
    Held(&'a str),
}

impl Slot {
    /// Returns the same slot without its own text.
    pub fn view(&self) -> SlotView<'_> {
        match self {
            Self::Unknown => SlotView::Unknown,
            Self::Free => SlotView::Free,
            Self::Held(agent) => SlotView::Held(agent),
        }
    }
}

impl From<SlotView<'_>> for Slot {
    fn from(slot: SlotView<'_>) -> Self {
        match slot {
            SlotView::Unknown => Self::Unknown,
            SlotView::Free => Self::Free,
            SlotView::Held(agent) => Self::Held(agent.to_owned()),
        }
    }
}
