//! Finds variables that are nearly those of this program, such as `TRUEDY_READ_ONLY`.
//!
//! If such a variable were ignored, the limit that it was meant to set would be missing. Names that begin with
//! `TRUEDY_MCP_` are checked where the command line is read.

use crate::config::Settings;
use crate::domain::did_you_mean;
use crate::redact::looks_like_key;

/// The prefix of this program's variables, except those for the key and the address of Truedy.
pub(super) const PREFIX: &str = "TRUEDY_MCP_";
/// Names that other programs read, or that tests and examples of this project use. A name that ends in `_` is a prefix.
const OF_OTHERS: [&str; 6] =
    ["TRUEDY_AUTH", "TRUEDY_HOST", "TRUEDY_FLOOD", "TRUEDY_INTERLEAVED", "TRUEDY_TEST_", "TRUEDY_CAMPAIGN_"];

/// Returns the letters and digits of a name after `TRUEDY` and `MCP`, in capitals. `None` if it does not begin so.
fn core(name: &str) -> Option<String> {
    let letters: String = name.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_uppercase();
    let rest = letters.strip_prefix("TRUEDY")?;
    let rest = rest.strip_prefix("MCP").unwrap_or(rest);
    (!rest.is_empty()).then(|| rest.to_owned())
}

/// Returns the known variable that differs from a name only by `MCP`, by case, or by separators.
pub(super) fn meant_by(name: &str, known: &[String]) -> Option<String> {
    let wanted = core(name)?;
    known.iter().find(|known| core(known).as_ref() == Some(&wanted)).cloned()
}

/// Returns the variables that are set and are nearly those of this program.
fn candidates(known: &[String], settings: &Settings) -> Vec<String> {
    // On Windows the names of variables do not depend on case.
    let is = |one: &str, other: &str| if cfg!(windows) { one.eq_ignore_ascii_case(other) } else { one == other };
    let is_of_others =
        |name: &str| OF_OTHERS.iter().any(|other| name == *other || other.ends_with('_') && name.starts_with(other));
    let set = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let near = set.filter(|(name, value)| {
        let value = value.to_string_lossy();
        core(name).is_some()
            && !value.trim().is_empty()
            && !name.starts_with(PREFIX)
            && !known.iter().any(|known| is(known, name))
            && !is_of_others(name)
            && !is_of_kubernetes(name, &value)
    });
    let mut names: Vec<String> = near.map(|(name, _)| name).collect();
    names.sort();
    if !names.is_empty() {
        // The configuration file may name a variable of the operator's own, which is then accepted.
        let named = settings.file_variables();
        names.retain(|name| !named.contains(name));
    }
    names
}

/// Looks for variables that were meant as one of the known ones. If one certainly was, the error is the refusal. Otherwise
/// returns warnings about variables that may have been meant as one of these limits.
pub(super) fn check(known: &[String], limits: &[String], settings: &Settings) -> Result<Vec<String>, String> {
    let candidates = candidates(known, settings);
    match candidates.iter().find_map(|name| refusal(name, known)) {
        Some(refusal) => Err(refusal),
        None => Ok(warnings(&candidates, limits)),
    }
}

/// Refuses a variable that was certainly meant as one of the known ones.
fn refusal(name: &str, known: &[String]) -> Option<String> {
    let meant = meant_by(name, known)?;
    let shown: String = name.chars().filter(char::is_ascii_graphic).collect();
    Some(format!(
        "{shown} is not read by this program, so it would set nothing. Did you mean {meant}? Rename it, or unset it."
    ))
}

/// Returns warnings about variables that may have been meant as one of these limits.
fn warnings(candidates: &[String], limits: &[String]) -> Vec<String> {
    let bare = |name: &str| {
        let name = name.to_ascii_uppercase().replace(|c: char| !c.is_ascii_alphanumeric(), "_");
        let rest = name.strip_prefix("TRUEDY_")?;
        Some(rest.strip_prefix("MCP_").unwrap_or(rest).to_owned())
    };
    let names: Vec<String> = limits.iter().filter_map(|name| bare(name)).collect();
    let near = candidates.iter().filter(|name| !looks_like_key(name)).filter_map(|name| {
        let meant = did_you_mean(&bare(name)?, names.iter().map(String::as_str))?;
        Some(format!("{name} is not read by this program; if a limit was meant, it is TRUEDY_MCP_{meant}"))
    });
    near.collect()
}

/// Whether Kubernetes sets this variable in each container, because a service is called `truedy-mcp` or `truedy`.
pub(super) fn is_of_kubernetes(name: &str, value: &str) -> bool {
    let rest = name.strip_prefix(PREFIX).or_else(|| name.strip_prefix("TRUEDY_")).unwrap_or_default();
    let is_address = || {
        let value = value.trim();
        value.contains("://")
            || value.parse::<u16>().is_ok()
            || value.parse::<std::net::IpAddr>().is_ok()
            || ["tcp", "udp", "sctp"].contains(&value)
    };
    let of_service = rest.starts_with("SERVICE_") || rest.contains("_SERVICE_");
    let of_port = rest == "PORT" || rest.starts_with("PORT_") || rest.contains("_PORT_") || rest.ends_with("_PORT");
    (of_service || of_port) && is_address()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_kubernetes_sets_is_told_from_a_slip() {
        for (name, value, is_its) in [
            ("TRUEDY_MCP_SERVICE_HOST", "10.0.0.7", true),
            ("TRUEDY_MCP_SERVICE_PORT", "8080", true),
            ("TRUEDY_MCP_SERVICE_PORT_HTTP", "8080", true),
            ("TRUEDY_MCP_PORT", "tcp://10.0.0.7:8080", true),
            ("TRUEDY_MCP_PORT_8080_TCP", "tcp://10.0.0.7:8080", true),
            ("TRUEDY_MCP_PORT_8080_TCP_PROTO", "tcp", true),
            ("TRUEDY_MCP_PORT_8080_TCP_ADDR", "fd00::7", true),
            ("TRUEDY_MCP_HTTP_SERVICE_HOST", "10.0.0.7", true),
            ("TRUEDY_SANDBOX_PORT", "tcp://10.0.0.7:8787", true),
            ("TRUEDY_MCP_PORT", "yes", false),
            ("TRUEDY_MCP_READONLY", "true", false),
            ("TRUEDY_MCP_SERVICES", "10.0.0.7", false),
        ] {
            assert_eq!(is_of_kubernetes(name, value), is_its, "{name}={value}");
        }
    }

    #[test]
    fn a_name_is_meant_whatever_its_capitals_and_what_stands_between_its_words() {
        let known = ["TRUEDY_MCP_READ_ONLY", "TRUEDY_BASE_URL", "TRUEDY_API_KEY"].map(str::to_owned);
        for (name, meant) in [
            ("TRUEDY_READ_ONLY", Some("TRUEDY_MCP_READ_ONLY")),
            ("TRUEDY_READONLY", Some("TRUEDY_MCP_READ_ONLY")),
            ("truedy_mcp_read_only", Some("TRUEDY_MCP_READ_ONLY")),
            ("TRUEDY_MCP-READ-ONLY", Some("TRUEDY_MCP_READ_ONLY")),
            ("TRUEDYMCP_READ_ONLY", Some("TRUEDY_MCP_READ_ONLY")),
            ("TRUEDY_MCP_BASE_URL", Some("TRUEDY_BASE_URL")),
            ("Truedy_Api_Key", Some("TRUEDY_API_KEY")),
            ("TRUEDY_MCPX", None),
            ("TRUEDY_MCP", None),
            ("MY_TRUEDY_READ_ONLY", None),
            ("TRUEDY_WRITE_ONLY", None),
        ] {
            assert_eq!(meant_by(name, &known).as_deref(), meant, "{name}");
        }
    }
}
