//! `truedy-mcp doctor`: is everything in place? Each finding says what to do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde_json::json;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cli::doctor::protected::{Matching, unmatched};
use crate::cli::output::{Exit, print};
use crate::cli::{bootstrap, logging};
use crate::config::{ConfigError, KEY_VARIABLE, Settings, TenantSettings, kept_keys, state_key_in};
use crate::guard::Policy;
use crate::journal::{Journal, JournalPlace, Operation, OperationPhase, OperationQuery};
use crate::mcp::Catalog;
use crate::redact::{Redactor, Secret, shown_path};
use crate::truedy::{ApiReply, CallBudget, Client, Error, NotSent, Request};

#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// As JSON.
    #[arg(long)]
    json: bool,
}

/// How a check came out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CheckResult {
    Good,
    Notice,
    Bad,
}

impl CheckResult {
    fn word(self) -> &'static str {
        match self {
            Self::Good => "ok",
            Self::Notice => "notice",
            Self::Bad => "bad",
        }
    }
}

struct DoctorCheck {
    /// Whose, where there are tenants.
    tenant: Option<String>,
    name: &'static str,
    health: CheckResult,
    found: String,
    todo: Option<String>,
}

struct DoctorReport {
    /// Whose account is being examined, where there are tenants.
    tenant: Option<String>,
    checks: Vec<DoctorCheck>,
    exit: Exit,
}

impl DoctorReport {
    fn add(&mut self, name: &'static str, health: CheckResult, found: impl Into<String>, todo: Option<&str>) {
        let tenant = self.tenant.clone();
        self.checks.push(DoctorCheck { tenant, name, health, found: found.into(), todo: todo.map(str::to_owned) });
    }

    /// The first failure tells the exit code, but a wrong setting goes before whatever else fails: it does on every command.
    fn fail(&mut self, exit: Exit) {
        if self.exit == Exit::Fine || exit == Exit::Usage {
            self.exit = exit;
        }
    }
}

pub(crate) fn run(settings: &Settings, arguments: &DoctorArgs) -> Result<Exit, ConfigError> {
    let redactor = Arc::new(Redactor::default());
    let _traced = logging::start(settings, &redactor);
    let report = bootstrap::runtime()?.block_on(examine(settings, &redactor));
    let text = if arguments.json { as_json(settings, &report) } else { as_text(settings, &report) };
    print(&redactor.text(&text));
    Ok(report.exit)
}

async fn examine(settings: &Settings, redactor: &Arc<Redactor>) -> DoctorReport {
    let mut report = DoctorReport { tenant: None, checks: Vec::new(), exit: Exit::Fine };
    let mut accounts = BTreeMap::new();
    match settings.tenants() {
        Ok(tenants) => {
            for tenant in tenants {
                if let Ok(Some(key)) = tenant.key() {
                    accounts.insert(tenant.name.clone(), tenant.settings.account(&key));
                }
                report.tenant = settings.config.is_some().then(|| tenant.name.clone());
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
    journal(settings, redactor, &accounts, &mut report).await;
    state_key(settings, &mut report);
    report
}

/// What there is to one account: its address, key and policy.
async fn account(tenant: &TenantSettings, redactor: &Arc<Redactor>, report: &mut DoctorReport) {
    if tenant.settings.sandbox {
        report.add("mode", CheckResult::Good, "sandbox: no account is needed", None);
    } else {
        live(tenant, redactor, report).await;
    }
    policy(&tenant.settings, report);
    carriers(tenant, report);
}

/// Each carrier profile. No command is run for it and no keyring opened: either may ask a person something.
fn carriers(tenant: &TenantSettings, report: &mut DoctorReport) {
    for profile in &tenant.carriers {
        let (name, provider) = (profile.name(), profile.provider());
        let (acting, plain): (Vec<_>, Vec<_>) =
            profile.sources().iter().partition(|(_, source)| source.origin().acts());
        let unread = plain.into_iter().find_map(|source| Some((source.0, profile.read_one(source).err()?)));
        if let Some((field, why)) = unread {
            let todo = format!("Mend it; truedy-mcp carriers test {name} shows all of it.");
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
                "{name} ({provider}): {} not read here; truedy-mcp carriers test {name} reads it",
                acting.join(", ")
            );
            report.add("carriers", CheckResult::Good, found, None);
        }
    }
}

async fn live(tenant: &TenantSettings, redactor: &Arc<Redactor>, report: &mut DoctorReport) {
    let settings = &tenant.settings;
    let base_url = match settings.base_url() {
        Ok(url) => {
            report.add("base_url", CheckResult::Good, url.to_string(), None);
            true
        }
        Err(error) => {
            report.add(
                "base_url",
                CheckResult::Bad,
                error.to_string(),
                Some("Correct --base-url or TRUEDY_BASE_URL, or leave it out."),
            );
            report.fail(Exit::Usage);
            false
        }
    };
    let key = match tenant.key() {
        Ok(Some(key)) => key,
        Ok(None) => {
            let todo = format!(
                "Make a key in Truedy's dashboard (Settings > API Keys) and set {KEY_VARIABLE}, or try it all with --sandbox."
            );
            report.add("key", CheckResult::Bad, "no API key is set", Some(&todo));
            report.fail(Exit::Key);
            return;
        }
        Err(error) => {
            report.add("key", CheckResult::Bad, error.to_string(), Some(&tenant.key_remedy()));
            report.fail(Exit::Usage);
            return;
        }
    };
    if usual_form(&key) {
        report.add("key", CheckResult::Good, "an API key is set", None);
    } else {
        let todo = "Truedy's keys look like truedy_ and 32 letters and digits; check that all of it was copied, and that it is no carrier's key.";
        report.add("key", CheckResult::Notice, "an API key is set, of an unusual form", Some(todo));
    }
    std::mem::forget(redactor.redact_until_dropped(&key));
    if !base_url {
        return;
    }
    let client = settings
        .setup(key)
        .map_err(|error| error.to_string())
        .and_then(|setup| Client::new(setup, Arc::clone(redactor)).map_err(|error| error.to_string()));
    match client {
        Ok(client) => {
            if accepted(&client, report).await
                && let Ok(policy) = settings.policy(&Catalog::names())
            {
                protection(&client, &policy, report).await;
            }
        }
        Err(error) => {
            report.add("truedy", CheckResult::Bad, error, Some("Correct the setting that it names."));
            report.fail(Exit::Usage);
        }
    }
}

/// One authenticated read shows address, certificate, key and clock at once.
///
/// Returns whether Truedy accepted the key.
async fn accepted(client: &Client, report: &mut DoctorReport) -> bool {
    let call = CallBudget::reading(Instant::now() + Duration::from_secs(20), CancellationToken::new());
    let start = Instant::now();
    match client.send(Request::get(["telephony", "numbers"]).query("limit", 1).list(), &call).await {
        Ok(reply) => {
            report.add(
                "truedy",
                CheckResult::Good,
                format!("the key is accepted; answered in {} ms", start.elapsed().as_millis()),
                None,
            );
            clock(&reply, report);
            true
        }
        Err(error) => {
            let (exit, found, todo) = trouble(&error);
            report.add("truedy", CheckResult::Bad, found, Some(todo));
            report.fail(exit);
            false
        }
    }
}

/// Whether the protected entries match numbers of the account: the others protect nothing.
async fn protection(client: &Client, policy: &Policy, report: &mut DoctorReport) {
    const REMEDY: &str = "Correct --protect (TRUEDY_MCP_PROTECT) or protect of the tenant; truedy-mcp call list_numbers shows numbers and ids.";
    if policy.protected.is_empty() {
        return;
    }
    let (health, found) = match unmatched(client, policy).await {
        Ok(Matching::All) => (CheckResult::Good, "each entry matches a number of the account".to_owned()),
        Ok(Matching::Not(entries)) => (
            CheckResult::Notice,
            format!("{} match no number of the account, so they protect nothing now", entries.join(", ")),
        ),
        Ok(Matching::Unknown) => (CheckResult::Notice, "not all numbers of the account could be read".to_owned()),
        Err(error) => (CheckResult::Notice, trouble(&error).1),
    };
    report.add("protect", health, found, (health != CheckResult::Good).then_some(REMEDY));
}

pub(crate) fn trouble(error: &Error) -> (Exit, String, &'static str) {
    match error {
        Error::Refused(api_error) if api_error.status == 401 => (
            Exit::Key,
            "Truedy refuses the key".to_owned(),
            "Make a new key in Truedy's dashboard (Settings > API Keys) and set it.",
        ),
        Error::Refused(api_error) if api_error.status == 402 => (
            Exit::Failed,
            "Truedy asks for payment".to_owned(),
            "Settle trial, subscription or credits in Truedy's dashboard.",
        ),
        Error::Refused(api_error) if api_error.status == 403 => (
            Exit::Key,
            "Truedy does not allow this key from here".to_owned(),
            "Check the key's list of allowed addresses in Truedy's dashboard.",
        ),
        Error::Refused(api_error) => (
            Exit::Upstream,
            format!("Truedy answered with status {}", api_error.status),
            "Check --base-url: it may point at something else.",
        ),
        Error::Limited(wait, _) => (
            Exit::Upstream,
            format!("the organisation's rate limit is used up for {} s", wait.as_secs()),
            "Wait, and look for other programs that use the same organisation.",
        ),
        Error::NotSent(why) => {
            let found = match why {
                NotSent::NoConnection(why) => format!("no connection: {why}"),
                _ => "the request could not be sent".to_owned(),
            };
            let todo = "Check network, name resolution, firewall and, behind a company's proxy, --upstream-proxy and --ca-file.";
            (Exit::Upstream, found, todo)
        }
        Error::NoVerdict(why, _) | Error::Unreadable(why, _) => {
            (Exit::Upstream, why.clone(), "Try again later; if it lasts, check --base-url and ask Truedy's support.")
        }
    }
}

fn clock(reply: &ApiReply, report: &mut DoctorReport) {
    let Some(theirs) = reply.date.as_deref().and_then(|date| DateTimeParser::new().parse_timestamp(date).ok()) else {
        return;
    };
    let off = Timestamp::now().as_second() - theirs.as_second();
    if off.abs() <= 30 {
        report.add("clock", CheckResult::Good, format!("{off} s off Truedy's"), None);
    } else {
        report.add(
            "clock",
            CheckResult::Notice,
            format!("{off} s off Truedy's"),
            Some("Set the clock of this machine; limits and confirmations go by it."),
        );
    }
}

fn proxy(settings: &Settings, report: &mut DoctorReport) {
    let set: Vec<&str> = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"]
        .into_iter()
        .filter(|name| std::env::var_os(name).is_some())
        .collect();
    match (&settings.upstream_proxy, set.is_empty()) {
        (Some(_), _) => {
            report.add("proxy", CheckResult::Good, "requests go through the proxy of --upstream-proxy", None)
        }
        (None, true) => report.add("proxy", CheckResult::Good, "none", None),
        (None, false) => report.add(
            "proxy",
            CheckResult::Notice,
            format!("{} is set and not used", set.join(", ")),
            Some("If Truedy is only reached through it, add --upstream-proxy env."),
        ),
    }
}

fn state_dir(settings: &Settings, report: &mut DoctorReport) {
    let dir = match settings.state_dir() {
        Ok(dir) => dir,
        Err(error) => {
            report.add("state_dir", CheckResult::Bad, error.to_string(), Some("Set --state-dir."));
            report.fail(Exit::Failed);
            return;
        }
    };
    // The nearest directory that exists tells whether it can be made; looking leaves nothing behind.
    let here = std::path::Path::new(".");
    let existing = dir.ancestors().map(|path| if path.as_os_str().is_empty() { here } else { path });
    let existing = existing.into_iter().find(|path| path.exists()).unwrap_or(&dir);
    let writable = existing.is_dir() && can_write(existing);
    if writable {
        report.add("state_dir", CheckResult::Good, shown_path(&dir), None);
    } else {
        report.add(
            "state_dir",
            CheckResult::Bad,
            format!("{} cannot be written", shown_path(&dir)),
            Some("Make it writable for this user, or choose another with --state-dir."),
        );
        report.fail(Exit::Failed);
    }
}

/// The journal is opened, read and written: without it nothing is changed. `accounts`: whose key is which, by tenant.
async fn journal(
    settings: &Settings,
    redactor: &Arc<Redactor>,
    accounts: &BTreeMap<String, String>,
    report: &mut DoctorReport,
) {
    let place = match settings.journal_place() {
        Ok(place) => place,
        Err(error) => {
            report.add(
                "journal",
                CheckResult::Bad,
                error.to_string(),
                Some("Correct --journal or TRUEDY_MCP_JOURNAL."),
            );
            report.fail(Exit::Usage);
            return;
        }
    };
    if let JournalPlace::Postgres(place) = &place
        && let Some(password) = place.password().and_then(|password| Secret::new(password).ok())
    {
        std::mem::forget(redactor.redact_until_dropped(&password));
    }
    let (found, forgetful) = (place.to_string(), settings.journal_warning(&place).is_some());
    let todo = match &place {
        JournalPlace::Postgres(_) => {
            "Check address, login, certificate and rights of the database; RUST_LOG=truedy_mcp=debug says more."
        }
        _ => {
            "Make the directory writable for this user alone, or end the program that holds the file. A damaged file: move it aside and keep it; limits begin anew, and what is not known is looked up in Truedy's dashboard."
        }
    };
    // Whatever account they are of: a key may have been replaced since.
    let journal = Journal::new(place, String::new());
    let written = match journal.probe().await {
        Ok(()) => journal.count_all_unresolved().await,
        Err(error) => Err(error),
    };
    match written {
        Ok(open) if open > 0 => {
            let found = format!("{found}; {open} unresolved{}", under_another_key(&journal, accounts).await);
            let todo = "Look at them with truedy-mcp operations, and resolve them.";
            report.add("journal", CheckResult::Notice, found, Some(todo));
        }
        Ok(_) if forgetful => {
            let todo = "Leave out --journal memory to keep what was bought, and what is not known, beyond the end of the program.";
            report.add("journal", CheckResult::Notice, found, Some(todo));
        }
        Ok(_) => report.add("journal", CheckResult::Good, format!("{found}; nothing unresolved"), None),
        Err(error) => {
            let todo = if error.is_of_newer_program() {
                "Install that version or a newer one. Or give this one a --state-dir of its own: limits begin anew there."
            } else {
                todo
            };
            report.add("journal", CheckResult::Bad, format!("{found}: {error}"), Some(todo));
            report.fail(Exit::Failed);
        }
    }
}

/// How many unresolved operations began under a key that is not the tenant's key today: what the account does not show proves
/// nothing about them.
async fn under_another_key(journal: &Journal, accounts: &BTreeMap<String, String>) -> String {
    const PAGE: u32 = 1_000;
    let other =
        |operation: &&Operation| accounts.get(&operation.tenant).is_some_and(|account| *account != operation.account);
    let (mut count, mut after) = (0, 0);
    loop {
        let page = OperationQuery {
            state: Some(OperationPhase::Unknown),
            limit: PAGE,
            after_rev: Some(after),
            ..OperationQuery::default()
        };
        let page = journal.find(page).await.unwrap_or_default();
        count += page.iter().filter(other).count();
        match page.last() {
            Some(last) if last.rev > after => after = last.rev,
            _ => break,
        }
    }
    match count {
        0 => String::new(),
        n => format!(", {n} of them begun under another key than today's"),
    }
}

fn state_key(settings: &Settings, report: &mut DoctorReport) {
    match settings.state_keys() {
        Ok(None) => {
            // Looked at where it is there; it is made when it is first needed.
            if let Ok(JournalPlace::Directory(directory)) = settings.journal_place()
                && state_key_in(&directory).symlink_metadata().is_ok()
                && let Err(why) = kept_keys(&directory)
            {
                let todo = "Put it right, or remove it: confirmations that are under way are asked for again.";
                report.add("state_key", CheckResult::Bad, why, Some(todo));
                report.fail(Exit::Failed);
            }
        }
        Ok(Some(keys)) => {
            report.add("state_key", CheckResult::Good, format!("{} key(s) for confirmations", keys.len()), None)
        }
        Err(error) => {
            report.add("state_key", CheckResult::Bad, error.to_string(), Some("Correct --state-key-file or its file."));
            report.fail(Exit::Usage);
        }
    }
}

#[cfg(unix)]
fn can_write(dir: &std::path::Path) -> bool {
    rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(not(unix))]
fn can_write(dir: &std::path::Path) -> bool {
    std::fs::metadata(dir).is_ok_and(|about| !about.permissions().readonly())
}

fn usual_form(key: &Secret) -> bool {
    key.expose()
        .strip_prefix("truedy_")
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

fn policy(settings: &Settings, report: &mut DoctorReport) {
    match settings.policy(&Catalog::names()) {
        Ok(policy) => report.add("policy", CheckResult::Good, policy.summary().join("; "), None),
        Err(error) => {
            report.add("policy", CheckResult::Bad, error.to_string(), Some("Correct the setting that it names."));
            report.fail(Exit::Usage);
        }
    }
}

fn as_text(settings: &Settings, report: &DoctorReport) -> String {
    let mut text = format!("truedy-mcp {} ({})\n", env!("CARGO_PKG_VERSION"), settings.mode());
    for check in &report.checks {
        let whose = check.tenant.as_ref().map(|tenant| format!("{tenant}: ")).unwrap_or_default();
        let _ = writeln!(
            text,
            "{:<7} {:<10} {whose}{}",
            check.health.word(),
            check.name,
            settings.name_variables(&check.found)
        );
        if let Some(todo) = &check.todo {
            let _ = writeln!(text, "{:<18} → {todo}", "");
        }
    }
    text
}

fn as_json(settings: &Settings, report: &DoctorReport) -> String {
    let checks: Vec<_> = report.checks.iter().map(|check| json!({ "tenant": check.tenant, "check": check.name, "health": check.health.word(), "found": settings.name_variables(&check.found), "todo": check.todo })).collect();
    let whole = json!({ "version": env!("CARGO_PKG_VERSION"), "mode": settings.mode(), "ok": report.exit == Exit::Fine, "exit_code": report.exit as u8, "checks": checks });
    format!("{}\n", serde_json::to_string_pretty(&whole).unwrap_or_default())
}
