//! The arguments of `carriers`, and functions that its commands share.

use clap::{Args, Subcommand};

use crate::cli::output::KEY_IN_ARGUMENTS;
use crate::config::ConfigError;
use crate::domain::{AccessField, CarrierName, ProviderType};
use crate::redact::looks_like_key;

#[derive(Debug, Args)]
pub struct CarriersArgs {
    #[command(subcommand)]
    pub(crate) command: CarriersCommand,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CarriersCommand {
    /// Write a profile into the file, which is made if it is missing. Comments and order stay.
    #[command(
        after_help = "Fields: telnyx api_key; twilio api_key, account_sid, auth_token; custom_sip sip_username, sip_password, sip_server.\n\nExamples:\n  truedy-mcp carriers add main --provider telnyx --from api_key=env:TELNYX_API_KEY\n  truedy-mcp carriers add line --provider twilio --account-sid AC00000000000000000000000000000123 \\\n    --from api_key=file:/etc/truedy/twilio.key --from \"auth_token=command:pass show twilio/token\"\n\nkeyring: needs a build with --features keyring."
    )]
    Add(AddArgs),
    /// Show the profiles: name, carrier, and where each value is; never a value. Nothing is read or run.
    #[command(after_help = "Example: truedy-mcp carriers list --json")]
    List(ListArgs),
    /// Take a profile out of the file.
    #[command(after_help = "Example: truedy-mcp carriers remove main")]
    Remove(RemoveArgs),
    /// Read each value, and ask Truedy whether it accepts a Telnyx key, by one search, which is free.
    #[command(after_help = "Examples:\n  truedy-mcp carriers test\n  truedy-mcp carriers test main --offline --json")]
    Test(TestArgs),
}

#[derive(Debug, Args)]
pub(crate) struct AddArgs {
    /// Its name, which callers use: at most 40 letters, digits, - and _, for example `main`.
    pub(crate) name: String,
    /// Whose account it is.
    #[arg(long, value_name = "telnyx|twilio|custom_sip")]
    pub(crate) provider: String,
    /// Where a value is: `env:NAME`, `file:PATH` (of yours alone, mode 0600), `command:PROGRAM ARGUMENT…` (no shell; or a JSON list of words) or `keyring:SERVICE/USER`; once for each field.
    #[arg(long, value_name = "FIELD=KIND:PLACE")]
    pub(crate) from: Vec<String>,
    /// The Twilio account SID, which is no secret.
    #[arg(long, value_name = "SID")]
    pub(crate) account_sid: Option<String>,
    /// The user name of a SIP trunk, likewise.
    #[arg(long, value_name = "NAME")]
    pub(crate) sip_username: Option<String>,
    /// The host of a SIP trunk, likewise.
    #[arg(long, value_name = "HOST[:PORT]")]
    pub(crate) sip_server: Option<String>,
    /// Put it in the place of a profile of the same name.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Whose profile it is, where the file has tenants.
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// Of this tenant alone.
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Args)]
pub(crate) struct RemoveArgs {
    /// The profile.
    pub(crate) name: String,
    /// Whose it is, where the file has tenants.
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct TestArgs {
    /// The profile; all of them without it.
    pub(crate) name: Option<String>,
    /// Of this tenant alone.
    #[arg(long, value_name = "NAME")]
    pub(crate) tenant: Option<String>,
    /// Ask nobody; only read.
    #[arg(long)]
    pub(crate) offline: bool,
    /// As JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Returns advice about an optional field that should be given for this carrier but was not.
pub(crate) fn advised(provider: ProviderType, given: &[AccessField]) -> Option<String> {
    let missing = AccessField::of(provider).iter().find(|(field, _)| field.is_advised() && !given.contains(field));
    missing.map(|(field, _)| {
        format!("without {} Truedy may refuse to import from {provider}: add --account-sid", field.name())
    })
}

/// Refuses texts that look like keys, because every process can read arguments. The error does not repeat them.
pub(crate) fn no_keys<'a>(mut texts: impl Iterator<Item = &'a String>) -> Result<(), ConfigError> {
    if texts.any(|text| looks_like_key(text)) { Err(ConfigError(KEY_IN_ARGUMENTS.to_owned())) } else { Ok(()) }
}

pub(crate) fn carrier_name(text: &str) -> Result<CarrierName, ConfigError> {
    CarrierName::try_from(text).map_err(|_| {
        ConfigError(
            "The name of a carrier profile has at most 40 letters, digits, - and _, for example main.".to_owned(),
        )
    })
}
