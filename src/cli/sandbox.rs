//! `truedy-mcp sandbox`: runs a small imitation of Truedy's API for other programs.

use std::net::SocketAddr;

use clap::{Args, Subcommand};

use crate::cli::output::{Exit, complain, print};
use crate::cli::repeated::as_given;
use crate::cli::{bootstrap, signal};
use crate::config::{ConfigError, Settings};
use crate::journal::{Freeze, Journal, JournalPlace};
use crate::redact::shown_path;
use crate::sandbox::{Faults, KEY, OTHER_ORGANIZATION_KEY, REVOKED_KEY, SECOND_KEY, Sandbox, reset};
use crate::tools::change_kinds;

#[derive(Debug, Args)]
pub struct SandboxArgs {
    /// Where to listen; port 0 takes any free one.
    #[arg(long, value_name = "ADDRESS", env = "TRUEDY_MCP_LISTEN", default_value = "127.0.0.1:8787")]
    listen: SocketAddr,
    #[command(subcommand)]
    command: Option<SandboxCommand>,
}

#[derive(Debug, Subcommand)]
enum SandboxCommand {
    /// Forget everything: the next start begins with the seed.
    #[command(after_help = "Example: truedy-mcp sandbox reset")]
    Reset,
    /// List the faults that --fault takes.
    #[command(after_help = "Example: truedy-mcp sandbox faults")]
    Faults,
}

/// Returns the flags, without the dashes, of the settings that the command uses.
pub(super) fn used_settings(arguments: &SandboxArgs) -> &'static [&'static str] {
    match arguments.command {
        None => &["sandbox", "ephemeral", "fault", "ledger", "state-dir"],
        Some(SandboxCommand::Reset) => &["sandbox", "journal", "state-dir"],
        Some(SandboxCommand::Faults) => &[],
    }
}

pub(super) fn run(settings: &Settings, arguments: &SandboxArgs) -> Result<Exit, ConfigError> {
    match arguments.command {
        Some(SandboxCommand::Reset) => forget(settings),
        Some(SandboxCommand::Faults) => {
            print(&faults());
            Ok(Exit::Fine)
        }
        None => serve(settings, arguments.listen),
    }
}

fn forget(settings: &Settings) -> Result<Exit, ConfigError> {
    let dir = settings.state_dir()?;
    let frozen = forget_journal(settings)?;
    match reset(&dir) {
        Ok(there) => {
            let what = if there { "is forgotten" } else { "had nothing to forget" };
            let mut text = format!("The sandbox in {} {what}.", shown_path(&dir));
            if let Some(one) = frozen.first() {
                let tenant = one.tenant.as_ref().map(|tenant| format!(" --tenant {tenant}")).unwrap_or_default();
                text.push_str(&format!(" It is still frozen: `truedy-mcp unfreeze{tenant} --sandbox`."));
            }
            print(&as_given(&format!("{text}\n")));
            Ok(Exit::Fine)
        }
        Err(error) => {
            complain(&format!("the sandbox in {} could not be removed: {error}", shown_path(&dir)));
            Ok(Exit::Failed)
        }
    }
}

/// Empties the journal of the sandbox, so that old purchases do not count in the next one.
/// A journal that cannot be used is removed. Returns the freezes that stay.
fn forget_journal(settings: &Settings) -> Result<Vec<Freeze>, ConfigError> {
    let play = Settings { sandbox: true, ephemeral: false, ..settings.clone() };
    let JournalPlace::Directory(directory) = play.journal_place()? else { return Ok(Vec::new()) };
    if !directory.exists() {
        return Ok(Vec::new());
    }
    let journal = Journal::new(JournalPlace::Directory(directory.clone()), play.mode().to_owned(), change_kinds());
    let runtime = bootstrap::runtime()?;
    if runtime.block_on(journal.forget()).is_ok() {
        return Ok(runtime.block_on(journal.freezes()).unwrap_or_default());
    }
    if let Err(error) = std::fs::remove_dir_all(&directory) {
        complain(&format!("the journal in {} could not be removed: {error}", shown_path(&directory)));
    }
    Ok(Vec::new())
}

fn faults() -> String {
    let mut text = String::new();
    for fault in Faults::catalogue() {
        text.push_str(&format!("{}={}\n    {}\n", fault.name, fault.values().join("|"), fault.about));
    }
    text
}

fn serve(settings: &Settings, listen: SocketAddr) -> Result<Exit, ConfigError> {
    if !listen.ip().is_loopback() {
        return Err(ConfigError(format!(
            "The sandbox listens on loopback only, for example 127.0.0.1:8787; {listen} is not."
        )));
    }
    let options = settings.sandbox(listen)?;
    let runtime = bootstrap::runtime()?;
    runtime.block_on(async {
        let sandbox = match Sandbox::start(options).await {
            Ok(sandbox) => sandbox,
            Err(error) => {
                complain(&error.to_string());
                return Ok(Exit::Failed);
            }
        };
        print(&format!(
            "Sandbox of Truedy's API: made-up numbers, no money, nothing is dialled.\n\
             export TRUEDY_BASE_URL={}\n\
             export TRUEDY_API_KEY={KEY}\n\
             Other keys: {SECOND_KEY} (same organisation), {OTHER_ORGANIZATION_KEY} (another organisation), {REVOKED_KEY} (revoked)\n\
             Ctrl-C stops it.\n",
            sandbox.base_url()
        ));
        signal::end().await;
        sandbox.stop().await;
        Ok(Exit::Fine)
    })
}
