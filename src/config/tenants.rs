//! The tenants of a server. Each has its own Truedy key and may have its own settings.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use serde::Deserialize;

use crate::config::carriers::printed::{Withheld, printed_by};
use crate::config::carriers::sources::{self, profiles};
use crate::config::error::ConfigError;
use crate::config::key::{as_key, key_file};
use crate::config::section::{ApiKeySource, TenantSection};
use crate::config::settings::Settings;
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

/// The configuration file as it is written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct TenantsFile {
    /// The policy of everybody. It has the policy fields of a section, and no others.
    policy: Option<TenantSection>,
    #[serde(default)]
    tenants: BTreeMap<String, TenantSection>,
    #[serde(default)]
    carriers: BTreeMap<String, sources::ProfileSection>,
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
        ("policy", field_names::<TenantSection>()),
        ("tenants.*", field_names::<TenantSection>()),
        ("tenants.*.carriers.*", profile),
        ("carriers.*", profile),
        ("carriers.*.*", place),
    ]
}

impl Settings {
    /// Returns the tenants of the configuration file. If it names none, returns the one tenant of the settings.
    pub fn tenants(&self) -> Result<Vec<TenantSettings>, ConfigError> {
        self.tenants_in(&self.file_bytes()?)
    }

    /// Returns the settings of everybody: what was given, narrowed by the `[policy]` of the configuration file.
    pub fn with_file_policy(&self) -> Result<Self, ConfigError> {
        self.narrowed_for_all(self.written(&self.file_bytes()?)?.policy)
    }

    fn file_bytes(&self) -> Result<Vec<u8>, ConfigError> {
        let Some(file) = &self.config else { return Ok(Vec::new()) };
        public_bytes(file, FILE_LIMIT).map_err(|why| {
            let make = if file.exists() { "" } else { "; truedy-mcp carriers add makes it" };
            ConfigError(format!("--config {} cannot be used: {why}{make}.", shown_path(file)))
        })
    }

    fn refuse_file(&self, why: &str) -> ConfigError {
        let file = self.config.as_deref().unwrap_or(Path::new(""));
        ConfigError(format!("--config {} cannot be used: {why}.", shown_path(file)))
    }

    fn written(&self, bytes: &[u8]) -> Result<TenantsFile, ConfigError> {
        read_toml(bytes).map_err(|why| self.refuse_file(&why))
    }

    /// Returns the settings narrowed by `[policy]`.
    ///
    /// The default file has the limits of the account. It does not limit the sandbox, where nothing costs money.
    fn narrowed_for_all(&self, policy: Option<TenantSection>) -> Result<Self, ConfigError> {
        let Some(policy) = policy else { return Ok(self.clone()) };
        let bad = |why: String| self.refuse_file(&format!("[policy]: {why}"));
        policy.check_is_policy().map_err(bad)?;
        // What the file says for all binds its sections, as a flag does.
        let binding = policy.binding();
        let mut settings = policy.over(self).map_err(bad)?;
        settings.section = format!("--config {}: [policy]", self.config_shown());
        settings.check_asking(self).map_err(bad)?;
        settings.given.extend(binding.map(str::to_owned));
        Ok(if self.sandbox && self.is_default_config { self.clone() } else { settings })
    }

    /// Returns the same for these bytes, which are or will be the content of the configuration file.
    pub(super) fn tenants_in(&self, bytes: &[u8]) -> Result<Vec<TenantSettings>, ConfigError> {
        let refuse = |why: &str| self.refuse_file(why);
        let written = self.written(bytes)?;
        if let (Some(tenant), Some(carrier)) = (written.tenants.keys().next(), written.carriers.keys().next()) {
            // A tenant must not use the key of another.
            return Err(refuse(&format!(
                "[carriers.{carrier}] belongs to no tenant; where there are tenants, each has its own: [tenants.{tenant}.carriers.{carrier}]"
            )));
        }
        let withheld = written.secret_variables();
        let all = self.narrowed_for_all(written.policy)?;
        let carriers = profiles(written.carriers, &withheld).map_err(|why| refuse(&why))?;
        if written.tenants.is_empty() {
            let name = Caller::local().tenant;
            return Ok(vec![TenantSettings { name, settings: all, key: ApiKeySource::Settings, carriers, withheld }]);
        }
        let mut tenants = Vec::new();
        for (name, mut section) in written.tenants {
            let bad = |why: String| refuse(&format!("[tenants.{}]: {why}", without_keys(&name)));
            Caller::check_name("tenant", &name).map_err(bad)?;
            let carriers = profiles(std::mem::take(&mut section.carriers), &withheld).map_err(bad)?;
            let key = section.key(self.sandbox).map_err(bad)?;
            let mut settings = section.over(&all).map_err(bad)?;
            settings.section = format!("--config {}: [tenants.{name}]", self.config_shown());
            settings.check_asking(&all).map_err(bad)?;
            let withheld = Arc::clone(&withheld);
            tenants.push(TenantSettings { name, settings, key, carriers, withheld });
        }
        Ok(tenants)
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
    fn the_policy_of_the_file_narrows_every_tenant_and_spares_the_sandbox_where_the_file_is_the_default_one() {
        let policy = "[policy]\nread_only = true\npurchases_per_day = 2\nspend_per_day = \"20 USD\"\n";
        let alone = &tenants(policy, &["--spend-per-day", "30 USD"]).expect("one")[0];
        assert_eq!((alone.name.as_str(), &alone.key), ("default", &ApiKeySource::Settings));
        let told = |settings: &Settings| {
            let policy = settings.policy(&[]).expect("fine");
            (policy.read_only, policy.caps.purchases, policy.caps.spend.map(|most| most.to_string()))
        };
        let narrow = (true, Cap::Most(2), Some("20.00 USD".to_owned()));
        assert_eq!(told(&alone.settings), narrow);
        let text = format!("{policy}[tenants.acme]\napi_key_env = \"A\"\nread_only = false\npurchases_per_day = 7\n");
        assert_eq!(told(&tenants(&text, &[]).expect("one")[0].settings), narrow);
        assert_eq!(told(&tenants(policy, &["--sandbox"]).expect("one")[0].settings), narrow);
        let default_file = |arguments: &[&str]| Settings { is_default_config: true, ..with(arguments) };
        let wide = &default_file(&["--sandbox"]).tenants_in(policy.as_bytes()).expect("one")[0];
        assert!(!wide.settings.read_only && wide.settings.spend_per_day.is_none());
        assert!(default_file(&[]).tenants_in(policy.as_bytes()).expect("one")[0].settings.read_only);
        for (text, part) in [
            ("[policy]\napi_key_env = \"A\"\n", "[policy]: api_key_env is no limit"),
            ("[policy]\nread_onli = true\n", "unknown field `read_onli`"),
            ("[policy]\ngate = \"none\"\n", "[policy]: gate: expected flag"),
        ] {
            let error = tenants(text, &[]).expect_err(text).0;
            assert!(error.contains(part), "{error}");
        }
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
