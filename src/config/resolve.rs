//! Turns settings as they were given into the values that the program uses. Each setting is checked here, once.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use url::{Host, Url};

use crate::config::checks::{check_machine_roots, check_tools, is_pipe};
use crate::config::choices::{AskWhen, Gate, InlineSecrets};
use crate::config::error::{CA_LIMIT, ConfigError, KEY_LIMIT};
use crate::config::key::{KEY_VARIABLE, as_key, key_file};
use crate::config::protection::check_protected;
use crate::config::settings::{BASE_URL, FORGETFUL, Settings};
use crate::config::state_key;
use crate::domain::{SecureUrl, SipServer, hex};
use crate::files::{private_bytes, public_bytes};
use crate::guard::{AskMode, Caps, Level, Policy};
use crate::journal::{JournalPlace, PostgresPlace};
use crate::redact::{Secret, shown_path};
use crate::sandbox::{Faults, SandboxOptions, SandboxStore};
use crate::truedy::ClientConfig;

impl Settings {
    /// Returns the key from the environment or the file. `None` if neither is set.
    pub fn key(&self) -> Result<Option<Secret>, ConfigError> {
        let from_variable =
            std::env::var(KEY_VARIABLE).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let (text, source) = match (from_variable, &self.api_key_file) {
            (Some(text), _) => (text, KEY_VARIABLE.to_owned()),
            (None, Some(file)) => (key_file(file)?, shown_path(file)),
            (None, None) => return Ok(None),
        };
        // A desktop bundle passes this placeholder if its field was left blank.
        if text.starts_with("${user_config.") {
            return Ok(None);
        }
        as_key(text, &source).map(Some)
    }

    /// Returns the address of Truedy's API, after checking it.
    pub fn base_url(&self) -> Result<SecureUrl, ConfigError> {
        let bad = |why: &str| {
            ConfigError(format!("--base-url (TRUEDY_BASE_URL) cannot be used: {why}, for example {BASE_URL}."))
        };
        let mut url = Url::parse(&self.base_url).map_err(|_| bad("it is not a URL"))?;
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        let url = SecureUrl::new(url).map_err(|error| bad(&error.why("http would send the key in clear")))?;
        if url.has_credentials() {
            return Err(bad("it must not hold a user name or password"));
        }
        if url.as_url().query().is_some() || url.as_url().fragment().is_some() {
            return Err(bad("it must not hold ? or #"));
        }
        let link_local = match url.as_url().host() {
            Some(Host::Ipv4(address)) => address.is_link_local() || address.is_unspecified(),
            Some(Host::Ipv6(address)) => {
                address.is_unspecified() || (address.segments().first().copied().unwrap_or_default() & 0xffc0) == 0xfe80
            }
            _ => false,
        };
        if link_local {
            return Err(bad("its host is a link-local or unspecified address"));
        }
        Ok(url)
    }

    /// Returns the configuration of a client of Truedy with this key.
    pub fn setup(&self, key: Secret) -> Result<ClientConfig, ConfigError> {
        Ok(ClientConfig {
            base_url: self.base_url()?,
            key,
            rate: self.upstream_rpm,
            proxy: self.upstream_proxy.clone(),
            ca_pem: self.ca_pem()?,
        })
    }

    /// Returns a further root certificate to trust, in PEM.
    pub fn ca_pem(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        check_machine_roots()?;
        let read = |file: &Path| {
            // The file decides which server receives the key. Someone who can write the file could obtain the key.
            let bytes = public_bytes(file, CA_LIMIT);
            let refuse = |why: &str| ConfigError(format!("--ca-file {} cannot be used: {why}.", shown_path(file)));
            let bytes = bytes.map_err(|why| refuse(&why))?;
            // A file without a certificate would have no effect.
            let marks = String::from_utf8_lossy(&bytes).matches("-----BEGIN CERTIFICATE-----").count();
            if marks == 0 { Err(refuse("it holds no certificate in PEM")) } else { Ok(bytes) }
        };
        self.ca_file.as_deref().map(read).transpose()
    }

    /// Returns what the operator allows. `tools` are the names of all existing tools.
    pub fn policy(&self, tools: &[&str]) -> Result<Policy, ConfigError> {
        self.check_tool_lists(tools)?;
        self.check_blank_lists()?;
        let tidy = |names: &[String]| -> BTreeSet<String> {
            names.iter().map(|name| name.trim().to_owned()).filter(|name| !name.is_empty()).collect()
        };
        let protected = tidy(&self.protect);
        for (entry, at) in self.protect.iter().zip(1..).filter(|(entry, _)| !entry.trim().is_empty()) {
            check_protected(entry.trim())
                .map_err(|why| ConfigError(format!("--protect, entry {at}, cannot be used: {why}.")))?;
        }
        let given_hosts = self.sip_hosts.as_deref();
        let sip_hosts: BTreeSet<String> =
            tidy(given_hosts.unwrap_or_default()).iter().map(|host| host.to_ascii_lowercase()).collect();
        // An empty list allows no host. A flag without any host in it counts as not set.
        let hosts_are_limited = given_hosts.is_some_and(|given| given.is_empty() || !sip_hosts.is_empty());
        let no_host =
            |name: &&String| SipServer::try_from(name.as_str()).map_or(true, |server| server.host() != name.as_str());
        if sip_hosts.iter().any(|host| no_host(&host)) {
            return Err(ConfigError(
                "--sip-hosts: an entry is no host name; expected names such as sip.example.com.".to_owned(),
            ));
        }
        if self.gate == Gate::Human && self.ask == AskWhen::Off {
            return Err(ConfigError(
                "--gate human asks a person before every purchase and release, and --ask off forbids asking: set one of them only, for example --gate token --ask off."
                    .to_owned(),
            ));
        }
        Ok(Policy {
            level: match self.gate {
                Gate::Flag => Level::Flag,
                Gate::Token => Level::Token,
                Gate::Human => Level::Human,
            },
            caps: Caps {
                purchases: self.purchases_per_day,
                releases: self.releases_per_day,
                imports: self.imports_per_day,
                spend: self.spend_per_day.clone(),
            },
            max_monthly: self.max_monthly_cost.clone(),
            countries: self.countries.as_ref().map(|allowed| allowed.iter().cloned().collect()),
            number_types: self.number_types.as_ref().map(|allowed| allowed.iter().copied().collect()),
            read_only: self.read_only,
            only: self.tools.as_deref().map(tidy),
            except: tidy(&self.exclude_tools),
            protected,
            protect_checked: std::sync::Arc::default(),
            release_in_use: self.release_in_use,
            sip_hosts: hosts_are_limited.then_some(sip_hosts),
            ask: if self.ask == AskWhen::Off { AskMode::Off } else { AskMode::Auto },
            no_inline_secrets: self.inline_secrets == InlineSecrets::Deny,
        })
    }

    /// Checks that every tool in the lists exists.
    fn check_tool_lists(&self, tools: &[&str]) -> Result<(), ConfigError> {
        let only = self.tools.as_deref().unwrap_or_default();
        // The names in a section are checked first, because the lists of the flags contain them as well.
        for (key, names) in [("tools", &self.section_tools), ("exclude_tools", &self.section_exclude_tools)] {
            check_tools(&format!("{} {key}", self.section), names, tools)?;
        }
        for (flag, names) in [("--tools", only), ("--exclude-tools", self.exclude_tools.as_slice())] {
            check_tools(flag, names, tools)?;
        }
        Ok(())
    }

    /// Returns the operator's keys for confirmations. The first key seals. `None` if there are none.
    pub fn state_keys(&self) -> Result<Option<Vec<Vec<u8>>>, ConfigError> {
        let Some(file) = &self.state_key_file else { return Ok(None) };
        let refuse = |why: &str| ConfigError(format!("--state-key-file {} cannot be used: {why}.", shown_path(file)));
        let bytes = private_bytes(file, KEY_LIMIT).map_err(|why| refuse(&why))?;
        state_key::keys_in(bytes).map(Some).map_err(refuse)
    }

    /// Returns the directory in which state is kept.
    pub fn state_dir(&self) -> Result<PathBuf, ConfigError> {
        if let Some(dir) = &self.state_dir {
            return Ok(dir.clone());
        }
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute("XDG_STATE_HOME")
            // If HOME is not set, this is the home directory from the system's user database.
            .or_else(|| {
                std::env::home_dir().filter(|home| home.is_absolute()).map(|home| home.join(".local").join("state"))
            })
            .or_else(|| absolute("LOCALAPPDATA"))
            .map(|base| base.join("truedy-mcp"))
            .ok_or_else(|| {
                ConfigError(
                    "There is no place for state: set --state-dir (TRUEDY_MCP_STATE_DIR), XDG_STATE_HOME or HOME."
                        .to_owned(),
                )
            })
    }

    /// Returns the options with which the sandbox runs.
    pub fn sandbox(&self, listen: std::net::SocketAddr) -> Result<SandboxOptions, ConfigError> {
        let faults = Faults::parse(&self.fault).map_err(|error| ConfigError(format!("--fault: {error}")))?;
        let no_place = |file: &&PathBuf| file.metadata().is_ok_and(|about| is_pipe(&about) || about.is_dir());
        if let Some(file) = self.ledger.as_ref().filter(no_place) {
            return Err(ConfigError(format!(
                "--ledger {} cannot be used: it is not a regular file.",
                shown_path(file)
            )));
        }
        let store = if self.ephemeral { SandboxStore::Memory } else { SandboxStore::Directory(self.state_dir()?) };
        Ok(SandboxOptions { listen, store, faults, ledger: self.ledger.clone() })
    }

    /// Returns the place of the journal. Changes in the sandbox never count against the live account.
    pub fn journal_place(&self) -> Result<JournalPlace, ConfigError> {
        let bad = |why: &str| ConfigError(format!("--journal (TRUEDY_MCP_JOURNAL) cannot be used: {why}."));
        let place = match self.journal.0.as_str() {
            "memory" => JournalPlace::Memory,
            "sqlite" => JournalPlace::Directory(self.state_dir()?),
            url if PostgresPlace::is_url(url) => JournalPlace::Postgres(self.postgres(url)?),
            _ => {
                return Err(bad(
                    "it must be sqlite, memory or the URL of a PostgreSQL database, for example postgres://user@db.example.com/truedy",
                ));
            }
        };
        match place {
            _ if self.sandbox && self.ephemeral => Ok(JournalPlace::Memory),
            JournalPlace::Directory(_) | JournalPlace::Postgres(_) if self.sandbox => {
                Ok(JournalPlace::Directory(self.state_dir()?.join("sandbox-journal")))
            }
            place => Ok(place),
        }
    }

    fn postgres(&self, url: &str) -> Result<PostgresPlace, ConfigError> {
        let bad = |why: String| ConfigError(format!("--journal (TRUEDY_MCP_JOURNAL) cannot be used: {why}."));
        let mut place = PostgresPlace::parse(url).map_err(bad)?;
        check_machine_roots()?;
        if let Some((file, pem)) = self.ca_file.as_deref().zip(self.ca_pem()?) {
            let bad = |why: String| ConfigError(format!("--ca-file {} cannot be used: {why}.", shown_path(file)));
            place = place.trusting(&pem).map_err(bad)?;
        }
        let path = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Ok(match (path("PGPASSFILE"), path("HOME")) {
            (Some(file), _) => place.with_password_file(file, true),
            (None, Some(home)) => place.with_password_file(home.join(".pgpass"), false),
            (None, None) => place,
        })
    }

    /// Refuses a password in the URL of the journal. For flags only, because every process can read arguments.
    pub fn no_password_in_journal(&self) -> Result<(), ConfigError> {
        if PostgresPlace::shows_password(&self.journal.0) {
            let sentence = "--journal must not hold a password, which every process could read: put the URL into TRUEDY_MCP_JOURNAL, or the password into the file of PGPASSFILE.";
            return Err(ConfigError(sentence.to_owned()));
        }
        Ok(())
    }

    /// Returns the warning about the place of the journal that is printed at the start.
    pub fn journal_warning(&self, place: &JournalPlace) -> Option<&'static str> {
        (!self.sandbox && *place == JournalPlace::Memory).then_some(FORGETFUL)
    }

    /// Returns the name by which the journal distinguishes accounts: a digest of the key.
    pub fn account(&self, key: &Secret) -> String {
        if self.sandbox {
            return "sandbox".to_owned();
        }
        let digest = Sha256::new().chain_update("truedy-mcp account\n").chain_update(key.expose()).finalize();
        hex(digest.get(..8).unwrap_or_default())
    }

    /// Returns which Truedy the program uses: `sandbox` or `live`.
    pub fn mode(&self) -> &'static str {
        if self.sandbox { "sandbox" } else { "live" }
    }
}

#[cfg(test)]
#[path = "resolve_tests.rs"]
pub(crate) mod tests;
