//! `truedy-mcp doctor`: checks the whole setup. Each finding says what to do.

use std::collections::BTreeMap;
use std::io::{self, IsTerminal};
use std::sync::Arc;

use clap::Args;

use crate::cli::clients::check::{ClientState, states};
use crate::cli::doctor::account::live;
use crate::cli::doctor::local::{journal, policy, proxy, rate, state_dir, state_key};
use crate::cli::doctor::report::{CheckResult, DoctorReport, as_json, as_text};
use crate::cli::output::{Exit, print, print_styled, width};
use crate::cli::progress::ProgressLine;
use crate::cli::repeated::as_given;
use crate::cli::{bootstrap, logging};
use crate::config::{ConfigError, ConfigScope, Settings, TenantSettings};
use crate::redact::{Redactor, shown_path};

#[derive(Debug, Default, Args)]
pub struct DoctorArgs {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(settings: &Settings, arguments: &DoctorArgs) -> Result<Exit, ConfigError> {
    let redactor = Arc::new(Redactor::default());
    let _traced = logging::start_for_one(settings, &redactor);
    let waiting = ProgressLine::begin("checking");
    let report = bootstrap::runtime()?.block_on(examine(settings, &redactor, &waiting));
    drop(waiting);
    if arguments.json {
        print(&redactor.text(&as_json(settings, &report)));
    } else {
        let width = io::stdout().is_terminal().then(|| width(&io::stdout()));
        print_styled(&redactor.text(&as_text(settings, &report, width)));
    }
    Ok(report.exit)
}

async fn examine(settings: &Settings, redactor: &Arc<Redactor>, waiting: &ProgressLine) -> DoctorReport {
    let mut report = DoctorReport { tenant: None, checks: Vec::new(), exit: Exit::Fine };
    let mut accounts = BTreeMap::new();
    if let Some(file) = settings.config.as_ref().filter(|_| settings.is_default_config) {
        report.add("config", CheckResult::Good, format!("{} is read, the default file", shown_path(file)), None);
    }
    if let Some(file) = settings.api_key_file.as_ref().filter(|_| settings.is_default_key) {
        report.add("key_file", CheckResult::Good, format!("{} is read, the default file", shown_path(file)), None);
    }
    match settings.tenants() {
        Ok(tenants) => {
            let are_several = tenants.len() > 1;
            for tenant in tenants {
                if let Ok(Some(key)) = tenant.key() {
                    accounts.insert(tenant.name.clone(), tenant.settings.account(&key));
                }
                report.tenant = are_several.then(|| tenant.name.clone());
                waiting.say(match &report.tenant {
                    Some(tenant) => format!("checking the account of {tenant}"),
                    None => "checking the account".to_owned(),
                });
                account(&tenant, redactor, &mut report).await;
            }
            report.tenant = None;
        }
        Err(error) => {
            report.add("config", CheckResult::Bad, error.to_string(), Some("Correct the file of --config."));
            report.fail(Exit::Usage);
        }
    }
    proxy(settings, &mut report);
    state_dir(settings, &mut report);
    waiting.say("checking the journal");
    journal(settings, redactor, &accounts, &mut report).await;
    state_key(settings, &mut report);
    waiting.say("checking the clients");
    clients(&states(None, ConfigScope::User), &mut report);
    report
}

/// Reports which clients have an entry, and in which mode. None is started; `config check` does that.
fn clients(states: &[ClientState], report: &mut DoctorReport) {
    let entries = states.iter().filter_map(|state| Some(format!("{} ({})", state.client.name(), state.mode()?)));
    let entries = entries.collect::<Vec<_>>().join(", ");
    if !entries.is_empty() {
        report.add("clients", CheckResult::Good, entries, None);
    }
    for state in states {
        if let Err(why) = &state.entry {
            let todo = format!("Mend the file; `truedy-mcp config check {}` reads it again.", state.client.word());
            report.add("clients", CheckResult::Notice, format!("{}: {why}", state.client.name()), Some(&todo));
        }
    }
    if entries_missing(states) {
        let todo = "`truedy-mcp config install CLIENT` puts it there.";
        report.add("clients", CheckResult::Good, "no client has an entry", Some(todo));
    }
}

fn entries_missing(states: &[ClientState]) -> bool {
    !states.is_empty() && states.iter().all(|state| matches!(state.entry, Ok(None)))
}

/// Checks one account: its address, key, policy and carrier profiles.
async fn account(tenant: &TenantSettings, redactor: &Arc<Redactor>, report: &mut DoctorReport) {
    if tenant.settings.sandbox {
        report.add("mode", CheckResult::Good, "sandbox: no account is needed", None);
    } else {
        live(tenant, redactor, report).await;
    }
    policy(&tenant.settings, report);
    rate(&tenant.settings, report);
    carriers(tenant, report);
}

/// Checks each carrier profile.
/// No command is run and no keyring is opened, because either may ask a person something.
fn carriers(tenant: &TenantSettings, report: &mut DoctorReport) {
    for profile in &tenant.carriers {
        let (name, provider) = (profile.name(), profile.provider());
        let (acting, plain): (Vec<_>, Vec<_>) =
            profile.sources().iter().partition(|(_, source)| source.origin().acts());
        let unread = plain.into_iter().find_map(|source| Some((source.0, profile.read_one(source).err()?)));
        if let Some((field, why)) = unread {
            let todo = format!("Mend it; `truedy-mcp carriers test {name}` shows all of it.");
            report.add(
                "carriers",
                CheckResult::Bad,
                format!("{name} ({provider}): {}: {why}", field.name()),
                Some(&todo),
            );
            report.fail(Exit::Failed);
        } else if acting.is_empty() {
            report.add("carriers", CheckResult::Good, format!("{name} ({provider}): readable"), None);
        } else {
            let acting: Vec<String> =
                acting.iter().map(|(field, source)| format!("{} from {}", field.name(), source.origin())).collect();
            let found = format!(
                "{name} ({provider}): {} not read here; `truedy-mcp carriers test {name}` reads it",
                acting.join(", ")
            );
            report.add("carriers", CheckResult::Good, as_given(&found), None);
        }
    }
}
