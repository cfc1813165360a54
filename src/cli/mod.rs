//! The command line: each command has its own file or folder.

mod args;
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
mod manual;
mod near_miss;
mod operations;
mod output;
mod parsing;
mod probe;
mod reference;
mod sandbox;
mod settings_table;
mod signal;
mod stdio;
mod token;
mod tool_search;
mod tools;
mod tour;
mod unused_settings;

pub use args::{Cli, Command};
pub use client_config::ClientKind;
pub use command::run;
pub use output::Exit;
pub use reference::reference_pages;
pub use settings_table::{http_table, settings_table};
pub use tool_search::ToolIndex;
