//! The checks of `doctor` that ask Truedy: whether the key is accepted, and whether protected entries match.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cli::doctor::local::usual_form;
use crate::cli::doctor::protected::{Matching, unmatched};
use crate::cli::doctor::report::{CheckResult, DoctorReport};
use crate::cli::output::{Exit, SET_A_KEY};
use crate::config::TenantSettings;
use crate::guard::Policy;
use crate::mcp::Catalog;
use crate::redact::{Redactor, Secret};
use crate::truedy::{ApiReply, CallBudget, Client, Error, NotSent, Request};

pub(crate) async fn live(tenant: &TenantSettings, redactor: &Arc<Redactor>, report: &mut DoctorReport) {
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
    let Some(key) = usable_key(tenant, report) else { return };
    redactor.redact_always(&key);
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

/// Reports whether there is an API key and whether it has the usual form. Returns the key if there is one.
fn usable_key(tenant: &TenantSettings, report: &mut DoctorReport) -> Option<Secret> {
    let key = match tenant.key() {
        Ok(Some(key)) => key,
        Ok(None) => {
            report.add("key", CheckResult::Bad, "no API key is set", Some(SET_A_KEY));
            report.fail(Exit::Key);
            return None;
        }
        Err(error) => {
            report.add("key", CheckResult::Bad, error.to_string(), Some(&tenant.key_remedy()));
            report.fail(Exit::Usage);
            return None;
        }
    };
    if usual_form(&key) {
        report.add("key", CheckResult::Good, "an API key is set", None);
    } else {
        let todo = "Truedy's keys look like truedy_ and 32 letters and digits; check that all of it was copied, and that it is no carrier's key.";
        report.add("key", CheckResult::Notice, "an API key is set, of an unusual form", Some(todo));
    }
    Some(key)
}

/// Checks address, certificate, key and clock with one authenticated read.
///
/// Returns whether Truedy accepted the key.
pub(crate) async fn accepted(client: &Client, report: &mut DoctorReport) -> bool {
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

/// Checks whether the protected entries match numbers of the account. Entries that do not match protect nothing.
pub(crate) async fn protection(client: &Client, policy: &Policy, report: &mut DoctorReport) {
    const REMEDY: &str = "Correct --protect (TRUEDY_MCP_PROTECT) or protect of the tenant; `truedy-mcp call list_numbers` shows numbers and ids.";
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

pub(crate) fn clock(reply: &ApiReply, report: &mut DoctorReport) {
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
