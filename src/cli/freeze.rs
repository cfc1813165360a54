//! `truedy-mcp freeze` and `truedy-mcp unfreeze`: the operator stops all changes, and lets them begin again.

use std::fmt::Write as _;
use std::io::{self, IsTerminal};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Args;

use crate::cli::output::{Exit, complain, person_line, print};
use crate::cli::repeated::as_given;
use crate::cli::{bootstrap, logging, signal};
use crate::config::{ConfigError, Settings};
use crate::domain::{clean_to, meant_sentence};
use crate::journal::{Freeze, FreezeReport, Journal, JournalPlace, OperationPhase, OperationQuery, Unavailable};
use crate::redact::Redactor;

/// How long a change that was recorded as sent may still look for its connection. It is a little more than the time that
/// a connection to Truedy may take.
const CONNECTING: Duration = Duration::from_secs(6);
/// How often the journal is read meanwhile.
const LOOK: Duration = Duration::from_millis(100);
/// The longest name of an operator, in characters.
const NAME: usize = 64;
/// The word that ends a freeze.
const WORD: &str = "unfreeze";
/// What stops changes without the journal.
const INSTEAD: &str = "Nothing is certain to be frozen. Stop the processes instead: end `truedy-mcp http` (systemctl stop, docker stop, or no replicas) and the clients that started `truedy-mcp stdio`. Or revoke the API key in Truedy's dashboard (Settings > API Keys).";

#[derive(Debug, Args)]
pub struct FreezeArgs {
    /// Why, in at most 200 characters; it is shown with each refusal.
    #[arg(long, value_name = "TEXT")]
    why: String,
    /// Only the changes of this tenant; without it, of all tenants.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
}

#[derive(Debug, Args)]
pub struct UnfreezeArgs {
    /// End the freeze of this tenant; without it, that of all tenants.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
}

pub(super) fn freeze(settings: &Settings, arguments: &FreezeArgs) -> Result<Exit, ConfigError> {
    let redactor = Arc::new(Redactor::default());
    let _traced = logging::start_for_one(settings, &redactor);
    let place = settings.journal_place()?;
    if place == JournalPlace::Memory {
        complain(&format!(
            "a journal in memory belongs to its process alone, and this command cannot reach it. {INSTEAD}"
        ));
        return Ok(Exit::Failed);
    }
    let why = clean_to(&arguments.why, Freeze::LONGEST);
    if why.is_empty() || redactor.text(&why) != why {
        complain("--why must say why, without anything that looks like a key, for example \"wrong numbers bought\".");
        return Ok(Exit::Usage);
    }
    let journal = bootstrap::journal_of_all(settings, &redactor)?;
    bootstrap::runtime()?.block_on(async {
        signal::outlive_file_limit();
        if let Some(tenant) = &arguments.tenant
            && let Err(why) = check_tenant(settings, &journal, tenant).await
        {
            complain(&why);
            return Ok(Exit::Usage);
        }
        let freeze = Freeze { tenant: arguments.tenant.clone(), why, since: 0, by: operator() };
        // One that cannot be read is told by the freeze itself.
        let before = journal.freezes().await.unwrap_or_default();
        let before = before.into_iter().find(|before| before.tenant == freeze.tenant);
        match journal.freeze(freeze).await {
            Ok(report) => {
                print(&told(&place, before.as_ref(), &report));
                print(&as_given(&wait_for_sent(&journal, &report).await));
                Ok(Exit::Fine)
            }
            Err(error) => {
                complain(&format!("the journal ({place}) cannot be written: {error}. {INSTEAD}"));
                Ok(Exit::Failed)
            }
        }
    })
}

/// Checks that there is such a tenant. A freeze of a misspelt name would stop nothing.
async fn check_tenant(settings: &Settings, journal: &Journal, tenant: &str) -> Result<(), String> {
    let mut known = journal.known_tenants().await.unwrap_or_default();
    known.extend(settings.tenants().unwrap_or_default().into_iter().map(|tenant| tenant.name));
    known.sort_unstable();
    known.dedup();
    if known.iter().any(|name| name == tenant) {
        return Ok(());
    }
    let meant = meant_sentence(tenant, known.iter().map(String::as_str));
    Err(format!(
        "nothing is frozen: neither the settings nor the journal know a tenant of this name.{meant} Known are: {}. Without --tenant, all are frozen.",
        known.join(", ")
    ))
}

/// Returns the login name, as the system says it.
fn operator() -> String {
    let names = ["USER", "LOGNAME", "USERNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    names.map(|name| clean_to(&name, NAME)).find(|name| !name.is_empty()).unwrap_or_else(|| "unknown".to_owned())
}

/// Returns what a freeze did. `before` is the freeze that it took the place of.
fn told(place: &JournalPlace, before: Option<&Freeze>, report: &FreezeReport) -> String {
    let freeze = &report.freeze;
    let mut text = format!("Frozen since {}: no change begins for {}.\n", freeze.since(), freeze.whose());
    if let Some(before) = before {
        let _ = writeln!(
            text,
            "It was frozen already (since {}, {}); the reason is now: {}",
            before.since(),
            before.why,
            freeze.why
        );
    }
    let _ = writeln!(text, "Journal: {place}");
    let _ = match report.processes {
        0 => writeln!(
            text,
            "No other process has this journal open now. If a server runs now, it uses another journal: compare the line above with its settings."
        ),
        n => writeln!(text, "Other processes that have this journal open: {n}."),
    };
    text.push_str("A process that opens it later is stopped as well; one with another journal is not.\n");
    if report.withdrawn > 0 {
        let _ = writeln!(text, "Changes that had begun and are not sent: {}.", report.withdrawn);
    }
    let _ = writeln!(text, "Reading goes on. At a terminal, `{}` ends it.", unfreezing(freeze));
    as_given(&text)
}

/// Returns the command that ends a freeze.
fn unfreezing(freeze: &Freeze) -> String {
    let tenant = freeze.tenant.as_ref().map(|tenant| format!(" --tenant {tenant}")).unwrap_or_default();
    format!("truedy-mcp unfreeze{tenant}")
}

/// Returns the freezes that go on, each with the command that ends it. Empty if there are none.
pub(super) fn still_frozen(freezes: &[Freeze]) -> String {
    let each = freezes.iter().map(|freeze| format!("{} (`{}`)", freeze.whose(), unfreezing(freeze)));
    let each = each.collect::<Vec<_>>().join(", ");
    if each.is_empty() { each } else { format!("Still frozen: {each}.") }
}

/// Waits until every change that was recorded as sent has ended, or certainly has its connection. Says what is left.
async fn wait_for_sent(journal: &Journal, report: &FreezeReport) -> String {
    let give_up = Instant::now() + CONNECTING;
    let mut left = report.sent;
    while left > 0 && Instant::now() < give_up {
        tokio::time::sleep(LOOK).await;
        let query = OperationQuery {
            tenant: report.freeze.tenant.clone(),
            state: Some(OperationPhase::Sent),
            limit: 10_000,
            ..OperationQuery::default()
        };
        match journal.find(query).await {
            Ok(sent) => left = sent.len(),
            Err(error) => {
                complain(&format!("what was sent before cannot be read: {error}"));
                break;
            }
        }
    }
    match (report.sent, left) {
        (0, _) => "No change was under way.\n".to_owned(),
        (sent, 0) => {
            format!("Changes that were sent before: {sent}. They have ended; `truedy-mcp operations` shows how.\n")
        }
        (sent, left) => format!(
            "Changes that were sent before: {sent}. Truedy still works on {left}, which nothing stops; `truedy-mcp operations --state sent` shows them.\n"
        ),
    }
}

pub(super) fn unfreeze(settings: &Settings, arguments: &UnfreezeArgs) -> Result<Exit, ConfigError> {
    let redactor = Arc::new(Redactor::default());
    let _traced = logging::start_for_one(settings, &redactor);
    if !(io::stdin().is_terminal() && io::stderr().is_terminal()) {
        complain("unfreeze needs a person at a terminal; nothing was changed.");
        return Ok(Exit::Failed);
    }
    let place = settings.journal_place()?;
    if place == JournalPlace::Memory {
        complain("a journal in memory belongs to its process alone; there is nothing to unfreeze.");
        return Ok(Exit::Failed);
    }
    let journal = bootstrap::journal_of_all(settings, &redactor)?;
    let runtime = bootstrap::runtime()?;
    let unavailable = |error: Unavailable| {
        complain(&format!("the journal ({place}) cannot be used: {error}. It stays as it is."));
        Exit::Failed
    };
    let freezes = match runtime.block_on(journal.freezes()) {
        Ok(freezes) => freezes,
        Err(error) => return Ok(unavailable(error)),
    };
    complain(&format!("journal: {place}"));
    let (ended, others): (Vec<Freeze>, Vec<Freeze>) =
        freezes.into_iter().partition(|freeze| freeze.tenant == arguments.tenant);
    let Some(ended) = ended.first() else {
        complain(&match others.is_empty() {
            true => "nothing is frozen here.".to_owned(),
            false => format!("there is no such freeze. {}", still_frozen(&others)),
        });
        return Ok(if others.is_empty() { Exit::Fine } else { Exit::Failed });
    };
    complain(&format!("{} (by {})", ended.to_line(), ended.by));
    complain(&format!("type {WORD} to let changes begin again:"));
    if person_line().trim() != WORD {
        complain("it stays frozen.");
        return Ok(Exit::Failed);
    }
    match runtime.block_on(journal.unfreeze(arguments.tenant.clone())) {
        Ok(_) => {
            let whose = ended.whose();
            print(&match others.is_empty() {
                true => format!("The freeze of {whose} has ended: changes may begin again.\n"),
                false => format!("The freeze of {whose} has ended. {}\n", as_given(&still_frozen(&others))),
            });
            Ok(Exit::Fine)
        }
        Err(error) => Ok(unavailable(error)),
    }
}
