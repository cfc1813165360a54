//! Carrier profiles of the configuration file: the carrier of each profile, and the source of each value of its
//! account.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use serde_json::json;

use crate::config::carriers::printed::{Withheld, printed_by};
use crate::config::error::KEY_LIMIT;
use crate::config::paths::expanded;
use crate::config::variable_name::check_variable;
use crate::domain::{AccessField, Argument, CarrierName, CarrierProfile, Origin, ProviderType, Source};
use crate::files::field_names;
use crate::files::private_bytes;
use crate::redact::{shown_path, shown_variable, without_keys};

/// The section of one profile.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct ProfileSection {
    provider: String,
    api_key: Option<ProfileValue>,
    account_sid: Option<ProfileValue>,
    auth_token: Option<ProfileValue>,
    sip_username: Option<ProfileValue>,
    sip_password: Option<ProfileValue>,
    sip_server: Option<ProfileValue>,
}

/// A value, or the source from which it is read.
enum ProfileValue {
    Text(String),
    From(ValueSource),
}

/// The source of a value. Exactly one of these fields is set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ValueSource {
    env: Option<String>,
    file: Option<PathBuf>,
    command: Option<Vec<String>>,
    keyring: Option<String>,
}

impl<'de> Deserialize<'de> for ProfileValue {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ValueVisitor;
        impl<'de> Visitor<'de> for ValueVisitor {
            type Value = ProfileValue;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("where the value comes from, for example { env = \"TELNYX_API_KEY\" }")
            }

            fn visit_str<E>(self, text: &str) -> Result<ProfileValue, E> {
                Ok(ProfileValue::Text(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<ProfileValue, A::Error> {
                ValueSource::deserialize(MapAccessDeserializer::new(map)).map(ProfileValue::From)
            }
        }
        deserializer.deserialize_any(ValueVisitor)
    }
}

/// Returns the fields of a profile, and those of the source of a value.
pub(crate) fn fields() -> (&'static [&'static str], &'static [&'static str]) {
    (field_names::<ProfileSection>(), field_names::<ValueSource>())
}

/// The notations of sources, for error messages.
const SOURCES: &str = "{ env = \"NAME\" }, { file = \"/path\" }, { command = [\"program\", \"argument\"] } or { keyring = \"service/user\" }";

/// Returns the profiles that the sections describe. No value is read yet.
///
/// `withheld` holds the variables with secrets of this server, which no command inherits.
pub(crate) fn profiles(
    sections: BTreeMap<String, ProfileSection>,
    withheld: &Withheld,
) -> Result<Vec<CarrierProfile>, String> {
    let profile = |(name, section): (String, ProfileSection)| {
        let bad = |why: String| format!("[carriers.{}]: {why}", without_keys(&name));
        let known = CarrierName::try_from(name.as_str()).map_err(|why| {
            bad(format!("the name cannot be used: {why}; it has letters, digits, - and _, at most 40"))
        })?;
        section.profile(known, withheld).map_err(bad)
    };
    sections.into_iter().map(profile).collect()
}

impl ProfileSection {
    /// Returns the variables from which its values are read.
    pub(crate) fn variables(&self) -> impl Iterator<Item = &String> {
        let all = [
            &self.api_key,
            &self.account_sid,
            &self.auth_token,
            &self.sip_username,
            &self.sip_password,
            &self.sip_server,
        ];
        all.into_iter().flatten().filter_map(|written| match written {
            ProfileValue::From(from) => from.env.as_ref(),
            ProfileValue::Text(_) => None,
        })
    }

    fn profile(self, name: CarrierName, withheld: &Withheld) -> Result<CarrierProfile, String> {
        let provider = ProviderType::parse(&json!(self.provider))
            .map_err(|_| format!("provider: expected {}", ProviderType::EXPECTED))?;
        let written = [
            (AccessField::ApiKey, self.api_key),
            (AccessField::AccountSid, self.account_sid),
            (AccessField::AuthToken, self.auth_token),
            (AccessField::SipUsername, self.sip_username),
            (AccessField::SipPassword, self.sip_password),
            (AccessField::SipServer, self.sip_server),
        ];
        let given = written.into_iter().filter_map(|(field, written)| Some((field, written?)));
        let sources = given.map(|(field, written)| Ok((field, written.source(field, withheld)?)));
        CarrierProfile::new(name, provider, sources.collect::<Result<_, String>>()?)
    }
}

impl ProfileValue {
    fn source(self, field: AccessField, withheld: &Withheld) -> Result<Source, String> {
        let name = field.name();
        let from = match self {
            Self::Text(_) if field.is_secret() => {
                return Err(format!("{name} is a secret and must not stand in this file; say where it is: {SOURCES}"));
            }
            Self::Text(text) => return Ok(Source::new(Origin::Text, move || Ok(text.clone()))),
            Self::From(from) => from,
        };
        match (from.env, from.file, from.command, from.keyring) {
            (Some(variable), None, None, None) => {
                check_variable(&variable).map_err(|why| format!("{name} = {{ env = … }}: {why}"))?;
                Ok(Source::new(Origin::Variable(variable.clone()), move || of_variable(&variable)))
            }
            (None, Some(file), None, None) => {
                let file = expanded(&file).map_err(|why| format!("{name} = {{ file = … }}: {why}"))?;
                Ok(Source::new(Origin::File(file.clone()), move || {
                    let bytes =
                        private_bytes(&file, KEY_LIMIT).map_err(|why| format!("{}: {why}", shown_path(&file)))?;
                    String::from_utf8(bytes).map_err(|_| format!("{}: it is no text", shown_path(&file)))
                }))
            }
            (None, None, Some(argv), None) if !argv.is_empty() => {
                let program = argv.first().cloned().unwrap_or_default();
                let withheld = Arc::clone(withheld);
                Ok(Source::new(Origin::Command(program), move || printed_by(&argv, &withheld)))
            }
            (None, None, None, Some(entry)) => of_keyring(name, &entry),
            _ => Err(format!("{name} needs one source: {SOURCES}")),
        }
    }
}

fn of_variable(name: &str) -> Result<String, String> {
    std::env::var(name)
        .ok()
        .filter(|text| !text.trim().is_empty())
        .ok_or_else(|| format!("the variable {} is not set", shown_variable(name)))
}

#[cfg(feature = "keyring")]
fn of_keyring(field: &str, entry: &str) -> Result<Source, String> {
    // A service may contain slashes, but a user may not.
    let parts = entry.rsplit_once('/').filter(|(service, user)| !service.is_empty() && !user.is_empty());
    let (service, user) =
        parts.ok_or_else(|| format!("{field}: keyring is the service and the user, for example \"truedy/telnyx\""))?;
    let (service, user) = (service.to_owned(), user.to_owned());
    Ok(Source::new(Origin::Keyring(entry.to_owned()), move || {
        let why = |error: &keyring::Error| format!("the keyring entry {service}/{user}: {error}");
        keyring::Entry::store_status().as_ref().map_err(why)?;
        keyring::Entry::new(&service, &user).and_then(|entry| entry.get_password()).map_err(|error| why(&error))
    }))
}

#[cfg(not(feature = "keyring"))]
fn of_keyring(field: &str, _entry: &str) -> Result<Source, String> {
    Err(format!("{field}: this program was built without the feature keyring; use env, file or command"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::files::read_toml;
    use crate::redact::Secret;

    fn read(text: &str) -> Result<Vec<CarrierProfile>, String> {
        read_toml(text.as_bytes()).and_then(|sections| profiles(sections, &Withheld::default()))
    }

    #[test]
    fn every_source_is_read_when_it_is_needed() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("token");
        let text = format!(
            "[line]\nprovider = \"twilio\"\napi_key = {{ command = [\"printf\", \"SK-hunter2\\n\"] }}\n\
             account_sid = \"AC00000000000000000000000000000123\"\nauth_token = {{ file = {:?} }}\n",
            file.display().to_string()
        );
        let profiles = read(&text).expect("fine although the file is not there yet");
        assert!(profiles[0].read().expect_err("no file").starts_with("auth_token: "));
        std::fs::write(&file, "hunter3\n").expect("written");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).expect("mode");
            assert!(profiles[0].read().expect_err("others can read it").contains("chmod 600"));
            std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("mode");
        }
        let access = profiles[0].read().expect("whole");
        let value = |field| access.get(field).map(Secret::expose);
        assert_eq!(value(AccessField::ApiKey), Some("SK-hunter2"));
        assert_eq!(
            (value(AccessField::AccountSid), value(AccessField::AuthToken)),
            (Some("AC00000000000000000000000000000123"), Some("hunter3"))
        );
    }

    #[cfg(not(feature = "keyring"))]
    #[test]
    fn without_the_feature_the_keyring_is_refused_with_what_helps() {
        let text = "[a]\nprovider = \"telnyx\"\napi_key = { keyring = \"truedy/telnyx\" }\n";
        let error = read(text).map(drop).expect_err("not built in");
        assert!(error.contains("without the feature keyring; use env, file or command"), "{error}");
    }

    #[cfg(feature = "keyring")]
    #[test]
    fn an_entry_of_the_keyring_is_looked_up_when_it_is_needed_and_named_when_it_is_not_there() {
        let section = |entry: &str| read(&format!("[a]\nprovider = \"telnyx\"\napi_key = {{ keyring = {entry:?} }}\n"));
        for wrong in ["truedy", "/telnyx", "truedy/"] {
            let error = section(wrong).map(drop).expect_err(wrong);
            assert!(error.contains("keyring is the service and the user"), "{error}");
        }
        let profiles = section("truedy-mcp tests/of nobody").expect("nothing is looked up yet");
        // The error begins the same whether or not this machine has a keyring.
        let error = profiles[0].read().expect_err("there is no such entry");
        assert!(error.starts_with("api_key: the keyring entry truedy-mcp tests/of nobody: "), "{error}");
    }

    #[test]
    fn what_cannot_be_used_is_refused_without_repeating_a_secret() {
        for (text, part) in [
            (
                "[a]\nprovider = \"telnyx\"\napi_key = \"hunter2\"\n",
                "api_key is a secret and must not stand in this file",
            ),
            ("[a]\nprovider = \"telnyx\"\napi_key = { value = \"hunter2\" }\n", "unknown field `value`"),
            ("[a]\nprovider = \"telnyx\"\napi_key = {}\n", "api_key needs one source"),
            ("[a]\nprovider = \"telnyx\"\napi_key = { command = [] }\n", "api_key needs one source"),
            ("[a]\nprovider = \"telnyx\"\napi_key = { env = \"A\", file = \"/b\" }\n", "api_key needs one source"),
            ("[a]\nprovider = \"telnyx\"\napi_key = 7\n", "line 3"),
            ("[a]\nprovider = \"telnyx\"\n", "api_key: it is missing, and telnyx needs it"),
            ("[a]\nprovider = \"vonage\"\n", "provider: expected telnyx, twilio or custom_sip"),
            ("[a]\nprovider = \"telnyx\"\npassword = \"hunter2\"\n", "unknown field `password`"),
            ("[\"a b\"]\nprovider = \"telnyx\"\n", "the name cannot be used"),
            (
                "[a]\nprovider = \"telnyx\"\napi_key = { env = \"A\" }\nsip_server = \"s.example.com\"\n",
                "sip_server: telnyx does not take it",
            ),
        ] {
            let error = read(text).map(drop).expect_err(text);
            assert!(error.contains(part) && !error.contains("hunter2"), "{error}");
        }
    }
}
