//! `truedy-mcp carriers`: the operator's carrier profiles, kept in the file of `--config`.

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::{Args, Subcommand};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::cli::doctor::command::trouble;
use crate::cli::output::{Exit, KEY_IN_ARGUMENTS, complain, print};
use crate::cli::{bootstrap, logging};
use crate::config::{ConfigError, NewCarrier, Settings, TenantSettings, ValuePlace, expanded};
use crate::domain::{
    AccessField, AccountSid, Argument, Caller, CarrierName, CarrierProfile, Origin, ProviderType, SipServer,
    SipUsername,
};
use crate::mcp::Catalog;
use crate::redact::{Redactor, Secret, looks_like_key, shown_path};
use crate::truedy::{CallBudget, Client, Error, Request, RequestKind};

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
struct ListArgs {
    /// Of this tenant alone.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// As JSON.
    #[arg(long)]
    json: bool,
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
struct TestArgs {
    /// The profile; all of them without it.
    name: Option<String>,
    /// Of this tenant alone.
    #[arg(long, value_name = "NAME")]
    tenant: Option<String>,
    /// Ask nobody; only read.
    #[arg(long)]
    offline: bool,
    /// As JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(settings: &Settings, arguments: &CarriersArgs) -> Result<Exit, ConfigError> {
    match &arguments.command {
        CarriersCommand::Add(add) => self::add(settings, add),
        CarriersCommand::List(list) => self::list(settings, list),
        CarriersCommand::Remove(remove) => self::remove(settings, remove),
        CarriersCommand::Test(test) => self::test(settings, test),
    }
}

// --- add, remove ---------------------------------------------------------------------------------------------------

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
fn advised(provider: ProviderType, given: &[AccessField]) -> Option<String> {
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
fn no_keys<'a>(mut texts: impl Iterator<Item = &'a String>) -> Result<(), ConfigError> {
    if texts.any(|text| looks_like_key(text)) { Err(ConfigError(KEY_IN_ARGUMENTS.to_owned())) } else { Ok(()) }
}

fn carrier_name(text: &str) -> Result<CarrierName, ConfigError> {
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

// --- list ----------------------------------------------------------------------------------------------------------

/// The profiles of the file, each with whose it is where there are tenants.
struct Listed(Vec<TenantSettings>);

impl Listed {
    fn read(settings: &Settings, tenant: Option<&str>) -> Result<Self, ConfigError> {
        settings.config_file()?;
        let mut tenants = settings.tenants()?;
        if let Some(name) = tenant {
            no_keys([name.to_owned()].iter())?;
            let names: Vec<String> = tenants.iter().map(|tenant| tenant.name.clone()).collect();
            tenants.retain(|tenant| tenant.name == name);
            if tenants.is_empty() {
                return Err(ConfigError(format!("--tenant: there is no such tenant; there is {}.", names.join(", "))));
            }
        }
        Ok(Self(tenants))
    }

    fn all(&self) -> impl Iterator<Item = (&TenantSettings, &CarrierProfile)> {
        self.0.iter().flat_map(|tenant| tenant.carriers.iter().map(move |profile| (tenant, profile)))
    }
}

/// Whose it is, where there are tenants.
fn whose(tenant: &TenantSettings) -> Option<&str> {
    (tenant.name != Caller::local().tenant).then_some(tenant.name.as_str())
}

fn list(settings: &Settings, list: &ListArgs) -> Result<Exit, ConfigError> {
    let listed = Listed::read(settings, list.tenant.as_deref())?;
    if list.json {
        let rows: Vec<Value> = listed
            .all()
            .map(|(tenant, profile)| {
                let fields = profile.sources().iter().map(|(field, source)| (field.name().to_owned(), json!(place(settings, (tenant, profile), *field, source.origin()))));
                json!({ "tenant": whose(tenant), "carrier": profile.name(), "provider": profile.provider(), "from": serde_json::Map::from_iter(fields) })
            })
            .collect();
        print(&pretty(&json!({ "carriers": rows })));
        return Ok(Exit::Fine);
    }
    let mut text = String::new();
    for (tenant, profile) in listed.all() {
        let place = |field: AccessField, origin| place(settings, (tenant, profile), field, origin);
        let fields = profile
            .sources()
            .iter()
            .map(|(field, source)| format!("{} from {}", field.name(), place(*field, source.origin())));
        let fields = fields.collect::<Vec<_>>().join(", ");
        let _ = writeln!(text, "{:<24} {:<10} {fields}", named(tenant, profile), profile.provider().as_str());
    }
    if text.is_empty() {
        text = "There are no carrier profiles yet: truedy-mcp carriers add --help\n".to_owned();
    }
    print(&text);
    Ok(Exit::Fine)
}

/// Where a value is. What may be a secret is not repeated: then, where in the file that stands.
fn place(
    settings: &Settings,
    (tenant, profile): (&TenantSettings, &CarrierProfile),
    field: AccessField,
    origin: &Origin,
) -> String {
    let Some(file) = settings.config.as_deref().filter(|_| origin.is_hidden()) else { return origin.to_string() };
    let above = whose(tenant).map(|tenant| format!("tenants.{tenant}.")).unwrap_or_default();
    format!("{origin}; see {above}carriers.{}.{} in {}", profile.name(), field.name(), shown_path(file))
}

fn named(tenant: &TenantSettings, profile: &CarrierProfile) -> String {
    whose(tenant).map_or_else(|| profile.name().to_string(), |tenant| format!("{tenant}: {}", profile.name()))
}

fn pretty(value: &Value) -> String {
    format!("{}\n", serde_json::to_string_pretty(value).unwrap_or_default())
}

// --- test ----------------------------------------------------------------------------------------------------------

/// What was found of one profile.
struct Tested<'a> {
    tenant: &'a TenantSettings,
    profile: &'a CarrierProfile,
    fields: Vec<(AccessField, &'a Origin, Result<(), String>)>,
    /// Whether Truedy took the key, where that was asked and is known; and in words.
    verdict: (Option<bool>, String),
    exit: Exit,
}

fn test(settings: &Settings, test: &TestArgs) -> Result<Exit, ConfigError> {
    let redactor = Arc::new(Redactor::default());
    let _traced = logging::start(settings, &redactor);
    let listed = Listed::read(settings, test.tenant.as_deref())?;
    let wanted =
        test.name.as_ref().map(|name| no_keys([name].into_iter()).and_then(|()| carrier_name(name))).transpose()?;
    let chosen = |profile: &CarrierProfile| wanted.as_ref().is_none_or(|name| name == profile.name());
    let chosen: Vec<_> = listed.all().filter(|(_, profile)| chosen(profile)).collect();
    if let (Some(name), true) = (&wanted, chosen.is_empty()) {
        let names: Vec<String> = listed.all().map(|(tenant, profile)| named(tenant, profile)).collect();
        let there = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        return Err(ConfigError(format!("There is no carrier profile {name}; there is {there}.")));
    }
    if chosen.is_empty() {
        complain("there is no carrier profile to test: truedy-mcp carriers add --help");
        return Ok(Exit::Failed);
    }
    let runtime = bootstrap::runtime()?;
    let mut all = Vec::new();
    for (tenant, profile) in chosen {
        let (mut fields, mut key, mut server) = (Vec::new(), None, None);
        for source in profile.sources() {
            let read = profile.read_one(source).map(|value| {
                std::mem::forget(redactor.redact_until_dropped(&value));
                match source.0 {
                    AccessField::ApiKey => key = Some(value),
                    AccessField::SipServer => server = SipServer::try_from(value.expose()).ok(),
                    _ => {}
                }
            });
            fields.push((source.0, source.1.origin(), read));
        }
        let unread = fields.iter().any(|(_, _, read)| read.is_err());
        let given: Vec<AccessField> = fields.iter().map(|(field, _, _)| *field).collect();
        let (exit, accepted, found) = match (profile.provider(), key) {
            _ if unread => (Exit::Failed, None, "not asked, since not all of it can be read".to_owned()),
            (ProviderType::Telnyx, Some(key)) => runtime.block_on(asked(tenant, &key, test.offline, &redactor))?,
            _ => match refused_host(tenant, server.as_ref())? {
                Some(why) => (Exit::Failed, None, why),
                None => {
                    let more = advised(profile.provider(), &given).map(|more| format!("; {more}")).unwrap_or_default();
                    let tested = "Truedy does not check these credentials, so only whether they can be read was tested";
                    (Exit::Fine, None, format!("{tested}{more}"))
                }
            },
        };
        all.push(Tested { tenant, profile, fields, verdict: (accepted, found), exit });
    }
    let exit = all.iter().map(|tested| tested.exit).find(|exit| *exit != Exit::Fine).unwrap_or(Exit::Fine);
    let text = if test.json {
        let rows: Vec<Value> = all.iter().map(Tested::to_json).collect();
        pretty(&json!({ "ok": exit == Exit::Fine, "exit_code": exit as u8, "carriers": rows }))
    } else {
        all.iter().map(Tested::to_text).collect()
    };
    print(&redactor.text(&text));
    Ok(exit)
}

/// Why the operator's own policy would not let a trunk be imported from, if it would not.
fn refused_host(tenant: &TenantSettings, server: Option<&SipServer>) -> Result<Option<String>, ConfigError> {
    let policy = tenant.settings.policy(&Catalog::names())?;
    Ok(server.and_then(|server| policy.admit_sip(server).err()).map(|refusal| refusal.summary))
}

/// Whether Truedy takes a Telnyx key: it looks for one number with it, which costs nothing.
async fn asked(
    tenant: &TenantSettings,
    carrier_key: &Secret,
    offline: bool,
    redactor: &Arc<Redactor>,
) -> Result<(Exit, Option<bool>, String), ConfigError> {
    let settings = &tenant.settings;
    let unasked = |why: &str| Ok((Exit::Fine, None, format!("Truedy was not asked about the key: {why}")));
    if offline {
        return unasked("--offline");
    }
    if settings.sandbox {
        return unasked("--sandbox, which knows no carrier");
    }
    let Some(key) = tenant.key()? else { return unasked("no Truedy key is set") };
    std::mem::forget(redactor.redact_until_dropped(&key));
    let client = Client::new(settings.setup(key)?, Arc::clone(redactor));
    let client = client.map_err(|error| ConfigError(format!("The client could not be made: {error}.")))?;
    let body = json!({ "country_code": "US", "page": 1, "page_size": 1, "api_key": carrier_key.expose() });
    let request = Request::post(["telephony", "numbers", "search"], RequestKind::Search, body).list();
    let call = CallBudget::reading(Instant::now() + Duration::from_secs(20), CancellationToken::new());
    Ok(match client.send(request, &call).await {
        Ok(_) => (Exit::Fine, Some(true), "Truedy searched with this key: it is accepted".to_owned()),
        Err(Error::Refused(api_error)) if matches!(api_error.status, 400 | 422) => {
            let words =
                api_error.message.as_deref().map(|words| format!(", in its words: {words}")).unwrap_or_default();
            (Exit::Failed, Some(false), format!("Truedy could not search with this key{words}"))
        }
        Err(error) => {
            let (exit, found, todo) = trouble(&error);
            (exit, None, format!("whether Truedy accepts the key is not known: {found}. {todo}"))
        }
    })
}

impl Tested<'_> {
    fn to_text(&self) -> String {
        let word = if self.exit == Exit::Fine { "ok" } else { "bad" };
        let mut text = format!(
            "{word:<7} {} ({}): {}\n",
            named(self.tenant, self.profile),
            self.profile.provider(),
            self.verdict.1
        );
        for (field, origin, read) in &self.fields {
            let found = read.as_ref().err().map_or("readable", String::as_str);
            let word = if read.is_ok() { "ok" } else { "bad" };
            let _ = writeln!(text, "        {word:<4} {} from {origin}: {found}", field.name());
        }
        text
    }

    fn to_json(&self) -> Value {
        let fields: Vec<Value> = self
            .fields
            .iter()
            .map(|(field, origin, read)| {
                json!({ "field": field.name(), "from": origin.to_string(), "readable": read.is_ok(), "why": read.as_ref().err() })
            })
            .collect();
        let (accepted, found) = &self.verdict;
        json!({ "tenant": whose(self.tenant), "carrier": self.profile.name(), "provider": self.profile.provider(), "ok": self.exit == Exit::Fine, "fields": fields, "accepted": accepted, "found": found })
    }
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
