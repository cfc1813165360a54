//! `truedy-mcp carriers`: manages the operator's carrier profiles in the file of `--config`.

use std::path::Path;

use serde_json::json;

use crate::cli::carriers::args::{AddArgs, CarriersArgs, CarriersCommand, RemoveArgs, advised, carrier_name, no_keys};
use crate::cli::carriers::list::{NO_PROFILES, list, pretty};
use crate::cli::carriers::test::test;
use crate::cli::output::{Exit, complain, print};
use crate::cli::repeated::as_given;
use crate::config::{ConfigError, NewCarrier, Settings, ValuePlace, expanded};
use crate::domain::{AccessField, AccountSid, Argument, ProviderType, SipServer, SipUsername};
use crate::redact::shown_path;

/// The notation of `--from`, for messages.
const FROM: &str = "FIELD=KIND:PLACE, for example api_key=env:TELNYX_API_KEY, auth_token=file:/etc/truedy/twilio.token, sip_password=command:pass show trunk/main or api_key=keyring:truedy/telnyx; a key itself is never an argument";

pub(crate) fn run(settings: &Settings, arguments: &CarriersArgs) -> Result<Exit, ConfigError> {
    let is_named = settings.config.is_some();
    let settings = &settings.with_default_config();
    // Nobody named the default file, so that it is missing is no error.
    let has_none = !is_named && settings.config.as_ref().is_some_and(|file| file.symlink_metadata().is_err());
    match &arguments.command {
        CarriersCommand::Add(add) => self::add(settings, add),
        CarriersCommand::List(list) if has_none => {
            print(&if list.json { pretty(&json!({ "carriers": [] })) } else { as_given(NO_PROFILES) });
            Ok(Exit::Fine)
        }
        CarriersCommand::Test(_) if has_none => {
            complain(NO_PROFILES.trim_end());
            Ok(Exit::Failed)
        }
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

/// Parses a value that is not secret.
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

/// Parses the text of `--from`. An error does not repeat it, because it may be a secret by mistake.
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
        // The path is made absolute, because a server may be started in any directory.
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

/// Splits a command into its words at spaces. If a word has a space or quotation mark, the command must be a JSON list.
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
