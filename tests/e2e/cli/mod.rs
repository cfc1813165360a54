//! The commands and the settings, as a person or a client starts them.

mod client_config;
mod commands;
mod sandbox;
mod settings;
pub(crate) mod stdio;
mod suggestions;
