//! Runs `init`: the key, limits, clients, and a check of the whole.

use std::io::{self, BufRead, BufReader, IsTerminal, Write};
use std::path::Path;
use std::sync::Arc;

use clap::{Args, ValueEnum};

use crate::cli::bootstrap;
use crate::cli::clients::check::{ClientState, states};
use crate::cli::clients::install::install;
use crate::cli::doctor::account::accepted;
use crate::cli::doctor::command as doctor;
use crate::cli::doctor::local::usual_form;
use crate::cli::doctor::report::DoctorReport;
use crate::cli::given::SetSetting;
use crate::cli::init::dialogue::Dialogue;
use crate::cli::init::limits;
use crate::cli::output::{Exit, complain};
use crate::config::{
    ClientFolders, ClientKind, ConfigError, ConfigScope, KEY_VARIABLE, Settings, default_key, places, store_key,
    typed_key,
};
use crate::redact::{Redactor, Secret, shown_path};
use crate::truedy::Client;

/// How often a key is asked for before `init` gives up.
const ATTEMPTS: usize = 3;

#[derive(Debug, Args)]
pub struct InitArgs {}

/// How the key is read: as a person types it, without showing it.
type ReadKey<'a> = &'a mut dyn FnMut() -> io::Result<String>;

pub(crate) fn run(settings: &Settings, set: &[SetSetting]) -> Result<Exit, ConfigError> {
    let place = default_key().map_or_else(|| "a file".to_owned(), |file| shown_path(&file));
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        complain(&format!(
            "init asks questions, and there is no terminal. Instead: put the key into {place} with mode 0600; check it with truedy-mcp doctor; put the entry into a client with truedy-mcp config install CLIENT."
        ));
        return Ok(Exit::Usage);
    }
    let mut dialogue = Dialogue::new(BufReader::new(io::stdin()), io::stderr());
    let mut hidden = || {
        // The terminal itself, since a person may have changed where standard output goes.
        let terminal = if cfg!(unix) { "/dev/stdin" } else { "CONIN$" };
        let config = rpassword::ConfigBuilder::new().input_file_path(terminal).output_discard().build();
        rpassword::read_password_with_config(config)
    };
    let mut settings = settings.clone();
    let mut set = set.to_vec();
    match ask(&mut dialogue, &mut hidden, &mut settings, &mut set) {
        Ok(Some(exit)) => return Ok(exit),
        Ok(None) => {}
        Err(Interrupted::Input) => {
            complain("the input has ended; what was said above is done, and nothing else.");
            return Ok(Exit::Failed);
        }
        Err(Interrupted::Config(error)) => return Err(error),
    }
    dialogue.say("\nThe check of the whole (truedy-mcp doctor):");
    doctor::run(&settings, &doctor::DoctorArgs::default())
}

/// Why the questions ended early.
enum Interrupted {
    Input,
    Config(ConfigError),
}

impl From<io::Error> for Interrupted {
    fn from(_: io::Error) -> Self {
        Self::Input
    }
}

impl From<ConfigError> for Interrupted {
    fn from(error: ConfigError) -> Self {
        Self::Config(error)
    }
}

/// Asks everything. Returns the exit code if there is nothing left to do.
fn ask(
    dialogue: &mut Dialogue<impl BufRead, impl Write>,
    hidden: ReadKey<'_>,
    settings: &mut Settings,
    set: &mut Vec<SetSetting>,
) -> Result<Option<Exit>, Interrupted> {
    if settings.sandbox {
        dialogue.say("The sandbox needs no key: its numbers are made up, and nothing costs money.");
    } else if let Some(exit) = key(dialogue, hidden, settings, set)? {
        return Ok(Some(exit));
    }
    if !settings.sandbox {
        limits::ask(dialogue, settings, set)?;
    }
    clients(dialogue, settings, set)?;
    Ok(None)
}

/// Sees to the key: keeps the one that is there, or asks for one, checks it and stores it.
fn key(
    dialogue: &mut Dialogue<impl BufRead, impl Write>,
    hidden: ReadKey<'_>,
    settings: &mut Settings,
    set: &mut Vec<SetSetting>,
) -> Result<Option<Exit>, Interrupted> {
    if std::env::var_os(KEY_VARIABLE).is_some_and(|text| !text.is_empty()) {
        dialogue.say(&format!("{KEY_VARIABLE} is set here, and wins over a stored key."));
    }
    let is_there = default_key().is_some_and(|file| file.symlink_metadata().is_ok());
    if is_there && let Some(file) = default_key() {
        let place = shown_path(&file);
        if dialogue.yes(&format!("There is a key in {place}. Keep it?"), true)? {
            use_key(settings, set, &file);
            return Ok(None);
        }
    }
    dialogue.say("Make a key in Truedy's dashboard: Settings > API Keys. What you type is not shown.");
    for _ in 0..ATTEMPTS {
        dialogue.prompt("Truedy API key:");
        let typed = hidden()?;
        dialogue.say("");
        let key = match typed_key(&typed) {
            Ok(key) => key,
            Err(ConfigError(why)) => {
                dialogue.say(&why);
                continue;
            }
        };
        if !usual_form(&key) {
            dialogue.say("Truedy's keys look like truedy_ and 32 letters and digits; this one does not.");
        }
        match checked(settings, &key)? {
            Exit::Fine => dialogue.say("Truedy accepts the key."),
            Exit::Key => {
                dialogue.say("Truedy refuses the key. Nothing was stored.");
                continue;
            }
            _ => {
                let question = "Truedy could not be asked, so the key is not checked. Store it all the same?";
                if !dialogue.yes(question, false)? {
                    return Ok(Some(Exit::Upstream));
                }
            }
        }
        let file = store_key(&key, is_there)?;
        dialogue.say(&format!("Stored in {}, for you alone.", shown_path(&file)));
        use_key(settings, set, &file);
        return Ok(None);
    }
    dialogue.say("No key was stored.");
    Ok(Some(Exit::Key))
}

/// Has the settings and the entries of clients take the key from its default file.
fn use_key(settings: &mut Settings, set: &mut Vec<SetSetting>, file: &Path) {
    settings.api_key_file = Some(file.to_owned());
    settings.is_default_key = true;
    set.retain(|one| one.flag != "api-key-file");
}

/// Asks Truedy for one number with this key, as `doctor` does.
fn checked(settings: &Settings, key: &Secret) -> Result<Exit, ConfigError> {
    let redactor = Arc::new(Redactor::default());
    redactor.redact_always(key);
    let setup = settings.setup(key.clone())?;
    let client = Client::new(setup, Arc::clone(&redactor))
        .map_err(|error| ConfigError(format!("The client could not be made: {error}.")))?;
    let mut report = DoctorReport { tenant: None, checks: Vec::new(), exit: Exit::Fine };
    bootstrap::runtime()?.block_on(accepted(&client, &mut report));
    Ok(report.exit)
}

/// Offers each client that is on this machine.
fn clients(
    dialogue: &mut Dialogue<impl BufRead, impl Write>,
    settings: &Settings,
    set: &[SetSetting],
) -> Result<(), Interrupted> {
    let found = found_clients();
    if found.is_empty() {
        dialogue.say("No client was found. truedy-mcp config install CLIENT puts the entry into one.");
    }
    for client in found {
        let there = states(Some(client), ConfigScope::User).iter().find_map(ClientState::mode);
        // Enter must not turn a live entry into another one.
        let (question, usual) = match there {
            None => (format!("Put the entry into {}?", client.name()), true),
            Some(mode) => {
                let by = if settings.sandbox { "the sandbox" } else { "one for your account" };
                (format!("{} has an entry ({mode}). Replace it by {by}?", client.name()), false)
            }
        };
        if dialogue.yes(&question, usual)? {
            // What one client refuses is told, and says nothing about the next.
            match install(client, ConfigScope::User, false, settings, set) {
                Ok(_) => {}
                Err(ConfigError(why)) => complain(&why),
            }
        }
    }
    Ok(())
}

/// Returns the clients that have a file, or a folder for it, on this machine.
fn found_clients() -> Vec<ClientKind> {
    let Some(folders) = ClientFolders::here() else { return Vec::new() };
    let is_there = |client: &ClientKind| {
        let places = places(*client, ConfigScope::User, &folders);
        let has_folder = |file: &std::path::PathBuf| {
            // The home itself is no sign of a client.
            let folder = file.parent().filter(|folder| !folders.is_home(folder));
            file.symlink_metadata().is_ok() || folder.is_some_and(Path::is_dir)
        };
        !client.is_print_only() && places.iter().any(has_folder)
    };
    ClientKind::value_variants().iter().copied().filter(is_there).collect()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::Cli;

    #[test]
    fn nothing_is_asked_for_on_a_sandbox_but_the_clients() {
        let mut settings = Cli::try_parse_from(["truedy-mcp", "--sandbox"]).expect("settings").settings;
        let mut dialogue = Dialogue::new(&b"n\nn\nn\nn\nn\nn\nn\nn\nn\nn\nn\n"[..], Vec::new());
        let mut never = || -> io::Result<String> { Err(io::ErrorKind::Other.into()) };
        let mut set = Vec::new();
        let asked = ask(&mut dialogue, &mut never, &mut settings, &mut set);
        assert!(matches!(asked, Ok(None)) && set.is_empty());
    }
}
