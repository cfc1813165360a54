//! The configuration files of MCP clients: where they are, and how an entry gets in and out of them.

mod change;
mod client;
mod entry;
mod json;
pub(super) mod place;
mod record;
mod splice;
mod toml;

pub use change::{ClientFile, Removed, Written};
pub use client::ClientKind;
pub use entry::{ClientEntry, InputField, NAME};
pub use place::{ClientFolders, ConfigScope, OperatingSystem, places};
