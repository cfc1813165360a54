//! `truedy-mcp carriers`: the operator's carrier profiles, kept in the file of `--config`.

use std::path::Path;

use clap::{Args, Subcommand};
use serde_json::json;

use crate::cli::carriers::list::list;
use crate::cli::carriers::test::test;
use crate::cli::output::{Exit, KEY_IN_ARGUMENTS, complain, print};
use crate::config::{ConfigError, NewCarrier, Settings, ValuePlace, expanded};
use crate::domain::{AccessField, AccountSid, Argument, CarrierName, ProviderType, SipServer, SipUsername};
use crate::redact::{looks_like_key, shown_path};

/// How `--from` is written.
const FROM: &str = "FIELD=KIND:PLACE, for example api_key=env:TELNYX_API_KEY, auth_token=file:/etc/truedy/twilio.token, sip_password=command:pass show trunk/main or api_key=keyring:truedy/telnyx; a key itself is never an argument";

#[derive(Debug, Args)]
pub struct CarriersArgs {
    #[command(subcommand)]
    command: CarriersCommand,
}

#[derive(Debug, Subcommand)]
enum CarriersCommand {
    /// Write a profile into the file, which is made if it is missing. Comments and order stay.
    #[command(
        after_help = "Fields: telnyx api_key; twilio api_key, account_sid, auth_token; custom_sip sip_username, sip_password, sip_server.\n\nExamples:\n  truedy-mcp carriers add main --provider telnyx --from api_key=env:TELNYX_API_KEY\n  truedy-mcp carriers add line --provider twilio --account-sid AC00000000000000000000000000000123 \\\n    --from api_key=file:/etc/truedy/twilio.key --from \"auth_token=command:pass show twilio/token\"\n  truedy-mcp carriers add trunk --provider custom_sip --sip-username trunk-1 \\\n    --sip-server sip.example.com --from sip_password=env:TRUNK_PASSWORD\n\nkeyring: needs a build with --features keyring."
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
struct AddArgs {
    /// Its name, which callers use: at most 40 letters, digits, - and _, for example `main`.
    name: String,
    /// Whose account it is.
    #[arg(long, value_name = "telnyx|twilio|custom_sip")]
    provider: String,
    /// Where a value is: `env:NAME`, `file:PATH` (of yours alone, mode 0600), `command:PROGRAM ARGUMENT…` (no shell; or a JSON list of words) or `keyring:SERVICE/USER`; once for each field.
    #[arg(long, value_name = "FIELD=KIND:PLACE")]
    from: Vec<String>,
    /// The Twilio account SID, which is no secret.
    #[arg(long, value_name = "SID")]
    account_sid: Option<String>,
    /// The user name of a SIP trunk, likewise.
    #[arg(long, value_name = "NAME")]
    sip_username: Option<String>,
    /// The host of a SIP trunk, likewise.
    #[arg(long, value_name = "HOST[:PORT]")]
    sip_server: Option<String>,
    /// Put it in the place of a profile of the same name.
    #[arg(long)]
    replace: bool,
    /// Whose profile it is, where the file has tenants.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
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
struct RemoveArgs {
    /// The profile.
    name: String,
    /// Whose it is, where the file has tenants.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
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

pub(crate) fn run(settings: &Settings, arguments: &CarriersArgs) -> Result<Exit, ConfigError> {
    match &arguments.command {
        CarriersCommand::Add(add) => self::add(settings, add),
        CarriersCommand::List(list) => self::list(settings, list),
        CarriersCommand::Remove(remove) => self::remove(settings, remove),
        CarriersCommand::Test(test) => self::test(settings, test),
    }
}

fn add(settings: &Settings, add: &AddArgs) -> Result<Exit, ConfigError> {
    let file = settings.config_file()?;
    let AddArgs { name, provider, from, account_sid, sip_username, sip_server, replace, tenant } = add;
    let all = [Some(name), Some(provider), account_sid.as_ref(), sip_username.as_ref(), sip_server.as_ref()];
    no_keys(all.into_iter().flatten().chain(from).chain(tenant))?;
    let name = carrier_name(name)?;
    let provider = ProviderType::parse(&json!(provider))
        .map_err(|_| ConfigError(format!("--provider: expected {}.", ProviderType::EXPECTED)))?;
    let mut fields = Vec::new();
    for text in from {
        fields.push(read_from(text).map_err(|why| ConfigError(format!("--from: {why}.")))?);
    }
    fields.extend(plain::<AccountSid>(AccessField::AccountSid, "--account-sid", account_sid.as_ref())?);
    fields.extend(plain::<SipUsername>(AccessField::SipUsername, "--sip-username", sip_username.as_ref())?);
    fields.extend(plain::<SipServer>(AccessField::SipServer, "--sip-server", sip_server.as_ref())?);
    let given: Vec<AccessField> = fields.iter().map(|(field, _)| *field).collect();
    if let Some(twice) = given.iter().find(|field| given.iter().filter(|other| other == field).count() > 1) {
        return Err(ConfigError(format!("{} is given twice.", twice.name())));
    }
    if let Some(problem) = AccessField::misfits(provider, &given).first() {
        let how = AccessField::of(provider)
            .iter()
            .map(
                |(field, needed)| {
                    if *needed { field.name().to_owned() } else { format!("{} (may be left out)", field.name()) }
                },
            )
            .collect::<Vec<_>>();
        let sentence =
            format!("{}: {}. {provider} takes {}; --from is {FROM}.", problem.field, problem.reason, how.join(", "));
        return Err(ConfigError(sentence));
    }
    settings.add_carrier(tenant.as_deref(), &NewCarrier { name: name.clone(), provider, fields }, *replace)?;
    let whose = tenant.as_ref().map(|tenant| format!(" --tenant {tenant}")).unwrap_or_default();
    let at = shown_path(file);
    print(&format!(
        "{name} is in {at}. See whether it can be read: truedy-mcp carriers test {name}{whose} --config {at}\nRunning servers take it up when they are started again.\n"
    ));
    if let Some(advised) = advised(provider, &given) {
        complain(&advised);
    }
    Ok(Exit::Fine)
}

/// What a carrier should be given besides, though it may be left out.
pub(crate) fn advised(provider: ProviderType, given: &[AccessField]) -> Option<String> {
    let missing = AccessField::of(provider).iter().find(|(field, _)| field.is_advised() && !given.contains(field));
    missing.map(|(field, _)| {
        format!("without {} Truedy may refuse to import from {provider}: add --account-sid", field.name())
    })
}

fn remove(settings: &Settings, remove: &RemoveArgs) -> Result<Exit, ConfigError> {
    let file = settings.config_file()?;
    no_keys([&remove.name].into_iter().chain(&remove.tenant))?;
    let name = carrier_name(&remove.name)?;
    settings.remove_carrier(remove.tenant.as_deref(), &name)?;
    print(&format!(
        "{name} is no longer in {}. Running servers keep it until they are started again.\n",
        shown_path(file)
    ));
    Ok(Exit::Fine)
}

/// Every process can read the arguments of another; what looks like a key is not repeated either.
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

/// A value that is no secret.
fn plain<T: Argument>(
    field: AccessField,
    flag: &str,
    text: Option<&String>,
) -> Result<Option<(AccessField, ValuePlace)>, ConfigError> {
    let Some(text) = text else { return Ok(None) };
    T::parse(&json!(text))
        .map_err(|_| ConfigError(format!("{flag}: expected {}, for example {}.", T::EXPECTED, T::EXAMPLE)))?;
    Ok(Some((field, ValuePlace::Text(text.clone()))))
}

/// What `--from` says. It may be a secret by mistake: an error does not repeat it.
fn read_from(text: &str) -> Result<(AccessField, ValuePlace), String> {
    let (name, source) = text.split_once('=').ok_or_else(|| format!("expected {FROM}"))?;
    let field = AccessField::named(name).ok_or_else(|| {
        format!("the field is one of {}; expected {FROM}", AccessField::ALL.map(AccessField::name).join(", "))
    })?;
    let (kind, place) = source
        .split_once(':')
        .filter(|(_, place)| !place.trim().is_empty())
        .ok_or_else(|| format!("{name}: expected {FROM}"))?;
    let given = match kind {
        "env" if is_variable(place) => ValuePlace::Variable(place.to_owned()),
        "env" => return Err(format!("{name}: a variable has letters, digits and _, for example env:TELNYX_API_KEY")),
        // A server may be started anywhere.
        "file" => {
            let path = expanded(Path::new(place)).map_err(|why| format!("{name}: {why}"))?;
            ValuePlace::File(std::path::absolute(path).map_err(|error| format!("{name}: {error}"))?)
        }
        "command" => ValuePlace::Command(words(place).map_err(|why| format!("{name}: {why}"))?),
        "keyring" => ValuePlace::Keyring(place.to_owned()),
        _ => return Err(format!("{name}: expected {FROM}")),
    };
    Ok((field, given))
}

fn is_variable(name: &str) -> bool {
    !name.starts_with(|c: char| c.is_ascii_digit()) && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// A command: its words, between spaces, or a JSON list where one of them has a space or a quotation mark in it.
fn words(text: &str) -> Result<Vec<String>, &'static str> {
    const LIST: &str = "a command whose words have spaces or quotation marks is a JSON list, for example command:[\"pass\", \"show\", \"my trunk\"]";
    let text = text.trim();
    let words: Vec<String> = if text.starts_with('[') {
        serde_json::from_str(text).map_err(|_| LIST)?
    } else if text.contains(['"', '\'', '\\']) {
        return Err(LIST);
    } else {
        text.split_whitespace().map(str::to_owned).collect()
    };
    if words.is_empty() { Err(LIST) } else { Ok(words) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_is_read_as_it_is_typed() {
        let read = |text: &str| read_from(text).map(|(field, given)| (field.name(), given));
        assert_eq!(read("api_key=env:A_1"), Ok(("api_key", ValuePlace::Variable("A_1".to_owned()))));
        assert_eq!(read("auth_token=file:/a:b=c"), Ok(("auth_token", ValuePlace::File("/a:b=c".into()))));
        assert!(matches!(read("auth_token=file:a"), Ok((_, ValuePlace::File(path))) if path.is_absolute()));
        let argv = |words: &[&str]| ValuePlace::Command(words.iter().map(|word| (*word).to_owned()).collect());
        assert_eq!(read("sip_password=command: pass  show x=y"), Ok(("sip_password", argv(&["pass", "show", "x=y"]))));
        assert_eq!(read("sip_password=command:[\"a\", \"b c\"]"), Ok(("sip_password", argv(&["a", "b c"]))));
        assert_eq!(read("api_key=keyring:a/b/c"), Ok(("api_key", ValuePlace::Keyring("a/b/c".to_owned()))));
    }

    #[test]
    fn what_is_no_source_is_told_without_repeating_it() {
        for wrong in [
            "hunter2",
            "hunter2=env:A",
            "api_key=hunter2",
            "api_key=hunter2:hunter2",
            "api_key=env:hunter2 ",
            "api_key=env:",
            "api_key=env:2hunter2",
            "api_key=command:",
            "api_key=command:[]",
            "api_key=command:[\"hunter2\"",
            "api_key=command:echo 'hunter2'",
            "api_key=file:",
            "=env:hunter2",
        ] {
            let why = read_from(wrong).expect_err(wrong);
            assert!(!why.contains("hunter2") && why.contains("for example"), "{wrong}: {why}");
        }
    }
}
