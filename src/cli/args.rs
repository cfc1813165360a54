//! The command line: its commands and their arguments.

use std::path::PathBuf;

use clap::{ColorChoice, Parser, Subcommand};

use crate::cli::color::HELP_STYLES;
use crate::cli::doctor::command as doctor;
use crate::cli::http::serve as http;
use crate::cli::init::command as init;
use crate::cli::tour::command as tour;
use crate::cli::{call, client_config, freeze, numbers, operations, probe, sandbox, token, tools, undo, version};
use crate::config::{Settings, path_setting};

pub(crate) const EXAMPLES: &str = "\
Examples:
  truedy-mcp tour                                  see the whole of it, on a sandbox, without an account
  truedy-mcp call list_numbers --sandbox           call one tool
  truedy-mcp config install claude-code --sandbox  try it in a client
  truedy-mcp init                                  set it up with an account

The API key comes from the variable TRUEDY_API_KEY (or a file), never from an argument.
Exit codes: 0 fine, 1 failed, 2 usage, 3 key missing or refused, 4 Truedy down, 5 refused by policy or frozen,
6 not known whether it happened: do not repeat it, see `truedy-mcp operations`.";

/// Truedy's phone numbers as tools for AI agents: an MCP server.
#[derive(Debug, Parser)]
#[command(
    name = "truedy-mcp",
    version,
    long_version = version::long(),
    about = "Truedy's phone numbers as tools for AI agents: an MCP server.",
    after_help = EXAMPLES,
    max_term_width = 110,
    styles = HELP_STYLES,
    disable_help_subcommand = true
)]
pub struct Cli {
    /// Settings of every command.
    #[command(flatten)]
    pub settings: Settings,
    /// Colours; `auto` is at a terminal, unless `NO_COLOR` is set.
    #[arg(long, value_name = "auto|always|never", value_enum, default_value_t = ColorChoice::Auto, global = true)]
    pub color: ColorChoice,
    /// The command.
    #[command(subcommand)]
    pub command: Option<Command>,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve one MCP client over standard input and output.
    #[command(after_help = "Example: claude mcp add truedy -e TRUEDY_API_KEY=… -- truedy-mcp stdio")]
    Stdio,
    /// Serve many MCP clients over HTTP: Streamable HTTP at /mcp.
    #[command(
        after_help = "Examples:\n  truedy-mcp http                        # on this machine, with a token made for this run\n  truedy-mcp http --tokens tokens.toml   # with tokens that `truedy-mcp token new` made\n  truedy-mcp http --listen 0.0.0.0:8080 --behind-tls-proxy --allow-host mcp.example.com"
    )]
    Http(Box<http::HttpArgs>),
    /// Make bearer tokens for `http --tokens`.
    #[command(after_help = "Example: truedy-mcp token new --tokens tokens.toml --principal ana")]
    Token(token::TokenArgs),
    /// Ask a server on this machine whether it lives or is ready, at its admin endpoints.
    #[command(after_help = "Example: truedy-mcp probe ready")]
    Probe(probe::ProbeArgs),
    /// Run the sandbox on its own, so that other programs can use it.
    #[command(after_help = "Example: truedy-mcp sandbox --listen 127.0.0.1:8787 --fault purchase=timeout_after_commit")]
    Sandbox(sandbox::SandboxArgs),
    /// Walk through a conversation on a fresh sandbox: get a number, keep it, lose an answer.
    #[command(after_help = "Example: truedy-mcp tour")]
    Tour(tour::TourArgs),
    /// Call one tool, as an agent would, and print its answer.
    #[command(
        after_help = "Examples:\n  truedy-mcp call search_numbers area_code=415 page_size=3 --sandbox\n  truedy-mcp call import_number --json - < import.json"
    )]
    Call(call::CallArgs),
    /// Show the tools as agents see them.
    #[command(after_help = "Examples:\n  truedy-mcp tools --search \"get rid of a number\"\n  truedy-mcp tools --json")]
    Tools(tools::ToolsArgs),
    /// Check key, address, clock, proxy, state directory and journal, and say what to do.
    #[command(after_help = "Example: truedy-mcp doctor --json")]
    Doctor(doctor::DoctorArgs),
    /// Show the numbers of the account, and who answers and calls from each.
    #[command(after_help = "Examples:\n  truedy-mcp numbers --sandbox\n  truedy-mcp numbers --csv > numbers.csv")]
    Numbers(numbers::NumbersArgs),
    /// Show what was changed, what it costs, and what is not known; unresolved first.
    #[command(
        after_help = "Examples:\n  truedy-mcp operations --since yesterday\n  truedy-mcp operations --state unknown\n  truedy-mcp operations --json --follow\n  truedy-mcp operations resolve 0199d0ab-7c1e-7d4b-9a55-2f0e6b1c8d90 --as not-bought --note \"not in the dashboard\""
    )]
    Operations(operations::OperationsArgs),
    /// Put back what an operation changed: show it, ask, and call the tool that does it.
    #[command(
        after_help = "Examples:\n  truedy-mcp undo 0199d0ab-7c1e-7d4b-9a55-2f0e6b1c8d90\n  truedy-mcp undo 0199d0ab-7c1e-7d4b-9a55-2f0e6b1c8d90 --yes"
    )]
    Undo(undo::UndoArgs),
    /// Stop all changes at once, in every process on this journal; reading goes on.
    #[command(
        after_help = "Examples:\n  truedy-mcp freeze --why \"wrong numbers bought\"\n  truedy-mcp freeze --why \"audit\" --tenant acme"
    )]
    Freeze(freeze::FreezeArgs),
    /// End a freeze; at a terminal only, where a word is typed.
    #[command(after_help = "Example: truedy-mcp unfreeze")]
    Unfreeze(freeze::UnfreezeArgs),
    /// Keep carrier accounts under names: where each key is, never the key.
    #[command(
        after_help = "Examples:\n  truedy-mcp carriers add main --provider telnyx --from api_key=env:TELNYX_API_KEY\n  truedy-mcp carriers list\n  truedy-mcp carriers test main"
    )]
    Carriers(crate::cli::carriers::args::CarriersArgs),
    /// Set everything up by questions: the key, limits for the first days, and clients.
    #[command(after_help = "Examples:\n  truedy-mcp init\n  truedy-mcp init --sandbox")]
    Init(init::InitArgs),
    /// Put the entry of this server into a client's file, take it out, check it, or print it.
    #[command(
        after_help = "Examples:\n  truedy-mcp config install claude-code --sandbox\n  truedy-mcp config check\n  truedy-mcp config print vscode\n  truedy-mcp config print claude-code --http --url https://mcp.example.com/mcp"
    )]
    Config(client_config::ConfigArgs),
    /// Show the help of a command, or all settings: `help settings`, `help http-settings`.
    #[command(after_help = "Examples:\n  truedy-mcp help settings\n  truedy-mcp help call")]
    Help {
        /// A command, `settings` or `http-settings`; the whole program without it.
        #[arg(value_name = "TOPIC")]
        topic: Vec<String>,
    },
    /// Show the version, and what it was built from.
    #[command(after_help = "Example: truedy-mcp version --json")]
    Version {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Print shell completions.
    #[command(after_help = "Example: truedy-mcp completions bash > /etc/bash_completion.d/truedy-mcp")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print a manual page, or write those of all commands into a directory.
    #[command(
        after_help = "Examples:\n  truedy-mcp man call | man -l -\n  truedy-mcp man --dir /usr/local/share/man/man1"
    )]
    Man {
        /// The command whose page it is; the program's own page without it.
        #[arg(value_name = "COMMAND")]
        topic: Vec<String>,
        /// Write all pages into this directory, which is made if it is missing.
        #[arg(long, value_name = "DIR", value_parser = path_setting(), conflicts_with = "topic")]
        dir: Option<PathBuf>,
    },
}
