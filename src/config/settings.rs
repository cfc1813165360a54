//! What an operator sets: flags, environment, files; read once into typed values.

use crate::config::state_key;

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args, ValueEnum};
use serde_json::json;
use sha2::{Digest, Sha256};
use url::{Host, Url};

use crate::config::checks::{check_machine_roots, check_tools, is_pipe};
use crate::config::protection::check_protected;
use crate::domain::{Argument, CountryCode, Money, NumberType, SipServer, hex};
use crate::guard::{Ask, Cap, Caps, Level, Policy};
use crate::journal::{Place, PostgresPlace};
use crate::redact::{Secret, check_filled_in, is_own_token, shown_path};
use crate::sandbox::{Faults, Options, Store};
use crate::truedy::{Proxy, Rate, Setup};

use crate::config::key::key_file;
use crate::config::paths::{path_setting, state_dir_setting};
use crate::files::{private_bytes, public_bytes};

/// Where Truedy's API is. Source: contract §1.
pub const BASE_URL: &str = "https://api.truedy.ai/api/public/v1";
/// The variable that holds the key itself; there is no flag for it, since every process can read arguments.
pub const KEY_VARIABLE: &str = "TRUEDY_API_KEY";

/// A file that holds a key is not larger than this.
pub(crate) const KEY_LIMIT: u64 = 4096;

/// The file of `--ca-file` is not larger than this.
pub(crate) const CA_LIMIT: u64 = 1024 * 1024;

/// What is said at the start when a live account is worked on and the journal forgets.
pub const FORGETFUL: &str = "the journal is in memory: what was bought and what is not known is forgotten when this program ends, and other programs do not see it";

/// Settings of every command; a flag wins over its variable.
#[derive(Debug, Clone, Args)]
pub struct Settings {
    /// File that holds the Truedy API key: a regular file of yours, mode 0600. TRUEDY_API_KEY wins over it.
    #[arg(long, value_name = "FILE", env = "TRUEDY_API_KEY_FILE", value_parser = path_setting(), global = true, help_heading = "Truedy")]
    pub api_key_file: Option<PathBuf>,

    /// Where Truedy's API is: https, or http on a loopback host.
    #[arg(long, value_name = "URL", env = "TRUEDY_BASE_URL", default_value = BASE_URL, global = true, help_heading = "Truedy")]
    pub base_url: String,

    /// Requests to Truedy in any 60 seconds, or `off`. The organisation's limit is shared with all its other programs.
    #[arg(long, value_name = "N|off", env = "TRUEDY_MCP_UPSTREAM_RPM", default_value = "100", value_parser = rate, global = true, help_heading = "Truedy")]
    pub upstream_rpm: Rate,

    /// Proxy for requests to Truedy: a URL, or `env` to take it from HTTPS_PROXY. Without it the connection is direct. A user and a password go into the variable.
    #[arg(long, value_name = "URL|env", env = "TRUEDY_MCP_UPSTREAM_PROXY", value_parser = proxy, global = true, help_heading = "Truedy")]
    pub upstream_proxy: Option<Proxy>,

    /// PEM file with a further root certificate to trust, for example of a company's proxy: a regular file of yours or of root's that nobody else can change.
    #[arg(long, value_name = "FILE", env = "TRUEDY_MCP_CA_FILE", value_parser = path_setting(), global = true, help_heading = "Truedy")]
    pub ca_file: Option<PathBuf>,

    /// Work on an embedded sandbox instead of Truedy: no account, no money, made-up numbers.
    #[arg(long, env = "TRUEDY_MCP_SANDBOX", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new(), global = true, help_heading = "Sandbox")]
    pub sandbox: bool,

    /// Keep the sandbox in memory only.
    #[arg(long, env = "TRUEDY_MCP_EPHEMERAL", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new(), global = true, help_heading = "Sandbox")]
    pub ephemeral: bool,

    /// Make the sandbox misbehave, for example `purchase=timeout_after_commit`; repeatable. `sandbox faults` lists them.
    #[arg(
        long,
        value_name = "NAME=VALUE",
        env = "TRUEDY_MCP_FAULT",
        value_delimiter = ',',
        global = true,
        help_heading = "Sandbox"
    )]
    pub fault: Vec<String>,

    /// Append a JSON line for every request the sandbox receives and every answer it gives.
    #[arg(long, value_name = "FILE", env = "TRUEDY_MCP_LEDGER", value_parser = path_setting(), global = true, help_heading = "Sandbox")]
    pub ledger: Option<PathBuf>,

    /// Offer only tools that read.
    #[arg(long, env = "TRUEDY_MCP_READ_ONLY", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new(), global = true, help_heading = "Policy")]
    pub read_only: bool,

    /// Offer only these tools, for example `list_numbers,search_numbers`.
    #[arg(
        long,
        value_name = "NAME,…",
        env = "TRUEDY_MCP_TOOLS",
        value_delimiter = ',',
        global = true,
        help_heading = "Policy"
    )]
    pub tools: Option<Vec<String>>,

    /// Do not offer these tools, for example `release_number`.
    #[arg(
        long,
        value_name = "NAME,…",
        env = "TRUEDY_MCP_EXCLUDE_TOOLS",
        value_delimiter = ',',
        global = true,
        help_heading = "Policy"
    )]
    pub exclude_tools: Vec<String>,

    /// Numbers that must never be released, in E.164 or by id, for example `+14155550123`.
    #[arg(
        long,
        value_name = "NUMBER,…",
        env = "TRUEDY_MCP_PROTECT",
        value_delimiter = ',',
        global = true,
        help_heading = "Policy"
    )]
    pub protect: Vec<String>,

    /// Allow releasing a number that an agent still uses.
    #[arg(long, env = "TRUEDY_MCP_RELEASE_IN_USE", action = ArgAction::SetTrue, value_parser = BoolishValueParser::new(), global = true, help_heading = "Policy")]
    pub release_in_use: bool,

    /// Whether the client's user is asked before purchases, imports and releases where the client can ask.
    #[arg(long, value_name = "auto|off", env = "TRUEDY_MCP_ASK", value_enum, default_value_t = AskWhen::Auto, global = true, help_heading = "Policy")]
    pub ask: AskWhen,

    /// What is needed: `flag`, `confirm: true` (for a purchase a user's yes is enough); `token`, the flag always, and the token of a preview; `human`, also a person who agrees.
    #[arg(long, value_name = "flag|token|human", env = "TRUEDY_MCP_GATE", value_enum, default_value_t = Gate::Flag, global = true, help_heading = "Policy")]
    pub gate: Gate,

    /// Purchases in any 24 hours; 0 allows none.
    #[arg(long, value_name = "N|unlimited", env = "TRUEDY_MCP_PURCHASES_PER_DAY", default_value = "10", value_parser = cap, allow_negative_numbers = true, global = true, help_heading = "Policy")]
    pub purchases_per_day: Cap,

    /// Releases in any 24 hours; 0 allows none.
    #[arg(long, value_name = "N|unlimited", env = "TRUEDY_MCP_RELEASES_PER_DAY", default_value = "10", value_parser = cap, allow_negative_numbers = true, global = true, help_heading = "Policy")]
    pub releases_per_day: Cap,

    /// Imports in any 24 hours; 0 allows none.
    #[arg(long, value_name = "N|unlimited", env = "TRUEDY_MCP_IMPORTS_PER_DAY", default_value = "50", value_parser = cap, allow_negative_numbers = true, global = true, help_heading = "Policy")]
    pub imports_per_day: Cap,

    /// What purchases may cost in any 24 hours, first month and setup, for example `50 USD`; an unknown price is then refused.
    #[arg(long, value_name = "AMOUNT CUR", env = "TRUEDY_MCP_SPEND_PER_DAY", value_parser = money, allow_hyphen_values = true, global = true, help_heading = "Policy")]
    pub spend_per_day: Option<Money>,

    /// What a number may cost a month, for example `2.50 USD`; an unknown price is then refused.
    #[arg(long, value_name = "AMOUNT CUR", env = "TRUEDY_MCP_MAX_MONTHLY_COST", value_parser = money, allow_hyphen_values = true, global = true, help_heading = "Policy")]
    pub max_monthly_cost: Option<Money>,

    /// The only countries numbers may be bought in, for example `US,CA`.
    #[arg(long, value_name = "COUNTRY,…", env = "TRUEDY_MCP_COUNTRIES", value_delimiter = ',', value_parser = country, global = true, help_heading = "Policy")]
    pub countries: Option<Vec<CountryCode>>,

    /// The only types of numbers that may be bought, for example `local,toll_free`.
    #[arg(long, value_name = "TYPE,…", env = "TRUEDY_MCP_NUMBER_TYPES", value_delimiter = ',', value_parser = number_type, global = true, help_heading = "Policy")]
    pub number_types: Option<Vec<NumberType>>,

    /// The only SIP hosts that numbers may be imported from, for example `sip.example.com`; any public host without it.
    #[arg(
        long,
        value_name = "HOST,…",
        env = "TRUEDY_MCP_SIP_HOSTS",
        value_delimiter = ',',
        global = true,
        help_heading = "Policy"
    )]
    pub sip_hosts: Option<Vec<String>>,

    /// Whether a carrier's keys may be arguments of a call; `deny` leaves them out, so that they come from carrier profiles or from a page that the user fills in.
    #[arg(long, value_name = "allow|deny", env = "TRUEDY_MCP_INLINE_SECRETS", value_enum, default_value_t = InlineSecrets::Allow, global = true, help_heading = "Policy")]
    pub inline_secrets: InlineSecrets,

    /// File that holds the key for confirmations, at least 32 bytes, so that they outlast a restart and hold on every replica; a regular file of yours, mode 0600. A second line holds the key before, while one replaces the other. Without it one is made beside the journal, for the processes of this user on this machine; each process has its own where the journal is in memory or in PostgreSQL.
    #[arg(long, value_name = "FILE", env = "TRUEDY_MCP_STATE_KEY_FILE", value_parser = path_setting(), global = true, help_heading = "Policy")]
    pub state_key_file: Option<PathBuf>,

    /// Where changes are recorded before they are sent: `sqlite` (in the state directory), `memory`, or the URL of a PostgreSQL database that several servers share. A password goes into the variable or the file of PGPASSFILE.
    #[arg(long, value_name = "sqlite|memory|URL", env = "TRUEDY_MCP_JOURNAL", default_value = "sqlite", hide_env_values = true, value_parser = JournalText::any, global = true, help_heading = "Journal")]
    pub journal: JournalText,

    /// Where state is kept: a whole path, or one that begins with ~/; $XDG_STATE_HOME/truedy-mcp or ~/.local/state/truedy-mcp without it.
    #[arg(long, value_name = "DIR", env = "TRUEDY_MCP_STATE_DIR", value_parser = state_dir_setting(), global = true, help_heading = "Program")]
    pub state_dir: Option<PathBuf>,

    /// TOML file with carrier profiles, and with the tenants of `http`, each with a Truedy key of its own: see docs/carriers.md and docs/http/tenants.md.
    #[arg(long, value_name = "FILE", env = "TRUEDY_MCP_CONFIG", value_parser = path_setting(), global = true, help_heading = "Program")]
    pub config: Option<PathBuf>,

    /// How logs on standard error look; `auto` is text on a terminal and JSON otherwise. RUST_LOG sets how much is logged.
    #[arg(long, value_name = "auto|text|json", env = "TRUEDY_MCP_LOG_FORMAT", value_enum, default_value_t = LogFormat::Auto, global = true, help_heading = "Program")]
    pub log_format: LogFormat,

    /// The settings that came by flag or variable, by their ids: they bind the tenants, the defaults of others do not.
    #[arg(skip)]
    pub given: BTreeSet<String>,

    /// The tools that a tenant's section names, before they were narrowed: a name that is wrong is told although it allows nothing.
    #[arg(skip)]
    pub section_tools: Vec<String>,

    /// The same of the tools that it leaves out.
    #[arg(skip)]
    pub section_exclude_tools: Vec<String>,

    /// Where that section is: the file and its name.
    #[arg(skip)]
    pub section: String,

    /// The flags of the settings that a variable has set, each with that variable.
    #[arg(skip)]
    pub variables: Vec<(String, String)>,
}

/// What was said of the journal. It may hold a password, and therefore does not print.
#[derive(Clone, PartialEq, Eq)]
pub struct JournalText(pub(crate) String);

impl JournalText {
    /// Takes anything: whoever reads the command line repeats what it refuses.
    fn any(text: &str) -> Result<Self, std::convert::Infallible> {
        Ok(Self(text.trim().to_owned()))
    }
}

impl fmt::Debug for JournalText {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(if matches!(self.0.as_str(), "sqlite" | "memory") { &self.0 } else { "[a database]" })
    }
}

/// A key that came from this source.
pub(crate) fn as_key(text: String, source: &str) -> Result<Secret, ConfigError> {
    let of_this_server = || {
        let why = "it is a token of this server, not a key of Truedy: a client sends the token, and Truedy's dashboard (Settings > API Keys) has the key";
        if is_own_token(&text) { Err(why.to_owned()) } else { Ok(()) }
    };
    let checked = check_filled_in(&text).and_then(|()| of_this_server()).and_then(|()| Secret::new(text.clone()));
    checked.map_err(|reason| ConfigError(format!("The API key in {source} cannot be used: {reason}.")))
}

/// Whether a person is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum AskWhen {
    /// Whenever the client can.
    Auto,
    /// Never.
    Off,
}

/// Whether a carrier's keys may be arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum InlineSecrets {
    /// They may.
    Allow,
    /// They may not: no schema has them, and a call that has them is refused.
    Deny,
}

/// What a purchase and a release need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Gate {
    /// `confirm: true`. A purchase needs it only where the user cannot be asked.
    Flag,
    /// `confirm: true` and the token of a preview.
    Token,
    /// The same, and a person who was asked and agreed.
    Human,
}

/// How logs look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Text on a terminal, JSON otherwise.
    Auto,
    /// Text.
    Text,
    /// One JSON object a line.
    Json,
}

/// A setting that cannot be used: one sentence for the operator. The program ends with exit code 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

pub(crate) fn rate(text: &str) -> Result<Rate, String> {
    match (text, text.parse::<u32>()) {
        ("off", _) => Ok(Rate::Off),
        (_, Ok(n)) if (1..=100_000).contains(&n) => Ok(Rate::PerMinute(n)),
        _ => Err("a whole number from 1, for example 100, or off".to_owned()),
    }
}

pub(crate) fn cap(text: &str) -> Result<Cap, String> {
    let text = text.trim();
    let number = text.bytes().all(|b| b.is_ascii_digit()).then(|| text.parse().ok()).flatten();
    match (text, number) {
        ("unlimited", _) => Ok(Cap::Unlimited),
        (_, Some(most)) => Ok(Cap::Most(most)),
        _ => Err("a whole number from 0, for example 10, or unlimited".to_owned()),
    }
}

pub(crate) fn money(text: &str) -> Result<Money, String> {
    Money::parse(text)
        .ok_or_else(|| "an amount and the currency as three capital letters, for example \"50 USD\"".to_owned())
}

pub(crate) fn country(text: &str) -> Result<CountryCode, String> {
    CountryCode::try_from(text.trim()).ok().filter(CountryCode::has_numbers).ok_or_else(|| {
        "a country with numbers of its own, as two capital letters (the United Kingdom is GB), for example US,CA"
            .to_owned()
    })
}

pub(crate) fn number_type(text: &str) -> Result<NumberType, String> {
    NumberType::parse(&json!(text.trim())).map_err(|_| format!("{}, for example local,toll_free", NumberType::EXPECTED))
}

pub(crate) fn proxy(text: &str) -> Result<Proxy, String> {
    if text == "env" {
        return Ok(Proxy::Environment);
    }
    let url = Url::from_str(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    url.map(Proxy::Url)
        .ok_or_else(|| "the URL of a proxy, for example http://proxy.example.com:3128, or env".to_owned())
}

impl Settings {
    /// The key, from the environment or the file; `None` if neither is set.
    pub fn key(&self) -> Result<Option<Secret>, ConfigError> {
        let from_variable =
            std::env::var(KEY_VARIABLE).ok().map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let (text, source) = match (from_variable, &self.api_key_file) {
            (Some(text), _) => (text, KEY_VARIABLE.to_owned()),
            (None, Some(file)) => (key_file(file)?, shown_path(file)),
            (None, None) => return Ok(None),
        };
        // The blank field of a desktop bundle.
        if text.starts_with("${user_config.") {
            return Ok(None);
        }
        as_key(text, &source).map(Some)
    }

    /// Where the API is.
    pub fn base_url(&self) -> Result<Url, ConfigError> {
        let bad = |why: &str| {
            ConfigError(format!("--base-url (TRUEDY_BASE_URL) cannot be used: {why}, for example {BASE_URL}."))
        };
        let mut url = Url::parse(&self.base_url).map_err(|_| bad("it is not a URL"))?;
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(bad("it has no host")),
        };
        let link_local = match url.host() {
            Some(Host::Ipv4(address)) => address.is_link_local() || address.is_unspecified(),
            Some(Host::Ipv6(address)) => {
                address.is_unspecified() || (address.segments().first().copied().unwrap_or_default() & 0xffc0) == 0xfe80
            }
            _ => false,
        };
        match url.scheme() {
            "https" => {}
            "http" if loopback => {}
            "http" => {
                return Err(bad(
                    "http would send the key in clear; use https (http only for 127.0.0.1, [::1] or localhost)",
                ));
            }
            _ => return Err(bad("only https works")),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(bad("it must not hold a user name or password"));
        }
        if url.query().is_some() || url.fragment().is_some() {
            return Err(bad("it must not hold ? or #"));
        }
        if link_local {
            return Err(bad("its host is a link-local or unspecified address"));
        }
        let path = url.path().trim_end_matches('/').to_owned();
        url.set_path(&path);
        Ok(url)
    }

    /// What a client of Truedy is made of, with this key.
    pub fn setup(&self, key: Secret) -> Result<Setup, ConfigError> {
        Ok(Setup {
            base_url: self.base_url()?,
            key,
            rate: self.upstream_rpm,
            proxy: self.upstream_proxy.clone(),
            ca_pem: self.ca_pem()?,
        })
    }

    /// A further root certificate to trust, PEM.
    pub fn ca_pem(&self) -> Result<Option<Vec<u8>>, ConfigError> {
        check_machine_roots()?;
        let read = |file: &Path| {
            // It decides whom the key is sent to: whoever could write it could read the key.
            let bytes = public_bytes(file, CA_LIMIT);
            let refuse = |why: &str| ConfigError(format!("--ca-file {} cannot be used: {why}.", shown_path(file)));
            let bytes = bytes.map_err(|why| refuse(&why))?;
            // Without one it would do nothing.
            let marks = String::from_utf8_lossy(&bytes).matches("-----BEGIN CERTIFICATE-----").count();
            if marks == 0 { Err(refuse("it holds no certificate in PEM")) } else { Ok(bytes) }
        };
        self.ca_file.as_deref().map(read).transpose()
    }

    /// What the operator allows. `tools` are the names that exist.
    pub fn policy(&self, tools: &[&str]) -> Result<Policy, ConfigError> {
        let only = self.tools.as_deref().unwrap_or_default();
        // The names in a section come first, since the lists of the flags hold them as well.
        for (key, names) in [("tools", &self.section_tools), ("exclude_tools", &self.section_exclude_tools)] {
            check_tools(&format!("{} {key}", self.section), names, tools)?;
        }
        for (flag, names) in [("--tools", only), ("--exclude-tools", self.exclude_tools.as_slice())] {
            check_tools(flag, names, tools)?;
        }
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
        // An empty list allows none. A flag without a host in it counts as not set.
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
            ask: if self.ask == AskWhen::Off { Ask::Off } else { Ask::Auto },
            no_inline_secrets: self.inline_secrets == InlineSecrets::Deny,
        })
    }

    /// The keys for confirmations that the operator keeps, the one that seals first; `None` if there are none.
    pub fn state_keys(&self) -> Result<Option<Vec<Vec<u8>>>, ConfigError> {
        let Some(file) = &self.state_key_file else { return Ok(None) };
        let refuse = |why: &str| ConfigError(format!("--state-key-file {} cannot be used: {why}.", shown_path(file)));
        let bytes = private_bytes(file, KEY_LIMIT).map_err(|why| refuse(&why))?;
        state_key::keys_in(bytes).map(Some).map_err(refuse)
    }

    /// Where state is kept.
    pub fn state_dir(&self) -> Result<PathBuf, ConfigError> {
        if let Some(dir) = &self.state_dir {
            return Ok(dir.clone());
        }
        let absolute = |name: &str| std::env::var_os(name).map(PathBuf::from).filter(|path| path.is_absolute());
        absolute("XDG_STATE_HOME")
            // Without HOME, the home that the system has on record.
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

    /// How the sandbox is to run.
    pub fn sandbox(&self, listen: std::net::SocketAddr) -> Result<Options, ConfigError> {
        let faults = Faults::parse(&self.fault).map_err(|error| ConfigError(format!("--fault: {error}")))?;
        let no_place = |file: &&PathBuf| file.metadata().is_ok_and(|about| is_pipe(&about) || about.is_dir());
        if let Some(file) = self.ledger.as_ref().filter(no_place) {
            return Err(ConfigError(format!(
                "--ledger {} cannot be used: it is not a regular file.",
                shown_path(file)
            )));
        }
        let store = if self.ephemeral { Store::Memory } else { Store::Directory(self.state_dir()?) };
        Ok(Options { listen, store, faults, ledger: self.ledger.clone() })
    }

    /// Where the journal is kept. Play on the sandbox never counts against the account.
    pub fn journal_place(&self) -> Result<Place, ConfigError> {
        let bad = |why: &str| ConfigError(format!("--journal (TRUEDY_MCP_JOURNAL) cannot be used: {why}."));
        let place = match self.journal.0.as_str() {
            "memory" => Place::Memory,
            "sqlite" => Place::Directory(self.state_dir()?),
            url if PostgresPlace::is_url(url) => Place::Postgres(self.postgres(url)?),
            _ => {
                return Err(bad(
                    "it must be sqlite, memory or the URL of a PostgreSQL database, for example postgres://user@db.example.com/truedy",
                ));
            }
        };
        match place {
            _ if self.sandbox && self.ephemeral => Ok(Place::Memory),
            Place::Directory(_) | Place::Postgres(_) if self.sandbox => {
                Ok(Place::Directory(self.state_dir()?.join("sandbox-journal")))
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

    /// Refuses a password in what was said of the journal. For a flag: every process can read arguments.
    pub fn no_password_in_journal(&self) -> Result<(), ConfigError> {
        if PostgresPlace::shows_password(&self.journal.0) {
            let sentence = "--journal must not hold a password, which every process could read: put the URL into TRUEDY_MCP_JOURNAL, or the password into the file of PGPASSFILE.";
            return Err(ConfigError(sentence.to_owned()));
        }
        Ok(())
    }

    /// What is to be said at the start about where the journal is kept.
    pub fn journal_warning(&self, place: &Place) -> Option<&'static str> {
        (!self.sandbox && *place == Place::Memory).then_some(FORGETFUL)
    }

    /// What the journal tells accounts apart by: a digest of the key.
    pub fn account(&self, key: &Secret) -> String {
        if self.sandbox {
            return "sandbox".to_owned();
        }
        let digest = Sha256::new().chain_update("truedy-mcp account\n").chain_update(key.expose()).finalize();
        hex(digest.get(..8).unwrap_or_default())
    }

    /// Which Truedy the program works on, in a word.
    pub fn mode(&self) -> &'static str {
        if self.sandbox { "sandbox" } else { "live" }
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use clap::{CommandFactory, FromArgMatches, Parser};

    #[derive(Parser)]
    struct Alone {
        #[command(flatten)]
        settings: Settings,
    }

    pub(crate) fn with(arguments: &[&str]) -> Settings {
        let matches = Alone::command().get_matches_from([&["x"], arguments].concat());
        let mut settings = Alone::from_arg_matches(&matches).expect("settings").settings;
        settings.note_sources(&matches);
        settings
    }

    #[test]
    fn only_safe_base_urls_pass() {
        for good in [
            BASE_URL,
            "https://api.example.com/v1/",
            "http://127.0.0.1:8787/api",
            "http://[::1]:1/x",
            "http://localhost:9",
        ] {
            assert!(with(&["--base-url", good]).base_url().is_ok(), "{good}");
        }
        for bad in [
            "http://api.truedy.ai/v1",
            "http://10.0.0.1/",
            "http://localhost.evil.com/",
            "https://user:pass@api.truedy.ai/",
            "https://api.truedy.ai/?a=b",
            "https://api.truedy.ai/#x",
            "https://169.254.169.254/latest",
            "ftp://api.truedy.ai/",
            "file:///etc/passwd",
            "api.truedy.ai",
            "https://[fe80::1]/",
            "https://0.0.0.0/",
        ] {
            assert!(with(&["--base-url", bad]).base_url().is_err(), "{bad}");
        }
    }

    #[test]
    fn names_of_tools_and_numbers_are_checked() {
        assert!(with(&["--tools", "list_numbers,nope"]).policy(&["list_numbers"]).is_err());
        assert!(with(&["--protect", "not a number"]).policy(&[]).is_err());
        for lost in ["14155550123", "1-415-555-0123", "all", "Main-line", "+1312555011"] {
            assert!(with(&["--protect", lost]).policy(&[]).is_err(), "{lost}");
        }
        assert!(with(&["--sip-hosts", "http://sip.example.com"]).policy(&[]).is_err());
        let policy = with(&["--protect", "+14155550123, +12125550142"]).policy(&[]).expect("fine");
        assert_eq!(policy.protected.len(), 2);
    }
    #[test]
    fn limits_are_read_or_refused_with_an_example() {
        let read = |arguments: &[&str]| {
            Alone::try_parse_from([&["x"], arguments].concat()).map(|alone| alone.settings.policy(&[]).expect("fine"))
        };
        let policy = read(&[]).expect("the defaults");
        assert_eq!((policy.level, policy.caps, policy.max_monthly), (Level::Flag, Caps::default(), None));
        assert_eq!((policy.countries, policy.number_types), (None, None));
        for (text, cap) in [("0", Cap::Most(0)), (" 7 ", Cap::Most(7)), ("unlimited", Cap::Unlimited)] {
            let caps = read(&["--purchases-per-day", text, "--releases-per-day", "3"]).expect(text).caps;
            assert_eq!((caps.purchases, caps.releases, caps.imports), (cap, Cap::Most(3), Cap::Most(50)));
        }
        let policy = read(&[
            "--spend-per-day=50 USD",
            "--max-monthly-cost=2.5 EUR",
            "--countries=US, CA",
            "--number-types=toll-free,local",
            "--gate=human",
        ])
        .expect("fine");
        assert_eq!((policy.caps.spend, policy.max_monthly), (Money::parse("50 USD"), Money::parse("2.5 EUR")));
        assert_eq!(policy.countries.map(|set| set.len()), Some(2));
        assert_eq!(policy.number_types, Some([NumberType::Local, NumberType::TollFree].into()));
        assert_eq!(policy.level, Level::Human);
        for bad in [
            ["--purchases-per-day", "-1"],
            ["--releases-per-day", "+1"],
            ["--imports-per-day", "4294967296"],
            ["--imports-per-day", ""],
            ["--purchases-per-day", "Unlimited"],
            ["--spend-per-day", "50"],
            ["--spend-per-day", "-50 USD"],
            ["--spend-per-day", "USD 50"],
            ["--max-monthly-cost", "2,50 EUR"],
            ["--max-monthly-cost", "2 usd"],
            ["--countries", "US,,CA"],
            ["--countries", ""],
            ["--countries", "UK"],
            ["--countries", "us"],
            ["--number-types", "local,satellite"],
            ["--number-types", ""],
        ] {
            let said = read(&bad).map(drop).expect_err(bad[1]).to_string();
            assert!(said.contains("for example"), "{bad:?}: {said}");
        }
        let nobody = with(&["--gate", "human", "--ask", "off"]).policy(&[]).expect_err("nobody to ask");
        assert!(nobody.0.contains("--gate human") && nobody.0.contains("--ask off"), "{nobody}");
        assert!(with(&["--gate", "token", "--ask", "off"]).policy(&[]).is_ok());
    }

    #[test]
    fn play_never_counts_against_the_account() {
        let place = |arguments: &[&str]| with(&[&["--state-dir", "/s"], arguments].concat()).journal_place();
        let directory = |path: &str| Ok(Place::Directory(path.into()));
        assert_eq!(place(&[]), directory("/s"));
        assert_eq!(place(&["--journal", "memory"]), Ok(Place::Memory));
        let url = "postgres://u@db.example.com/d";
        assert!(matches!(place(&["--journal", url]), Ok(Place::Postgres(_))));
        for journal in ["sqlite", url] {
            assert_eq!(place(&["--sandbox", "--journal", journal]), directory("/s/sandbox-journal"));
            assert_eq!(place(&["--sandbox", "--ephemeral", "--journal", journal]), Ok(Place::Memory));
        }
        assert_eq!(place(&["--sandbox", "--journal", "memory"]), Ok(Place::Memory));
        let said = |arguments: &[&str]| with(arguments).journal_warning(&Place::Memory);
        assert_eq!((said(&[]), said(&["--sandbox"])), (Some(FORGETFUL), None));
    }

    #[test]
    fn a_wrong_journal_is_told_without_repeating_it() {
        for wrong in [
            "",
            "mysql",
            "hunter2",
            "postgres://hunter2",
            "postgres://u:hunter2@",
            "postgres://u:hunter2@a/d?x=hunter2",
        ] {
            let error = with(&["--journal", wrong]).journal_place().expect_err(wrong).to_string();
            assert!(error.starts_with("--journal (TRUEDY_MCP_JOURNAL)") && error.ends_with('.'), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        let settings = with(&["--journal", "postgres://u:hunter2@db.example.com/d"]);
        let error = settings.no_password_in_journal().expect_err("refused").to_string();
        assert!(!format!("{settings:?}{error}{:?}", settings.journal_place()).contains("hunter2"));
        assert_eq!(with(&["--journal", "postgres://u@db.example.com/d"]).no_password_in_journal(), Ok(()));
    }

    #[test]
    fn the_password_of_a_proxy_is_a_secret_as_it_is_written_and_as_it_is_meant() {
        let secrets = |proxy: &str| -> Vec<String> {
            let secrets = with(&["--upstream-proxy", proxy]).secrets();
            secrets.iter().map(|secret| secret.expose().to_owned()).collect()
        };
        assert_eq!(secrets("http://u:hunt%2Fer+2@127.0.0.1:9"), ["hunt/er+2", "hunt%2Fer+2"]);
        assert!(secrets("http://127.0.0.1:9").is_empty());
        let settings = with(&["--upstream-proxy", "http://u:hunter2@127.0.0.1:9"]);
        assert!(!format!("{settings:?}").contains("hunter2"));
        let journal = with(&["--journal", "postgres://u:hunter2@db.example.com/d"]).secrets();
        assert_eq!(journal.iter().map(Secret::expose).collect::<Vec<_>>(), ["hunter2"]);
    }

    #[test]
    fn accounts_are_told_apart_without_showing_the_key() {
        let key = |text: &str| Secret::new(text.to_owned()).expect("a key");
        let (one, other) = (with(&[]).account(&key("truedy_1")), with(&[]).account(&key("truedy_2")));
        assert!(one != other && one.len() == 16 && one.bytes().all(|b| b.is_ascii_hexdigit()), "{one}");
        assert_eq!(with(&[]).account(&key("truedy_1")), one);
        assert_eq!(with(&["--sandbox"]).account(&key("truedy_1")), "sandbox");
    }
}
