//! The checks of `doctor` on this machine: proxy, state directory, journal, key file and policy.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cli::doctor::report::{CheckResult, DoctorReport};
use crate::cli::output::Exit;
use crate::config::{Settings, UpstreamWindow, kept_keys, state_key_in};
use crate::journal::{Journal, JournalPlace, Operation, OperationPhase, OperationQuery, Unavailable};
use crate::mcp::Catalog;
use crate::redact::{Redactor, Secret, shown_path};
use crate::tools::change_kinds;
use crate::truedy::Rate;

pub(crate) fn proxy(settings: &Settings, report: &mut DoctorReport) {
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

pub(crate) fn state_dir(settings: &Settings, report: &mut DoctorReport) {
    let dir = match settings.state_dir() {
        Ok(dir) => dir,
        Err(error) => {
            report.add("state_dir", CheckResult::Bad, error.to_string(), Some("Set --state-dir."));
            report.fail(Exit::Failed);
            return;
        }
    };
    // The nearest existing directory shows whether the directory can be created. Nothing is created here.
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

/// Tries the journal, and counts its operations of all keys. `accounts` maps each tenant to the account of its key.
pub(crate) async fn journal(
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
        redactor.redact_always(&password);
    }
    let (found, forgetful) = (place.to_string(), settings.journal_warning(&place).is_some());
    let remedy = unusable_remedy(&place);
    let journal = Journal::new(place, String::new(), change_kinds());
    let written = async {
        journal.probe().await?;
        journal.check().await?;
        journal.count_all_unresolved().await
    };
    let written = written.await;
    if written.is_ok() {
        frozen(&journal, report).await;
    }
    match written {
        Ok(open) if open > 0 => {
            let found = format!("{found}; {open} unresolved{}", under_another_key(&journal, accounts).await);
            let todo = "Look at them with `truedy-mcp operations`, and resolve them.";
            report.add("journal", CheckResult::Notice, found, Some(todo));
        }
        Ok(_) if forgetful => {
            let todo = "Leave out --journal memory to keep what was bought, and what is not known, beyond the end of the program.";
            report.add("journal", CheckResult::Notice, found, Some(todo));
        }
        Ok(_) => report.add("journal", CheckResult::Good, format!("{found}; nothing unresolved"), None),
        Err(error) => {
            let todo = if matches!(error, Unavailable::Newer { .. }) {
                "Install that version or a newer one. Or give this one a --state-dir of its own: limits begin anew there."
            } else {
                remedy
            };
            report.add("journal", CheckResult::Bad, format!("{found}: {error}"), Some(todo));
            report.fail(Exit::Failed);
        }
    }
}

/// Reports each freeze of changes.
async fn frozen(journal: &Journal, report: &mut DoctorReport) {
    for freeze in journal.freezes().await.unwrap_or_default() {
        let tenant = freeze.tenant.as_ref().map(|tenant| format!(" --tenant {tenant}")).unwrap_or_default();
        let todo = format!("No change begins. `truedy-mcp unfreeze{tenant}` ends it, at a terminal.");
        report.add("freeze", CheckResult::Notice, format!("{} (by {})", freeze.to_line(), freeze.by), Some(&todo));
    }
}

/// Returns what to do if the journal at this place cannot be used.
fn unusable_remedy(place: &JournalPlace) -> &'static str {
    match place {
        JournalPlace::Postgres(_) => {
            "Check address, login, certificate and rights of the database; RUST_LOG=truedy_mcp=debug says more."
        }
        _ => {
            "Make the directory writable for this user alone, or end the program that holds the file. A damaged file: move it aside and keep it; limits begin anew, and what is not known is looked up in Truedy's dashboard."
        }
    }
}

/// Says how many unresolved operations began under another key than the tenant's present key.
/// For these, the absence of a number in the account proves nothing.
pub(crate) async fn under_another_key(journal: &Journal, accounts: &BTreeMap<String, String>) -> String {
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

pub(crate) fn state_key(settings: &Settings, report: &mut DoctorReport) {
    match settings.state_keys() {
        Ok(None) => {
            // The key is checked only if it exists. It is created on first use.
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

pub(crate) fn usual_form(key: &Secret) -> bool {
    key.expose()
        .strip_prefix("truedy_")
        .is_some_and(|rest| rest.len() == 32 && rest.bytes().all(|b| b.is_ascii_alphanumeric()))
}

pub(crate) fn policy(settings: &Settings, report: &mut DoctorReport) {
    match settings.policy(&Catalog::names()) {
        Ok(policy) => report.add("policy", CheckResult::Good, policy.summary().join("; "), None),
        Err(error) => {
            report.add("policy", CheckResult::Bad, error.to_string(), Some("Correct the setting that it names."));
            report.fail(Exit::Usage);
        }
    }
}

/// Reports the limit of requests to Truedy, and which programs count for it.
pub(crate) fn rate(settings: &Settings, report: &mut DoctorReport) {
    let database = matches!(settings.journal_place(), Ok(JournalPlace::Postgres(_)));
    let found = match settings.upstream_rpm {
        Rate::Off => "no limit of requests to Truedy".to_owned(),
        Rate::PerMinute(most) if database && settings.upstream_window == UpstreamWindow::Shared => format!(
            "{most} requests to Truedy in any 60 s, counted together with all programs on this journal that use the same key"
        ),
        Rate::PerMinute(most) => format!("{most} requests to Truedy in any 60 s, counted by each program alone"),
    };
    report.add("rate", CheckResult::Good, found, None);
}

#[cfg(unix)]
pub(crate) fn can_write(dir: &std::path::Path) -> bool {
    rustix::fs::access(dir, rustix::fs::Access::WRITE_OK).is_ok()
}

#[cfg(not(unix))]
pub(crate) fn can_write(dir: &std::path::Path) -> bool {
    std::fs::metadata(dir).is_ok_and(|about| !about.permissions().readonly())
}
