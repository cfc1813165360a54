//! The findings of `doctor`, and how they are printed.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::cli::output::Exit;
use crate::cli::repeated::as_given;
use crate::cli::table::{ALERT, FAINT, GOOD, STRONG, WARNING};
use crate::cli::version;
use crate::cli::wrap::wrap;
use crate::config::Settings;

/// The result of a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CheckResult {
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

pub(crate) struct DoctorCheck {
    /// The tenant that was checked, if there are several.
    tenant: Option<String>,
    name: &'static str,
    health: CheckResult,
    found: String,
    todo: Option<String>,
}

pub(crate) struct DoctorReport {
    /// The tenant that is being checked, if there are several.
    pub(crate) tenant: Option<String>,
    pub(crate) checks: Vec<DoctorCheck>,
    pub(crate) exit: Exit,
}

impl DoctorReport {
    pub(crate) fn add(
        &mut self,
        name: &'static str,
        health: CheckResult,
        found: impl Into<String>,
        todo: Option<&str>,
    ) {
        let tenant = self.tenant.clone();
        self.checks.push(DoctorCheck { tenant, name, health, found: found.into(), todo: todo.map(str::to_owned) });
    }

    /// Sets the exit code. The first failure decides, except that a wrong setting always takes precedence, as in every
    /// command.
    pub(crate) fn fail(&mut self, exit: Exit) {
        if self.exit == Exit::Fine || exit == Exit::Usage {
            self.exit = exit;
        }
    }
}

/// Returns the report with its styles, a line a check. Lines are broken at `width` characters, if that is given.
pub(crate) fn as_text(settings: &Settings, report: &DoctorReport, width: Option<usize>) -> String {
    let mut text = format!(
        "{STRONG}truedy-mcp {}{STRONG:#} ({})\n{FAINT}{}{FAINT:#}\n",
        env!("CARGO_PKG_VERSION"),
        settings.mode(),
        broken(&version::line(), width, 0)
    );
    for check in &report.checks {
        let whose = check.tenant.as_ref().map(|tenant| format!("tenant {tenant}: ")).unwrap_or_default();
        let style = match check.health {
            CheckResult::Good => GOOD,
            CheckResult::Notice => WARNING,
            CheckResult::Bad => ALERT,
        };
        let found = broken(&format!("{whose}{}", settings.name_variables(&check.found)), width, INDENT);
        let _ = writeln!(text, "{style}{:<7}{style:#} {:<10} {found}", check.health.word(), check.name);
        if let Some(todo) = &check.todo {
            let _ = writeln!(text, "{:<18} {STRONG}→{STRONG:#} {}", "", broken(&as_given(todo), width, INDENT + 2));
        }
    }
    text
}

/// Where the text of a check begins.
const INDENT: usize = 19;

/// Breaks a text at words, so that it fits behind an indent.
fn broken(text: &str, width: Option<usize>, indent: usize) -> String {
    let Some(width) = width else { return text.to_owned() };
    wrap(text, width.saturating_sub(indent).max(20)).join(&format!("\n{}", " ".repeat(indent)))
}

pub(crate) fn as_json(settings: &Settings, report: &DoctorReport) -> String {
    let checks: Vec<_> = report.checks.iter().map(|check| json!({ "tenant": check.tenant, "check": check.name, "health": check.health.word(), "found": settings.name_variables(&check.found), "todo": check.todo.as_deref().map(as_given) })).collect();
    let mut whole = version::facts();
    let rest = json!({ "mode": settings.mode(), "ok": report.exit == Exit::Fine, "exit_code": report.exit as u8, "checks": checks });
    if let (Value::Object(whole), Value::Object(rest)) = (&mut whole, rest) {
        whole.extend(rest);
    }
    format!("{}\n", serde_json::to_string_pretty(&whole).unwrap_or_default())
}
