//! A section of the configuration file: what it sets, and how it narrows the settings of everybody.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;

use clap::ValueEnum;
use serde::Deserialize;

use crate::config::carriers::sources;
use crate::config::choices::{AskWhen, Gate, InlineSecrets};
use crate::config::narrowing::{Narrowing, sip_host};
use crate::config::parsers::{cap, country, money, number_type, rate};
use crate::config::paths::expanded;
use crate::config::settings::Settings;
use crate::config::variable_name::check_variable;

/// The source of a Truedy key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ApiKeySource {
    /// The source in the settings: `TRUEDY_API_KEY` or `--api-key-file`.
    Settings,
    /// This variable.
    Variable(String),
    /// This file, which only the user may read.
    File(PathBuf),
    /// The output of this command: the program and its arguments. No shell is used.
    Command(Vec<String>),
}

/// The settings of one tenant. Fields that are not set are taken from the settings for all. Policy can only be
/// narrowed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TenantSection {
    pub(super) api_key_env: Option<String>,
    api_key_file: Option<PathBuf>,
    api_key_command: Option<Vec<String>>,
    base_url: Option<String>,
    upstream_rpm: Option<NumberOrWord>,
    read_only: Option<bool>,
    tools: Option<Vec<String>>,
    exclude_tools: Option<Vec<String>>,
    protect: Option<Vec<String>>,
    release_in_use: Option<bool>,
    ask: Option<String>,
    gate: Option<String>,
    purchases_per_day: Option<NumberOrWord>,
    releases_per_day: Option<NumberOrWord>,
    imports_per_day: Option<NumberOrWord>,
    spend_per_day: Option<String>,
    max_monthly_cost: Option<String>,
    countries: Option<Vec<String>>,
    number_types: Option<Vec<String>>,
    sip_hosts: Option<Vec<String>>,
    inline_secrets: Option<String>,
    #[serde(default)]
    pub(super) carriers: BTreeMap<String, sources::ProfileSection>,
}

/// A number, or a word instead of it.
#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrWord {
    Number(i64),
    Word(String),
}

impl fmt::Display for NumberOrWord {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(formatter),
            Self::Word(word) => word.fmt(formatter),
        }
    }
}

impl TenantSection {
    /// Refuses in `[policy]` what belongs to one account.
    pub(super) fn check_is_policy(&self) -> Result<(), String> {
        let others = [
            ("api_key_env", self.api_key_env.is_some()),
            ("api_key_file", self.api_key_file.is_some()),
            ("api_key_command", self.api_key_command.is_some()),
            ("base_url", self.base_url.is_some()),
            ("upstream_rpm", self.upstream_rpm.is_some()),
            ("carriers", !self.carriers.is_empty()),
        ];
        match others.into_iter().find(|(_, is_set)| *is_set) {
            None => Ok(()),
            Some((name, _)) => Err(format!("{name} is no limit; expected limits alone, for example read_only = true")),
        }
    }

    /// Returns the ids of those settings whose value may be wider than a default, as far as the section sets them.
    pub(super) fn binding(&self) -> impl Iterator<Item = &'static str> + use<> {
        let set = [
            ("ask", self.ask.is_some()),
            ("gate", self.gate.is_some()),
            ("purchases_per_day", self.purchases_per_day.is_some()),
            ("releases_per_day", self.releases_per_day.is_some()),
            ("imports_per_day", self.imports_per_day.is_some()),
            ("inline_secrets", self.inline_secrets.is_some()),
        ];
        set.into_iter().filter(|(_, is_set)| *is_set).map(|(id, _)| id)
    }

    pub(super) fn key(&self, sandbox: bool) -> Result<ApiKeySource, String> {
        let sources = [
            self.api_key_env.clone().map(ApiKeySource::Variable),
            self.api_key_file.clone().map(ApiKeySource::File),
            self.api_key_command.clone().map(ApiKeySource::Command),
        ];
        let mut given = sources.into_iter().flatten();
        match (given.next(), given.next()) {
            (Some(_), Some(_)) => Err("it has more than one of api_key_env, api_key_file and api_key_command".to_owned()),
            (Some(ApiKeySource::Command(argv)), None) if argv.is_empty() => {
                Err("api_key_command is empty; it is a program and its arguments, for example [\"pass\", \"truedy/acme\"]".to_owned())
            }
            (Some(ApiKeySource::File(file)), None) => {
                expanded(&file).map(ApiKeySource::File).map_err(|why| format!("api_key_file: {why}"))
            }
            (Some(ApiKeySource::Variable(name)), None) => {
                check_variable(&name).map_err(|why| format!("api_key_env: {why}"))?;
                Ok(ApiKeySource::Variable(name))
            }
            (Some(source), None) => Ok(source),
            (None, _) if sandbox => Ok(ApiKeySource::Settings),
            (None, _) => {
                Err("it has no key: set api_key_env, api_key_file or api_key_command, for example api_key_env = \"ACME_TRUEDY_KEY\"".to_owned())
            }
        }
    }

    /// Returns the settings for all, narrowed by this section. Address and request rate are replaced, since the account
    /// is its own.
    pub(super) fn over(self, all: &Settings) -> Result<Settings, String> {
        fn read<T>(
            name: &str,
            text: Option<&str>,
            parse: impl Fn(&str) -> Result<T, String>,
        ) -> Result<Option<T>, String> {
            text.map(|text| parse(text).map_err(|expected| format!("{name}: expected {expected}"))).transpose()
        }
        fn each<T>(
            name: &str,
            texts: Option<Vec<String>>,
            parse: impl Fn(&str) -> Result<T, String>,
        ) -> Result<Option<Vec<T>>, String> {
            let all = |texts: Vec<String>| {
                let numbered = texts.iter().zip(1..);
                numbered
                    .map(|(text, at)| {
                        parse(text).map_err(|expected| format!("{name}, entry {at}: expected {expected}"))
                    })
                    .collect()
            };
            texts.map(all).transpose()
        }
        let number = |number: &Option<NumberOrWord>| number.as_ref().map(ToString::to_string);
        let cap_of = |name: &str, given: &Option<NumberOrWord>| read(name, number(given).as_deref(), cap);
        let ask = |text: &str| AskWhen::from_str(text, false).map_err(|_| "auto or off".to_owned());
        let gate = |text: &str| Gate::from_str(text, false).map_err(|_| "flag, token or human".to_owned());
        let inline = |text: &str| InlineSecrets::from_str(text, false).map_err(|_| "allow or deny".to_owned());
        let mut settings = all.narrowed(Narrowing {
            read_only: self.read_only,
            tools: self.tools,
            exclude_tools: self.exclude_tools,
            protect: self.protect,
            release_in_use: self.release_in_use,
            ask: read("ask", self.ask.as_deref(), ask)?,
            gate: read("gate", self.gate.as_deref(), gate)?,
            purchases_per_day: cap_of("purchases_per_day", &self.purchases_per_day)?,
            releases_per_day: cap_of("releases_per_day", &self.releases_per_day)?,
            imports_per_day: cap_of("imports_per_day", &self.imports_per_day)?,
            spend_per_day: read("spend_per_day", self.spend_per_day.as_deref(), money)?,
            max_monthly_cost: read("max_monthly_cost", self.max_monthly_cost.as_deref(), money)?,
            countries: each("countries", self.countries, country)?,
            number_types: each("number_types", self.number_types, number_type)?,
            sip_hosts: each("sip_hosts", self.sip_hosts, sip_host)?,
            inline_secrets: read("inline_secrets", self.inline_secrets.as_deref(), inline)?,
        })?;
        if let Some(base_url) = self.base_url {
            settings.base_url = base_url;
        }
        if let Some(rate) = read("upstream_rpm", number(&self.upstream_rpm).as_deref(), rate)? {
            settings.upstream_rpm = rate;
        }
        Ok(settings)
    }
}
