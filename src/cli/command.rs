//! What a person runs: one file a command.

use crate::cli::call;
use crate::cli::carriers::command as carriers;
use crate::cli::client_config;
use crate::cli::doctor::command as doctor;
use crate::cli::http::serve as http;
use crate::cli::operations;
use crate::cli::parsing;
use crate::cli::probe;
use crate::cli::sandbox;
use crate::cli::stdio;
use crate::cli::token;
use crate::cli::tools;
use crate::cli::tour;

use std::fs;
use std::io::{self, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use crate::config::{ConfigError, Settings, path_setting};
use crate::redact::shown_path;

/// How a command ended. Documented in `docs/reference/cli.md` and in the help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done.
    Fine = 0,
    /// It did not work.
    Failed = 1,
    /// Wrong arguments or settings.
    Usage = 2,
    /// The API key is missing or refused.
    Key = 3,
    /// Truedy cannot be reached or does not answer properly.
    Upstream = 4,
    /// The operator's policy refuses it.
    Policy = 5,
    /// It is not known, or not yet, whether it happened: do not repeat it.
    Unknown = 6,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

pub(crate) const EXAMPLES: &str = "\
Examples:
  truedy-mcp tour                                  see the whole of it, on a sandbox, without an account
  truedy-mcp call list_numbers --sandbox           call one tool
  TRUEDY_API_KEY=… truedy-mcp doctor               check key, address and clock
  claude mcp add truedy -e TRUEDY_API_KEY=… -- truedy-mcp stdio

The API key comes from the variable TRUEDY_API_KEY (or a file), never from an argument.
Exit codes: 0 fine, 1 failed, 2 usage, 3 key missing or refused, 4 Truedy down, 5 refused by policy,
6 not known whether it happened: do not repeat it, see `truedy-mcp operations`.";

/// What is said of a key on the command line.
pub(crate) const KEY_IN_ARGUMENTS: &str = "what looks like a key stands on the command line, where every process can read it: name the variable, the file or the command that has it instead, and if it is a key in use, replace it at its provider.";

/// Truedy's phone numbers as tools for AI agents: an MCP server.
#[derive(Debug, Parser)]
#[command(name = "truedy-mcp", version, about, after_help = EXAMPLES, max_term_width = 110)]
pub struct Cli {
    /// Settings of every command.
    #[command(flatten)]
    pub settings: Settings,
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
        after_help = "Examples:\n  truedy-mcp http                                      on this machine, with a token made for this run\n  truedy-mcp token new --tokens tokens.toml --principal ana && truedy-mcp http --tokens tokens.toml\n  truedy-mcp http --listen 0.0.0.0:8080 --behind-tls-proxy --allow-host mcp.example.com --tokens tokens.toml"
    )]
    Http(Box<http::HttpArgs>),
    /// Make bearer tokens for `http --tokens`.
    #[command(after_help = "Example: truedy-mcp token new --tokens tokens.toml --principal ana")]
    Token(token::TokenArgs),
    /// Ask a server on this machine, at its admin endpoints, whether it lives or is ready.
    #[command(after_help = "Example: truedy-mcp probe ready")]
    Probe(probe::ProbeArgs),
    /// Run the sandbox on its own, so that other programs can use it.
    #[command(after_help = "Example: truedy-mcp sandbox --listen 127.0.0.1:8787 --fault purchase=timeout_after_commit")]
    Sandbox(sandbox::SandboxArgs),
    /// Walk through a whole conversation on a fresh sandbox, as a real MCP client.
    #[command(after_help = "Example: truedy-mcp tour")]
    Tour,
    /// Call one tool, as an agent would, and print its answer.
    #[command(
        after_help = "Examples:\n  truedy-mcp call search_numbers area_code=415 page_size=3 --sandbox\n  truedy-mcp call import_number --json - < import.json"
    )]
    Call(call::CallArgs),
    /// Show the tools as agents see them.
    #[command(after_help = "Examples:\n  truedy-mcp tools --search \"get rid of a number\"\n  truedy-mcp tools --json")]
    Tools(tools::ToolsArgs),
    /// Check key, address, clock, proxy, state directory and journal, each with what to do.
    #[command(after_help = "Example: truedy-mcp doctor --json")]
    Doctor(doctor::DoctorArgs),
    /// Show what was bought, imported, assigned, released or refused, and what is not known; unresolved first.
    #[command(
        after_help = "Examples:\n  truedy-mcp operations --state unknown\n  truedy-mcp operations --json --follow\n  truedy-mcp operations resolve 0199d0ab-7c1e-7d4b-9a55-2f0e6b1c8d90 --as not-bought --note \"not in the dashboard\""
    )]
    Operations(operations::OperationsArgs),
    /// Keep carrier accounts under names, in the file of --config: where each key is, never the key.
    #[command(
        after_help = "Examples:\n  truedy-mcp carriers add main --provider telnyx --from api_key=env:TELNYX_API_KEY\n  truedy-mcp carriers list\n  truedy-mcp carriers test main"
    )]
    Carriers(carriers::CarriersArgs),
    /// Print what a client's configuration needs.
    #[command(
        after_help = "Examples:\n  truedy-mcp config print vscode\n  truedy-mcp config print claude-code --http --url https://mcp.example.com/mcp"
    )]
    Config(client_config::ConfigArgs),
    /// Print shell completions.
    #[command(after_help = "Example: truedy-mcp completions bash > /etc/bash_completion.d/truedy-mcp")]
    Completions {
        /// The shell.
        shell: clap_complete::Shell,
    },
    /// Print the manual page, or write it and those of all commands into a directory.
    #[command(
        after_help = "Examples:\n  truedy-mcp man > truedy-mcp.1\n  truedy-mcp man --dir /usr/local/share/man/man1"
    )]
    Man {
        /// Write all pages into this directory, which is made if it is missing.
        #[arg(long, value_name = "DIR", value_parser = path_setting())]
        dir: Option<PathBuf>,
    },
}

/// Reads the command line and runs one command.
pub fn run() -> ExitCode {
    protect_memory();
    let (cli, set) = match parsing::parse() {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    let settings = &cli.settings;
    let outcome = match cli.command {
        None if io::stdin().is_terminal() => Ok(welcome()),
        None | Some(Command::Stdio) => stdio::run(settings),
        Some(Command::Http(arguments)) => http::run(settings, &arguments),
        Some(Command::Token(arguments)) => token::run(&arguments),
        Some(Command::Probe(arguments)) => probe::run(&arguments),
        Some(Command::Sandbox(arguments)) => sandbox::run(settings, &arguments),
        Some(Command::Tour) => tour::run(&set),
        Some(Command::Call(arguments)) => call::run(settings, &arguments),
        Some(Command::Tools(arguments)) => tools::run(settings, &arguments),
        Some(Command::Doctor(arguments)) => doctor::run(settings, &arguments),
        Some(Command::Operations(arguments)) => operations::run(settings, &arguments),
        Some(Command::Carriers(arguments)) => carriers::run(settings, &arguments),
        Some(Command::Config(arguments)) => client_config::run(settings, &set, &arguments),
        Some(Command::Completions { shell }) => Ok(completions(shell)),
        Some(Command::Man { dir: None }) => Ok(man()),
        Some(Command::Man { dir: Some(dir) }) => man_pages(&dir),
    };
    match outcome {
        Ok(exit) => exit.into(),
        Err(ConfigError(sentence)) => {
            complain(&settings.name_variables(&sentence));
            Exit::Usage.into()
        }
    }
}

/// Keeps what this program holds in memory, keys included, from a core dump, and from other programs of the same user.
pub(crate) fn protect_memory() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

/// Writes to standard output; a reader that has gone away is no failure of ours.
pub(crate) fn print(text: &str) {
    let mut out = io::stdout().lock();
    drop(out.write_all(text.as_bytes()).and_then(|()| out.flush()));
}

/// Writes a sentence to standard error.
pub(crate) fn complain(text: &str) {
    drop(writeln!(io::stderr().lock(), "truedy-mcp: {text}"));
}

pub(crate) fn welcome() -> Exit {
    print(&format!(
        "truedy-mcp {}: Truedy's phone numbers as tools for AI agents.\n\n\
         Try, without an account:\n  \
         truedy-mcp tour\n  \
         truedy-mcp call list_numbers --sandbox\n  \
         truedy-mcp config print claude-code\n\n\
         truedy-mcp --help shows everything.\n",
        env!("CARGO_PKG_VERSION")
    ));
    Exit::Fine
}

pub(crate) fn completions(shell: clap_complete::Shell) -> Exit {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "truedy-mcp", &mut script);
    print(&String::from_utf8_lossy(&script));
    Exit::Fine
}

pub(crate) fn man() -> Exit {
    let mut page = Vec::new();
    let written = clap_mangen::Man::new(Cli::command()).render(&mut page);
    print(&String::from_utf8_lossy(&page));
    if written.is_ok() { Exit::Fine } else { Exit::Failed }
}

/// Writes the page of the program and of each command, each under the name by which the others refer to it.
pub(crate) fn man_pages(dir: &Path) -> Result<Exit, ConfigError> {
    let refuse = |error: io::Error| ConfigError(format!("--dir {} cannot be used: {error}.", shown_path(dir)));
    fs::create_dir_all(dir).map_err(refuse)?;
    clap_mangen::generate_to(Cli::command(), dir).map_err(refuse)?;
    Ok(Exit::Fine)
}

/// The settings of every command as a Markdown table, for `docs/reference`.
pub fn settings_table() -> String {
    let key = "| | `TRUEDY_API_KEY` | | The Truedy API key. There is no flag: every process can read arguments. |\n";
    table(&Cli::command(), key)
}

/// The settings of `http` alone, likewise.
pub fn http_table() -> String {
    Cli::command().find_subcommand("http").map(|command| table(command, "")).unwrap_or_default()
}

pub(crate) fn table(command: &clap::Command, first: &str) -> String {
    let mut table = format!("| flag | variable | default | what it does |\n| --- | --- | --- | --- |\n{first}");
    for argument in command.get_arguments() {
        let (Some(flag), Some(variable)) = (argument.get_long(), argument.get_env()) else {
            continue;
        };
        let value = argument
            .get_value_names()
            .filter(|_| argument.get_action().takes_values())
            .map(|names| format!(" {}", names.join(" ")))
            .unwrap_or_default();
        let default: Vec<String> = argument
            .get_default_values()
            .iter()
            .map(|value| format!("`{}`", value.to_string_lossy()))
            .filter(|_| argument.get_action().takes_values())
            .collect();
        let help = argument.get_help().map(ToString::to_string).unwrap_or_default();
        table.push_str(&format!(
            "| `--{flag}{}` | `{}` | {} | {help} |\n",
            value.replace('|', "\\|"),
            variable.to_string_lossy(),
            default.join(" ")
        ));
    }
    table
}

/// The client whose configuration is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Client {
    /// Claude Code
    ClaudeCode,
    /// Claude Desktop
    ClaudeDesktop,
    /// VS Code
    #[value(alias = "vs-code")]
    Vscode,
    /// Cursor
    Cursor,
    /// Codex
    Codex,
    /// Gemini CLI
    #[value(alias = "gemini-cli")]
    Gemini,
    /// Zed
    Zed,
    /// Goose
    Goose,
}
