//! `truedy-mcp version`: the version, and what it was built from.

use std::sync::LazyLock;

use serde_json::{Value, json};

use crate::cli::output::{Exit, print};

/// The commit that the program was built from. `unknown` if the build did not know it.
pub(crate) const COMMIT: &str = env!("BUILD_COMMIT");

/// The text of `--version`.
static LONG: LazyLock<String> = LazyLock::new(|| {
    format!(
        "{}\ncommit: {COMMIT}\ndate: {}\ntarget: {}\nfeatures: {}",
        env!("CARGO_PKG_VERSION"),
        env!("BUILD_DATE"),
        env!("BUILD_TARGET"),
        features_named()
    )
});

/// Returns the text of `--version` without the name of the program.
pub(crate) fn long() -> &'static str {
    &LONG
}

/// Returns the features that the program was built with.
fn features() -> Vec<&'static str> {
    let all = [("otel", cfg!(feature = "otel")), ("keyring", cfg!(feature = "keyring"))];
    all.into_iter().filter(|(_, is_on)| *is_on).map(|(name, _)| name).collect()
}

fn features_named() -> String {
    if features().is_empty() { "none".to_owned() } else { features().join(", ") }
}

/// Returns what the program was built from, in a line.
pub(crate) fn line() -> String {
    format!("commit {COMMIT}, target {}, features: {}", env!("BUILD_TARGET"), features_named())
}

/// Returns the version and what the program was built from.
pub(crate) fn facts() -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": COMMIT,
        "date": env!("BUILD_DATE"),
        "target": env!("BUILD_TARGET"),
        "features": features(),
    })
}

/// Prints the version with its facts.
pub(crate) fn show(as_json: bool) -> Exit {
    if as_json {
        print(&format!("{}\n", serde_json::to_string_pretty(&facts()).unwrap_or_default()));
    } else {
        print(&format!("truedy-mcp {}\n", long()));
    }
    Exit::Fine
}
