//! How other rooms go through all tools.

use crate::tools::contract::tool::{Change, Read};

/// Receives every tool once, in the order in which clients see them.
pub trait Visitor {
    /// Receives a tool that only reads.
    fn read<T: Read>(&mut self);
    /// Receives a tool that changes something.
    fn change<T: Change>(&mut self);
}
