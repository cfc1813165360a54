//! Checks settings against each other and against the machine, and builds messages about the source of a setting.

use std::path::PathBuf;

use url::Url;

use crate::config::choices::{AskWhen, Gate};
use crate::config::error::ConfigError;
use crate::config::settings::Settings;
use crate::domain::meant_sentence;
use crate::journal::PostgresPlace;
use crate::redact::{Secret, shown_path};
use crate::truedy::Proxy;

/// Largest file of root certificates that is accepted. The certificates of a machine need less.
const ROOTS_LIMIT: u64 = 16 * 1024 * 1024;

/// Whether a file is a pipe, a socket or a block device. Reading or writing it may wait for ever.
#[cfg(unix)]
pub(super) fn is_pipe(about: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::FileTypeExt;
    let kind = about.file_type();
    kind.is_fifo() || kind.is_socket() || kind.is_block_device()
}

#[cfg(not(unix))]
pub(super) fn is_pipe(_: &std::fs::Metadata) -> bool {
    false
}

/// Checks the root certificates that the variables of OpenSSL name.
/// The TLS libraries read these files without any size limit.
pub(super) fn check_machine_roots() -> Result<(), ConfigError> {
    let place = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let refuse = |name: &str, why: &str| Err(ConfigError(format!("{name} cannot be used: {why}.")));
    // A missing file is ignored, as always. Then the roots of the system are used.
    if let Some(Ok(about)) = place("SSL_CERT_FILE").map(|file| file.metadata()) {
        if !about.is_file() {
            return refuse("SSL_CERT_FILE", "it is not a regular file");
        }
        if about.len() > ROOTS_LIMIT {
            return refuse("SSL_CERT_FILE", "it is larger than 16 MiB");
        }
    }
    if place("SSL_CERT_DIR").is_some_and(|dir| dir.metadata().is_ok_and(|about| !about.is_dir())) {
        return refuse("SSL_CERT_DIR", "it is not a directory");
    }
    Ok(())
}

/// Checks the names of tools in a list. An unknown name is not repeated in the error.
pub(super) fn check_tools(flag: &str, names: &[String], tools: &[&str]) -> Result<(), ConfigError> {
    for (name, at) in names.iter().map(|name| name.trim()).zip(1..).filter(|(name, _)| !name.is_empty()) {
        if !tools.contains(&name) {
            let meant = meant_sentence(name, tools.iter().copied());
            let there = tools.join(", ");
            return Err(ConfigError(format!("{flag}: entry {at} is the name of no tool.{meant} There are {there}.")));
        }
    }
    Ok(())
}

impl Settings {
    /// Refuses a list that holds only commas and spaces. It was meant as a limit, but would limit nothing.
    pub(super) fn check_blank_lists(&self) -> Result<(), ConfigError> {
        let lists = [
            ("--tools", self.tools.as_deref()),
            ("--exclude-tools", Some(self.exclude_tools.as_slice())),
            ("--protect", Some(self.protect.as_slice())),
            ("--sip-hosts", self.sip_hosts.as_deref()),
        ];
        let is_blank = |list: &[String]| !list.is_empty() && list.iter().all(|entry| entry.trim().is_empty());
        match lists.iter().find(|(_, list)| list.is_some_and(is_blank)) {
            Some((flag, _)) => {
                Err(ConfigError(format!("{flag} names nothing: give at least one entry, or leave it out.")))
            }
            None => Ok(()),
        }
    }

    /// Refuses a tenant whose section requires a question and also forbids asking. `all` are the settings of all
    /// tenants.
    pub(super) fn check_asking(&self, all: &Self) -> Result<(), String> {
        let contradicts = |one: &Self| one.gate == Gate::Human && one.ask == AskWhen::Off;
        if !contradicts(self) || contradicts(all) {
            return Ok(());
        }
        Err("gate human asks a person before every purchase and release, and ask off forbids asking: set one of them only, for example gate = \"token\" with ask = \"off\""
            .to_owned())
    }

    /// Returns the name of the configuration file for messages.
    pub(super) fn config_shown(&self) -> String {
        self.config.as_deref().map_or_else(|| "--config".to_owned(), shown_path)
    }

    /// Returns the variables that the configuration file names as sources of secrets.
    pub fn file_variables(&self) -> Vec<String> {
        let tenants = self.tenants().unwrap_or_default();
        tenants.first().map(|tenant| tenant.withheld.to_vec()).unwrap_or_default()
    }

    /// Adds to a sentence about settings which of the flags in it were set by a variable.
    pub fn name_variables(&self, sentence: &str) -> String {
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '-');
        let names = |flag: &str| {
            let flag = format!("--{flag}");
            sentence.match_indices(&flag).any(|(at, _)| sentence.get(at + flag.len()..).is_some_and(ends))
        };
        let set = self.variables.iter().filter(|(flag, variable)| names(flag) && !sentence.contains(variable.as_str()));
        let said = set.map(|(flag, variable)| format!(" The variable {variable} sets --{flag}."));
        said.fold(sentence.to_owned(), |sentence, said| sentence + &said)
    }

    /// Refuses settings of the sandbox without `--sandbox`. They show that a live account was not meant to be used.
    pub fn no_sandbox_settings(&self) -> Result<(), ConfigError> {
        if self.sandbox || !(self.ephemeral || !self.fault.is_empty() || self.ledger.is_some()) {
            return Ok(());
        }
        let sentence = "--fault, --ephemeral and --ledger are for the sandbox, and without --sandbox this would work on a live account: add --sandbox or leave them out.";
        Err(ConfigError(sentence.to_owned()))
    }

    /// Returns an error for flags of the live account that are given together with `--sandbox`, because they would do
    /// nothing.
    /// Variables are accepted, so that adding `--sandbox` alone switches a live setup to the sandbox.
    pub fn unused_on_sandbox(&self) -> Option<String> {
        let places = [
            ("base_url", "--base-url"),
            ("api_key_file", "--api-key-file"),
            ("upstream_proxy", "--upstream-proxy"),
            ("ca_file", "--ca-file"),
        ];
        let by_variable =
            |flag: &str| self.variables.iter().any(|(name, _)| flag.strip_prefix("--") == Some(name.as_str()));
        let is_unused = |(id, flag): &&(&str, &str)| self.given.contains(*id) && !by_variable(flag);
        let unused: Vec<&str> = places.iter().filter(is_unused).map(|(_, flag)| *flag).collect();
        let journal =
            PostgresPlace::is_url(&self.journal.0) && self.given.contains("journal") && !by_variable("--journal");
        let unused = [unused, if journal { vec!["--journal"] } else { Vec::new() }].concat().join(", ");
        (!unused.is_empty()).then(|| {
            format!(
                "With --sandbox there is no Truedy to reach, and {unused} would do nothing: leave out one or the other."
            )
        })
    }

    /// Returns the secrets in the settings themselves: passwords in the URLs of proxy and journal.
    pub fn secrets(&self) -> Vec<Secret> {
        let mut passwords: Vec<String> =
            PostgresPlace::parse(&self.journal.0).ok().and_then(|place| place.password()).into_iter().collect();
        let proxies = match &self.upstream_proxy {
            Some(Proxy::Url(url)) => vec![url.clone()],
            Some(Proxy::Environment) => {
                let names = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "HTTP_PROXY", "http_proxy"];
                names.iter().filter_map(|name| Url::parse(&std::env::var(name).ok()?).ok()).collect()
            }
            None => Vec::new(),
        };
        for url in proxies {
            let Some(written) = url.password() else { continue };
            let query = format!("p={}", written.replace('+', "%2B"));
            let plain = url::form_urlencoded::parse(query.as_bytes()).next().map(|(_, plain)| plain.into_owned());
            passwords.extend(plain.into_iter().chain([written.to_owned()]));
        }
        passwords.into_iter().filter_map(|password| Secret::new(password).ok()).collect()
    }
}
