//! Runs the commands of the program. Each command has its own file or folder.

use std::io::{self, IsTerminal};
use std::process::ExitCode;

use crate::cli::args::Command;
use crate::cli::carriers::command as carriers;
use crate::cli::doctor::command as doctor;
use crate::cli::given::SetSetting;
use crate::cli::help::pages;
use crate::cli::http::serve as http;
use crate::cli::init::command as init;
use crate::cli::manual::{completions, man, man_pages};
use crate::cli::output::{Exit, complain, print};
use crate::cli::tour::command as tour;
use crate::cli::{
    call, client_config, freeze, numbers, operations, parsing, probe, repeated, sandbox, stdio, token, tools, undo,
    unused_settings, version,
};
use crate::config::{ConfigError, Settings};

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

/// Reads the command line and runs one command.
pub fn run() -> ExitCode {
    protect_memory();
    let (cli, set) = match parsing::parse() {
        Ok(parsed) => parsed,
        Err(code) => return code,
    };
    let settings = &cli.settings;
    repeated::note(&set);
    let checked = unused_settings::refuse(cli.command.as_ref(), &set);
    match checked.and_then(|()| run_command(settings, &set, cli.command)) {
        Ok(exit) => exit.into(),
        Err(ConfigError(sentence)) => {
            complain(&settings.name_variables(&sentence));
            Exit::Usage.into()
        }
    }
}

fn run_command(settings: &Settings, set: &[SetSetting], command: Option<Command>) -> Result<Exit, ConfigError> {
    match command {
        None if io::stdin().is_terminal() => Ok(welcome()),
        None | Some(Command::Stdio) => stdio::run(settings),
        Some(Command::Http(arguments)) => http::run(settings, &arguments),
        Some(Command::Token(arguments)) => token::run(&arguments),
        Some(Command::Probe(arguments)) => probe::run(&arguments),
        Some(Command::Sandbox(arguments)) => sandbox::run(settings, &arguments),
        Some(Command::Tour(arguments)) => tour::run(set, &arguments),
        Some(Command::Call(arguments)) => call::run(settings, &arguments),
        Some(Command::Tools(arguments)) => tools::run(settings, &arguments),
        Some(Command::Doctor(arguments)) => doctor::run(settings, &arguments),
        Some(Command::Numbers(arguments)) => numbers::run(settings, &arguments),
        Some(Command::Operations(arguments)) => operations::run(settings, &arguments),
        Some(Command::Undo(arguments)) => undo::run(settings, &arguments),
        Some(Command::Freeze(arguments)) => freeze::freeze(settings, &arguments),
        Some(Command::Unfreeze(arguments)) => freeze::unfreeze(settings, &arguments),
        Some(Command::Carriers(arguments)) => carriers::run(settings, &arguments),
        Some(Command::Init(_)) => init::run(settings, set),
        Some(Command::Config(arguments)) => client_config::run(settings, set, &arguments),
        Some(Command::Version { json }) => Ok(version::show(json)),
        Some(Command::Help { topic }) => Ok(pages::show(&topic)),
        Some(Command::Completions { shell }) => Ok(completions(shell)),
        Some(Command::Man { topic, dir: None }) => man(&topic),
        Some(Command::Man { dir: Some(dir), .. }) => man_pages(&dir),
    }
}

/// Keeps the memory of this program, including keys, out of core dumps. Other programs of the same user cannot read it.
pub(crate) fn protect_memory() {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, setrlimit};
        let _ = setrlimit(Resource::Core, Rlimit { current: Some(0), maximum: Some(0) });
    }
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

pub(crate) fn welcome() -> Exit {
    print(&format!(
        "truedy-mcp {}: Truedy's phone numbers as tools for AI agents.\n\n\
         Try, without an account:\n  \
         truedy-mcp tour\n  \
         truedy-mcp call list_numbers --sandbox\n  \
         truedy-mcp config install claude-code --sandbox\n\n\
         With an account: truedy-mcp init\n\
         truedy-mcp --help shows everything.\n",
        env!("CARGO_PKG_VERSION")
    ));
    Exit::Fine
}
