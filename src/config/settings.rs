//! The settings of the operator: flags, variables and files. They are read once into typed values.

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::builder::BoolishValueParser;
use clap::{ArgAction, Args};

use crate::config::choices::{AskWhen, Gate, InlineSecrets, JournalText, LogFormat, UpstreamWindow};
use crate::config::parsers::{cap, country, money, number_type, proxy, rate};
use crate::config::paths::{path_setting, state_dir_setting};
use crate::domain::{CountryCode, Money, NumberType};
use crate::guard::Cap;
use crate::truedy::{Proxy, Rate};

/// The address of Truedy's API. Source: contract §1.
pub const BASE_URL: &str = "https://api.truedy.ai/api/public/v1";

/// The warning at the start if the program uses a live account and keeps the journal in memory only.
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

    /// Which programs count together for `--upstream-rpm`: `shared`, all that share a PostgreSQL journal and use the same key; `own`, this one alone, as always without PostgreSQL. With `own`, each server of `http --replicas N` takes a fixed share.
    #[arg(long, value_name = "shared|own", env = "TRUEDY_MCP_UPSTREAM_WINDOW", value_enum, default_value_t = UpstreamWindow::Shared, global = true, help_heading = "Truedy")]
    pub upstream_window: UpstreamWindow,

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

    /// TOML file with carrier profiles, and with the tenants of `http`, each with a Truedy key of its own: see docs/carriers.md and docs/http/tenants.md. Without it, truedy-mcp/config.toml in the folder for settings is read if it exists: $XDG_CONFIG_HOME or ~/.config, on macOS ~/Library/Application Support, on Windows %APPDATA%.
    #[arg(long, value_name = "FILE", env = "TRUEDY_MCP_CONFIG", value_parser = path_setting(), global = true, help_heading = "Program")]
    pub config: Option<PathBuf>,

    /// How logs on standard error look; `auto` is text on a terminal and JSON otherwise. RUST_LOG sets how much is logged.
    #[arg(long, value_name = "auto|text|json", env = "TRUEDY_MCP_LOG_FORMAT", value_enum, default_value_t = LogFormat::Auto, global = true, help_heading = "Program")]
    pub log_format: LogFormat,

    /// Whether the configuration file is the default one, which nobody named.
    #[arg(skip)]
    pub is_default_config: bool,

    /// Whether the file of the key is the default one, which nobody named.
    #[arg(skip)]
    pub is_default_key: bool,

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
