//! `truedy-mcp token`: makes, lists and takes back the bearer tokens for `http --tokens`.

use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use jiff::{Timestamp, ZonedDateTime};
use serde_json::{Value, json};

use crate::cli::output::{Exit, complain, print, print_styled};
use crate::cli::quoted::quoted;
use crate::cli::table::{ALERT, Cell, FAINT, Table};
use crate::config::{ConfigError, path_setting};
use crate::domain::Caller;
use crate::files::private_bytes;
use crate::guard::Scope;
use crate::http::{FILE_LIMIT, ListedToken, TokenHolder, add, listed, revoke, scopes};
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
        after_help = "Example: truedy-mcp token new --tokens tokens.toml --principal ana --scopes numbers:read,numbers:assign\n`truedy-mcp token revoke` takes a token back; a running server notices within a second."
    )]
    New(NewArgs),
    /// Show the tokens of a file: who has them, what they are good for, and until when. Never a token.
    #[command(after_help = "Example: truedy-mcp token list --tokens tokens.toml")]
    List(ListTokensArgs),
    /// Take a token back: its entry is deleted from the file, and a running server notices within a second.
    #[command(after_help = "Example: truedy-mcp token revoke 3f2a9c0d1e4b --tokens tokens.toml")]
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
struct ListTokensArgs {
    /// The file.
    #[arg(long, value_name = "FILE", env = "TRUEDY_MCP_TOKENS", value_parser = path_setting())]
    tokens: PathBuf,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Args)]
struct RevokeArgs {
    /// The id of the token, as `truedy-mcp token list` shows it.
    id: String,
    /// The file.
    #[arg(long, value_name = "FILE", env = "TRUEDY_MCP_TOKENS", value_parser = path_setting())]
    tokens: PathBuf,
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
    /// Until when it is accepted: in so many days, a day to its end, or a moment: `30d`, `2027-01-31`, `2027-01-31T12:00:00Z`.
    #[arg(long, value_name = "MOMENT", value_parser = expiry)]
    expires: Option<Timestamp>,
}

/// Parses the moment at which a token expires. It must lie in the future.
fn expiry(text: &str) -> Result<Timestamp, String> {
    const EXPECTED: &str = "expected days, a day or a moment in the future, for example 30d or 2027-01-31";
    let now = ZonedDateTime::now();
    let days = text.strip_suffix('d').and_then(|days| days.parse::<i64>().ok());
    let moment = match days {
        Some(days) => {
            now.checked_add(jiff::Span::new().try_days(days).map_err(|_| EXPECTED)?).ok().map(|at| at.timestamp())
        }
        None => text.parse::<Timestamp>().ok().or_else(|| {
            let day = text.parse::<jiff::civil::Date>().ok()?.tomorrow().ok()?;
            now.time_zone().to_timestamp(day.at(0, 0, 0, 0)).ok()
        }),
    };
    let moment = moment.filter(|moment| *moment > now.timestamp()).ok_or(EXPECTED)?;
    Timestamp::from_second(moment.as_second()).map_err(|_| EXPECTED.to_owned())
}

pub(super) fn run(arguments: &TokenArgs) -> Result<Exit, ConfigError> {
    match &arguments.command {
        TokenCommand::New(new) => make(new),
        TokenCommand::List(list) => show(list),
        TokenCommand::Revoke(revoke) => take_back(revoke),
    }
}

/// Returns the content of a file of tokens.
fn content(file: &Path) -> Result<Vec<u8>, ConfigError> {
    private_bytes(file, FILE_LIMIT)
        .map_err(|why| ConfigError(format!("--tokens {} cannot be used: {why}.", shown_path(file))))
}

fn show(list: &ListTokensArgs) -> Result<Exit, ConfigError> {
    let tokens = listed(&content(&list.tokens)?)
        .map_err(|why| ConfigError(format!("--tokens {} cannot be used: {why}.", shown_path(&list.tokens))))?;
    let now = Timestamp::now();
    if list.json {
        let rows: Vec<Value> = tokens.iter().map(|token| row(token, now)).collect();
        print(&format!("{}\n", serde_json::to_string_pretty(&rows).unwrap_or_default()));
        return Ok(Exit::Fine);
    }
    if tokens.is_empty() {
        print("There are no tokens yet: truedy-mcp token new --help\n");
        return Ok(Exit::Fine);
    }
    let mut table = Table::new(["ID", "PRINCIPAL", "TENANT", "SCOPES", "CREATED", "EXPIRES"].map(str::to_owned));
    for token in &tokens {
        let expires = match token.holder.expires {
            Some(at) if at <= now => Cell::styled(format!("{at} (expired)"), ALERT),
            Some(at) => at.to_string().into(),
            None => "never".into(),
        };
        table.row(vec![
            Cell::styled(token.id.as_str(), FAINT),
            token.holder.principal.as_str().into(),
            token.holder.tenant.as_str().into(),
            scope_names(token).join(", ").into(),
            token.created.clone().unwrap_or_default().into(),
            expires,
        ]);
    }
    print_styled(&table.to_text());
    Ok(Exit::Fine)
}

/// Returns the scopes of a token. All of them are one word.
fn scope_names(token: &ListedToken) -> Vec<String> {
    let scopes = &token.holder.scopes;
    if scopes.len() == Scope::ALL.len() {
        vec!["all".to_owned()]
    } else {
        scopes.iter().map(ToString::to_string).collect()
    }
}

fn row(token: &ListedToken, now: Timestamp) -> Value {
    let TokenHolder { principal, tenant, scopes, expires } = &token.holder;
    json!({
        "id": token.id,
        "principal": principal,
        "tenant": tenant,
        "scopes": scopes.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "created": token.created,
        "expires": expires.map(|at| at.to_string()),
        "expired": expires.is_some_and(|at| at <= now),
    })
}

fn take_back(given: &RevokeArgs) -> Result<Exit, ConfigError> {
    content(&given.tokens)?;
    match revoke(&given.tokens, &given.id) {
        Ok(Some(token)) => {
            print(&format!("The token {} of {} is taken back.\n", token.id, token.holder.principal));
            Ok(Exit::Fine)
        }
        // The id is not repeated: it may be a token that was pasted by mistake.
        Ok(None) => {
            complain("there is no token of this id; truedy-mcp token list shows them.");
            Ok(Exit::Failed)
        }
        Err(why) => Err(ConfigError(format!("--tokens {} is as it was: {why}.", shown_path(&given.tokens)))),
    }
}

fn make(new: &NewArgs) -> Result<Exit, ConfigError> {
    let wrong = |flag: &str, why: String| ConfigError(format!("{flag}: {why}."));
    Caller::check_name("principal", &new.principal).map_err(|why| wrong("--principal", why))?;
    Caller::check_name("tenant", &new.tenant).map_err(|why| wrong("--tenant", why))?;
    let scopes = match &new.scopes {
        None => Scope::ALL.into(),
        Some(names) => scopes(names.iter().map(|name| name.trim())).map_err(|why| wrong("--scopes", why))?,
    };
    let is_of_holder =
        |token: &ListedToken| token.holder.principal == new.principal && token.holder.tenant == new.tenant;
    let others = private_bytes(&new.tokens, FILE_LIMIT).ok().and_then(|bytes| listed(&bytes).ok()).unwrap_or_default();
    let other = others.into_iter().find(is_of_holder);
    // An existing file must still be usable afterwards. An administrator may write it for the user who owns it.
    if new.tokens.exists() && !is_of_another_user_and_ours_to_write(&new.tokens) {
        private_bytes(&new.tokens, FILE_LIMIT)
            .map_err(|why| ConfigError(format!("--tokens {} cannot be used: {why}.", shown_path(&new.tokens))))?;
    }
    let holder =
        TokenHolder { principal: new.principal.clone(), tenant: new.tenant.clone(), scopes, expires: new.expires };
    match add(&new.tokens, &holder, &Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string()) {
        Ok(token) => {
            print(&format!("{token}\n"));
            complain("this is the only time that the token is shown; the file holds its digest");
            let (principal, file) = (&new.principal, quoted(&new.tokens.display().to_string()));
            if let Some(ListedToken { id, .. }) = other {
                complain(&format!(
                    "another token of {principal} exists: {id}. `truedy-mcp token revoke {id} --tokens {file}` takes it back."
                ));
            }
            complain(&format!(
                "next: give it to {principal} as TRUEDY_MCP_TOKEN; start `truedy-mcp http --tokens {file}`"
            ));
            Ok(Exit::Fine)
        }
        Err(error) => {
            complain(&format!("{} could not be written: {error}", shown_path(&new.tokens)));
            Ok(Exit::Failed)
        }
    }
}

#[cfg(unix)]
fn is_of_another_user_and_ours_to_write(file: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let private = |about: std::fs::Metadata| about.is_file() && about.uid() != 0 && about.mode() & 0o077 == 0;
    rustix::process::geteuid().is_root() && std::fs::symlink_metadata(file).is_ok_and(private)
}

#[cfg(not(unix))]
fn is_of_another_user_and_ours_to_write(_: &std::path::Path) -> bool {
    false
}
