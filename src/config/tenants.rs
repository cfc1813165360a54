//! The tenants of a server. Each has its own Truedy key and may have its own settings.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::ValueEnum;
use serde::Deserialize;

use crate::config::carriers::printed::{Withheld, printed_by};
use crate::config::carriers::sources::{self, profiles};
use crate::config::choices::{AskWhen, Gate, InlineSecrets};
use crate::config::error::ConfigError;
use crate::config::key::{as_key, key_file};
use crate::config::narrowing::{Narrowing, sip_host};
use crate::config::parsers::{cap, country, money, number_type, rate};
use crate::config::paths::expanded;
use crate::config::settings::Settings;
use crate::config::variable_name::check_variable;
use crate::domain::{Caller, CarrierProfile};
use crate::files::{field_names, public_bytes, read_toml};
use crate::redact::{Secret, shown_path, shown_variable, without_keys};

/// Largest configuration file, in bytes.
pub(super) const FILE_LIMIT: u64 = 1024 * 1024;

/// One tenant.
#[derive(Debug, Clone)]
pub struct TenantSettings {
    /// The name of the tenant.
    pub name: String,
    /// The settings that hold for the tenant.
    pub settings: Settings,
    /// The source of its key.
    pub key: ApiKeySource,
    /// The carrier profiles of the tenant.
    pub carriers: Vec<CarrierProfile>,
    /// The variables that hold secrets of any tenant or profile. The command for its key does not inherit them.
    pub(super) withheld: Withheld,
}

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

/// The configuration file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantsFile {
    #[serde(default)]
    tenants: BTreeMap<String, TenantSection>,
    #[serde(default)]
    carriers: BTreeMap<String, sources::ProfileSection>,
}

/// The settings of one tenant. Fields that are not set are taken from the settings for all. Policy can only be
/// narrowed.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantSection {
    api_key_env: Option<String>,
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
    carriers: BTreeMap<String, sources::ProfileSection>,
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

impl TenantsFile {
    /// Returns the variables that hold secrets of any tenant or profile in the file.
    fn secret_variables(&self) -> Withheld {
        let keys = self.tenants.values().filter_map(|section| section.api_key_env.as_ref());
        let profiles =
            self.tenants.values().flat_map(|section| section.carriers.values()).chain(self.carriers.values());
        keys.chain(profiles.flat_map(sources::ProfileSection::variables)).cloned().collect()
    }
}

/// Returns the names of all fields of the configuration file.
/// Each list comes with the path to it, in which `*` stands for any name.
pub fn file_fields() -> Vec<(&'static str, &'static [&'static str])> {
    let (profile, place) = sources::fields();
    vec![
        ("", field_names::<TenantsFile>()),
        ("tenants.*", field_names::<TenantSection>()),
        ("tenants.*.carriers.*", profile),
        ("carriers.*", profile),
        ("carriers.*.*", place),
    ]
}

impl Settings {
    /// Returns the tenants of the configuration file. If it names none, returns the one tenant of the settings.
    pub fn tenants(&self) -> Result<Vec<TenantSettings>, ConfigError> {
        let Some(file) = &self.config else { return self.tenants_in(b"") };
        let bytes = public_bytes(file, FILE_LIMIT).map_err(|why| {
            let make = if file.exists() { "" } else { "; truedy-mcp carriers add makes it" };
            ConfigError(format!("--config {} cannot be used: {why}{make}.", shown_path(file)))
        })?;
        self.tenants_in(&bytes)
    }

    /// Returns the same for these bytes, which are or will be the content of the configuration file.
    pub(super) fn tenants_in(&self, bytes: &[u8]) -> Result<Vec<TenantSettings>, ConfigError> {
        let (mut tenants, carriers, withheld) = self.named_in(bytes)?;
        if tenants.is_empty() {
            let name = Caller::local().tenant;
            tenants.push(TenantSettings {
                name,
                settings: self.clone(),
                key: ApiKeySource::Settings,
                carriers,
                withheld,
            });
        }
        Ok(tenants)
    }

    /// Returns the named tenants. If there are none, also returns the carrier profiles of the single tenant.
    fn named_in(&self, bytes: &[u8]) -> Result<(Vec<TenantSettings>, Vec<CarrierProfile>, Withheld), ConfigError> {
        let file = self.config.as_deref().unwrap_or(Path::new(""));
        let refuse = |why: &str| ConfigError(format!("--config {} cannot be used: {why}.", shown_path(file)));
        let written: TenantsFile = read_toml(bytes).map_err(|why| refuse(&why))?;
        if let (Some(tenant), Some(carrier)) = (written.tenants.keys().next(), written.carriers.keys().next()) {
            // A tenant must not use the key of another.
            return Err(refuse(&format!(
                "[carriers.{carrier}] belongs to no tenant; where there are tenants, each has its own: [tenants.{tenant}.carriers.{carrier}]"
            )));
        }
        let withheld = written.secret_variables();
        let carriers = profiles(written.carriers, &withheld).map_err(|why| refuse(&why))?;
        let mut tenants = Vec::new();
        for (name, mut section) in written.tenants {
            let bad = |why: String| refuse(&format!("[tenants.{}]: {why}", without_keys(&name)));
            Caller::check_name("tenant", &name).map_err(bad)?;
            let carriers = profiles(std::mem::take(&mut section.carriers), &withheld).map_err(bad)?;
            let key = section.key(self.sandbox).map_err(bad)?;
            let mut settings = section.over(self).map_err(bad)?;
            settings.section = format!("--config {}: [tenants.{name}]", shown_path(file));
            settings.check_asking(self).map_err(bad)?;
            let withheld = Arc::clone(&withheld);
            tenants.push(TenantSettings { name, settings, key, carriers, withheld });
        }
        Ok((tenants, carriers, withheld))
    }
}

impl TenantSection {
    fn key(&self, sandbox: bool) -> Result<ApiKeySource, String> {
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
    fn over(self, all: &Settings) -> Result<Settings, String> {
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

impl TenantSettings {
    /// Returns what to do if its key cannot be used.
    pub fn key_remedy(&self) -> String {
        let section = format!("[tenants.{}] of {}", self.name, self.settings.config_shown());
        match &self.key {
            ApiKeySource::Settings => {
                "Give the key in a file of your own with mode 0600, or in TRUEDY_API_KEY.".to_owned()
            }
            ApiKeySource::Variable(name) => {
                let name = shown_variable(name);
                format!(
                    "Set the variable {name} to the Truedy key of this tenant, or correct api_key_env in {section}."
                )
            }
            ApiKeySource::File(file) => {
                let file = shown_path(file);
                format!(
                    "Put the Truedy key of this tenant into {file}, with mode 0600, or correct api_key_file in {section}."
                )
            }
            ApiKeySource::Command(_) => {
                format!(
                    "Run the command yourself: it must print the Truedy key of this tenant alone. Or correct api_key_command in {section}."
                )
            }
        }
    }

    /// Returns its key. `None` if the key comes from the settings for all, and those hold none.
    pub fn key(&self) -> Result<Option<Secret>, ConfigError> {
        let refuse = |source: &str, why: &str| {
            ConfigError(format!("The API key of the tenant {} in {source} cannot be used: {why}.", self.name))
        };
        match &self.key {
            ApiKeySource::Settings => self.settings.key(),
            ApiKeySource::Variable(name) => {
                let text = std::env::var(name).unwrap_or_default().trim().to_owned();
                if text.is_empty() {
                    return Err(refuse(&shown_variable(name), "the variable is not set"));
                }
                as_key(text, &shown_variable(name)).map(Some)
            }
            ApiKeySource::File(file) => as_key(key_file(file)?, &shown_path(file)).map(Some),
            ApiKeySource::Command(argv) => {
                let text = printed_by(argv, &self.withheld).map_err(|why| refuse("api_key_command", &why))?;
                as_key(text, "what api_key_command prints").map(Some)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::resolve::tests::with;
    use crate::guard::Cap;

    fn tenants(text: &str, arguments: &[&str]) -> Result<Vec<TenantSettings>, ConfigError> {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("config.toml");
        std::fs::write(&file, text).expect("written");
        let path = file.display().to_string();
        with(&[&["--config", path.as_str()], arguments].concat()).tenants()
    }

    #[test]
    fn without_any_there_is_one() {
        for all in [with(&[]).tenants().expect("one"), tenants("", &[]).expect("one")] {
            assert_eq!(all.len(), 1);
            assert_eq!((all[0].name.as_str(), &all[0].key), ("default", &ApiKeySource::Settings));
        }
    }

    #[test]
    fn a_tenant_has_what_is_set_for_it_and_else_what_is_set_for_all() {
        let text = "[tenants.acme]\napi_key_env = \"ACME\"\nbase_url = \"https://acme.example.com/v1\"\npurchases_per_day = 2\n\
                    releases_per_day = \"unlimited\"\nmax_monthly_cost = \"2.50 USD\"\ngate = \"token\"\ncountries = [\"US\"]\n\
                    [tenants.beta]\napi_key_command = [\"printf\", \"truedy_0123456789\"]\n";
        let all = tenants(text, &["--imports-per-day", "7", "--read-only"]).expect("two");
        let policy = |at: usize| all[at].settings.policy(&[]).expect("fine");
        assert_eq!((all[0].name.as_str(), all[1].name.as_str()), ("acme", "beta"));
        assert_eq!(all[0].settings.base_url, "https://acme.example.com/v1");
        assert_eq!((policy(0).caps.purchases, policy(0).caps.releases), (Cap::Most(2), Cap::Unlimited));
        assert_eq!((policy(0).caps.imports, policy(0).read_only), (Cap::Most(7), true));
        assert_eq!((policy(1).caps.purchases, policy(1).max_monthly), (Cap::Most(10), None));
        assert!(policy(0).max_monthly.is_some() && policy(0).countries.is_some());
        assert_eq!(
            all[1].key().expect("printed").map(|key| key.expose().to_owned()).as_deref(),
            Some("truedy_0123456789")
        );
        assert!(all[0].key().expect_err("not set").0.contains("ACME"));
    }

    #[test]
    fn what_is_not_understood_is_refused_and_says_where() {
        for (text, part) in [
            ("[tenants.acme]\napi_key = \"truedy_x\"\n", "line 2: unknown field `api_key`"),
            ("[tenant.acme]\n", "unknown field `tenant`"),
            ("[tenants.acme]\n", "api_key_env, api_key_file or api_key_command"),
            ("[tenants.acme]\napi_key_env = \"A\"\napi_key_file = \"/b\"\n", "more than one"),
            ("[tenants.acme]\napi_key_command = []\n", "api_key_command is empty"),
            ("[tenants.\"a b\"]\napi_key_env = \"A\"\n", "the tenant is not 1 to"),
            (
                "[tenants.acme]\napi_key_env = \"A\"\npurchases_per_day = -1\n",
                "purchases_per_day: expected a whole number",
            ),
            ("[tenants.acme]\napi_key_env = \"A\"\ngate = \"none\"\n", "gate: expected flag, token or human"),
            ("[tenants.acme]\napi_key_env = \"A\"\ncountries = [\"UK\"]\n", "countries, entry 1: expected a country"),
            ("nonsense", "line 1"),
        ] {
            let error = tenants(text, &[]).expect_err(text).0;
            assert!(error.contains(part) && !error.contains("truedy_x"), "{error}");
        }
        assert!(with(&["--config", "/nowhere"]).tenants().is_err());
        assert!(tenants("[tenants.acme]\n", &["--sandbox"]).is_ok());
    }
}
