//! The commands and the settings, as a person or a client starts them.

mod call_at_terminal;
mod carriers;
mod client_config;
mod client_install;
mod client_launch;
mod colors;
mod commands;
mod doctor;
mod freeze;
mod help;
mod init;
mod progress;
mod refused_settings;
mod run;
mod sandbox;
mod sandbox_http;
mod settings;
pub(crate) mod stdio;
mod suggestions;
mod tour;
