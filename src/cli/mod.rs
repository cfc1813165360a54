//! What a person runs: one file a command.

mod bootstrap;
mod call;
mod carriers;
mod client_config;
mod client_entry;
mod command;
mod doctor;
mod given;
mod http;
mod logging;
mod near_miss;
mod operations;
mod parsing;
mod probe;
mod reference;
mod sandbox;
mod signal;
mod stdio;
mod token;
mod tool_search;
mod tools;
mod tour;

pub use command::{Cli, Client, Command, Exit, http_table, run, settings_table};
pub use reference::reference_pages;
pub use tool_search::Index;
