//! `truedy-mcp token`: creates the bearer tokens for `http --tokens`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::cli::output::{Exit, complain, print};
use crate::config::{ConfigError, path_setting};
use crate::domain::Caller;
use crate::files::private_bytes;
use crate::guard::Scope;
use crate::http::{FILE_LIMIT, TokenHolder, add, scopes};
use crate::redact::shown_path;

#[derive(Debug, Args)]
pub struct TokenArgs {
    #[command(subcommand)]
    command: TokenCommand,
}

#[derive(Debug, Subcommand)]
enum TokenCommand {
    /// Make a token: its digest goes into the file, the token itself is printed, once.
    #[command(
        after_help = "Example: truedy-mcp token new --tokens tokens.toml --principal ana --scopes numbers:read,numbers:assign\nTo take a token back, delete its entry from the file; a running server notices within a second."
    )]
    New(NewArgs),
}

#[derive(Debug, Args)]
struct NewArgs {
    /// The file; it is made, for you alone, if it is missing.
    #[arg(long, value_name = "FILE", env = "TRUEDY_MCP_TOKENS", value_parser = path_setting())]
    tokens: PathBuf,
    /// Who comes in with it: 1 to 64 letters, digits, or any of . _ @ -
    #[arg(long, value_name = "NAME")]
    principal: String,
    /// Whose account it works on.
    #[arg(long, value_name = "NAME", default_value = "default")]
    tenant: String,
    /// What it is good for; all six without it: numbers:read, numbers:purchase, numbers:import, numbers:assign, numbers:release, credentials:read.
    #[arg(long, value_name = "SCOPE,…", value_delimiter = ',')]
    scopes: Option<Vec<String>>,
}

pub(super) fn run(arguments: &TokenArgs) -> Result<Exit, ConfigError> {
    let TokenCommand::New(new) = &arguments.command;
    let wrong = |flag: &str, why: String| ConfigError(format!("{flag}: {why}."));
    Caller::check_name("principal", &new.principal).map_err(|why| wrong("--principal", why))?;
    Caller::check_name("tenant", &new.tenant).map_err(|why| wrong("--tenant", why))?;
    let scopes = match &new.scopes {
        None => Scope::ALL.into(),
        Some(names) => scopes(names.iter().map(|name| name.trim())).map_err(|why| wrong("--scopes", why))?,
    };
    // An existing file must still be usable afterwards. An administrator may write it for the user who owns it.
    if new.tokens.exists() && !is_of_another_user_and_ours_to_write(&new.tokens) {
        private_bytes(&new.tokens, FILE_LIMIT)
            .map_err(|why| ConfigError(format!("--tokens {} cannot be used: {why}.", shown_path(&new.tokens))))?;
    }
    let holder = TokenHolder { principal: new.principal.clone(), tenant: new.tenant.clone(), scopes };
    match add(&new.tokens, &holder, &jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()) {
        Ok(token) => {
            print(&format!("{token}\n"));
            complain("this is the only time that the token is shown; the file holds its digest");
            Ok(Exit::Fine)
        }
        Err(error) => {
            complain(&format!("{} could not be written: {error}", shown_path(&new.tokens)));
            Ok(Exit::Failed)
        }
    }
}

#[cfg(unix)]
fn is_of_another_user_and_ours_to_write(file: &std::path::Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let private = |about: std::fs::Metadata| about.is_file() && about.uid() != 0 && about.mode() & 0o077 == 0;
    rustix::process::geteuid().is_root() && std::fs::symlink_metadata(file).is_ok_and(private)
}

#[cfg(not(unix))]
fn is_of_another_user_and_ours_to_write(_: &std::path::Path) -> bool {
    false
}
