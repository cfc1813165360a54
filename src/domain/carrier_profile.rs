//! Carrier profiles: named sets of values for access to a carrier account.
//!
//! The operator stores them, so that callers only need the name.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::domain::argument::text::{checked_text, within};
use crate::domain::carrier::ProviderType;
use crate::domain::carrier_access::{AccessField, CarrierAccess};
use crate::redact::{
    NOT_REPEATED, RedactionGuard, Redactor, Secret, shown_path, shown_program, shown_variable, without_keys,
};

checked_text! {
    /// The name of a carrier profile in the operator's configuration.
    CarrierName,
    pattern r"^[A-Za-z0-9_-]{1,40}$",
    expected "the name of a carrier profile of the operator, never a key: list_credentials shows the names",
    example "main",
    |text| within(text, 40, |c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

/// The origin of a value, as the operator configured it. It never contains the value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// The configuration itself.
    Text,
    /// An environment variable with this name.
    Variable(String),
    /// A file with this path.
    File(PathBuf),
    /// The output of this program. The arguments are never shown, since they may contain a key.
    Command(String),
    /// An entry of the system's keyring with this name.
    Keyring(String),
}

impl Origin {
    /// Checks whether reading the value runs a program, or may ask a person to unlock something.
    pub fn acts(&self) -> bool {
        matches!(self, Self::Command(_) | Self::Keyring(_))
    }

    /// Checks whether the shown text hides the name or path, because it may be a secret.
    pub fn is_hidden(&self) -> bool {
        self.to_string().contains(NOT_REPEATED)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text => formatter.write_str("the configuration itself"),
            // A name or path may be a secret that was entered by mistake.
            Self::Variable(name) => write!(formatter, "env {}", shown_variable(name)),
            Self::File(path) => write!(formatter, "file {}", shown_path(path)),
            Self::Command(program) => write!(formatter, "command {}", shown_program(program)),
            Self::Keyring(entry) => write!(formatter, "keyring {}", without_keys(entry)),
        }
    }
}

/// The origin of a value, and a function that reads it. The value is read again each time.
#[derive(Clone)]
pub struct Source {
    origin: Origin,
    read: Arc<dyn Fn() -> Result<String, String> + Send + Sync>,
}

impl Source {
    /// Returns a source. An error of `read` says why the value cannot be read, without the value.
    pub fn new(origin: Origin, read: impl Fn() -> Result<String, String> + Send + Sync + 'static) -> Self {
        Self { origin, read: Arc::new(read) }
    }

    /// Returns the origin of the value.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }
}

/// How many values of one field the redactor hides at once. A replaced value may still appear in a response.
const KEPT: usize = 4;

/// A carrier profile.
#[derive(Clone)]
pub struct CarrierProfile {
    name: CarrierName,
    provider: ProviderType,
    sources: Vec<(AccessField, Source)>,
}

impl fmt::Debug for CarrierProfile {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CarrierProfile({}, {})", self.name, self.provider)
    }
}

impl CarrierProfile {
    /// Returns a profile. The error names the first value that is missing or that its carrier does not take.
    pub fn new(name: CarrierName, provider: ProviderType, sources: Vec<(AccessField, Source)>) -> Result<Self, String> {
        let fields: Vec<AccessField> = sources.iter().map(|(field, _)| *field).collect();
        match AccessField::misfits(provider, &fields).first() {
            None => Ok(Self { name, provider, sources }),
            Some(problem) => Err(format!("{}: {}", problem.field, problem.reason)),
        }
    }

    /// Returns the name of the profile.
    pub fn name(&self) -> &CarrierName {
        &self.name
    }

    /// Returns the carrier of the account.
    pub fn provider(&self) -> ProviderType {
        self.provider
    }

    /// Returns the fields of the profile and the source of each.
    pub fn sources(&self) -> &[(AccessField, Source)] {
        &self.sources
    }

    /// Reads one value. The error says why it cannot be read, without the name of the field and without the value.
    pub fn read_one(&self, (field, source): &(AccessField, Source)) -> Result<Secret, String> {
        let value = (source.read)().and_then(|text| Secret::new(text.trim().to_owned()))?;
        field.check(value.expose()).map_err(|problem| problem.reason)?;
        Ok(value)
    }

    /// Reads all values. This may block as long as a command runs. The error names the field and the reason, never a
    /// value.
    pub fn read(&self) -> Result<CarrierAccess, String> {
        let read = |source: &(AccessField, Source)| {
            let (field, _) = source;
            self.read_one(source).map(|value| (*field, value)).map_err(|why| format!("{}: {why}", field.name()))
        };
        let values: Vec<(AccessField, Secret)> = self.sources.iter().map(read).collect::<Result<_, _>>()?;
        CarrierAccess::new(self.provider, values).map_err(|problems| {
            let told = problems.first().map(|problem| format!("{}: {}", problem.field, problem.reason));
            told.unwrap_or_default()
        })
    }
}

/// The last values of one field: the digest of each, and the guard that keeps the redactor hiding it.
type Values = VecDeque<(String, RedactionGuard)>;

/// The carrier profiles of one tenant.
///
/// Once a secret was read from a profile, the redactor hides it in all later output.
#[derive(Default)]
pub struct CarrierProfiles {
    profiles: Vec<CarrierProfile>,
    redactor: Arc<Redactor>,
    held: Mutex<BTreeMap<(CarrierName, usize), Values>>,
}

impl fmt::Debug for CarrierProfiles {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.profiles.fmt(formatter)
    }
}

impl CarrierProfiles {
    /// Returns these profiles, whose secrets this redactor hides.
    ///
    /// Secrets that can be read without running a program are hidden at once. Truedy may show what an earlier run has
    /// sent. The other secrets are hidden from their first use on.
    pub fn new(profiles: Vec<CarrierProfile>, redactor: Arc<Redactor>) -> Self {
        let all = Self { profiles, redactor, held: Mutex::default() };
        for profile in &all.profiles {
            let secret = profile.sources.iter().filter(|(field, _)| field.is_secret());
            for (at, source) in secret.enumerate().filter(|(_, (_, source))| !source.origin.acts()) {
                if let Ok(secret) = profile.read_one(source) {
                    all.hide((profile.name.clone(), at), &secret);
                }
            }
        }
        all
    }

    /// Returns all profiles.
    pub fn all(&self) -> &[CarrierProfile] {
        &self.profiles
    }

    /// Returns the profile with this name.
    pub fn get(&self, name: &CarrierName) -> Option<&CarrierProfile> {
        self.profiles.iter().find(|profile| profile.name == *name)
    }

    /// Reads the values of a profile and hides its secrets. Blocks as long as its sources do.
    pub fn open(&self, profile: &CarrierProfile) -> Result<CarrierAccess, String> {
        let access = profile.read()?;
        for (at, secret) in access.secrets().enumerate() {
            self.hide((profile.name.clone(), at), secret);
        }
        Ok(access)
    }

    fn hide(&self, place: (CarrierName, usize), secret: &Secret) {
        let digest = crate::domain::digest::digest_of(secret.expose().as_bytes());
        let mut held = self.held.lock();
        let known = held.entry(place).or_default();
        if known.iter().any(|(one, _)| *one == digest) {
            return;
        }
        known.push_back((digest, self.redactor.redact_until_dropped(secret)));
        if known.len() > KEPT {
            known.pop_front();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> CarrierName {
        CarrierName::try_from(text).expect("a name")
    }

    fn fixed(text: &'static str) -> Source {
        from(Origin::File("/a".into()), text)
    }

    fn from(origin: Origin, text: &'static str) -> Source {
        Source::new(origin, move || Ok(text.to_owned()))
    }

    #[test]
    fn what_is_read_from_a_profile_does_not_come_back() {
        let redactor = Arc::new(Redactor::default());
        let origin = Origin::Command("pass".to_owned());
        let sources = vec![(AccessField::ApiKey, from(origin, " KEY-hunter2hunter2 \n"))];
        let profile = CarrierProfile::new(name("main"), ProviderType::Telnyx, sources).expect("whole");
        let profiles = CarrierProfiles::new(vec![profile], Arc::clone(&redactor));
        assert_eq!(redactor.text("KEY-hunter2hunter2"), "KEY-hunter2hunter2");
        let main = profiles.get(&name("main")).expect("there");
        for _ in 0..3 {
            let access = profiles.open(main).expect("read");
            assert_eq!(access.get(AccessField::ApiKey).map(Secret::expose), Some("KEY-hunter2hunter2"));
        }
        assert_eq!(redactor.text("a KEY-hunter2hunter2"), "a [redacted]");
        assert!(profiles.get(&name("other")).is_none());
        // A secret that can be read without running a program is hidden at once.
        let sources = vec![(AccessField::ApiKey, fixed("KEY-hunter3hunter3"))];
        let profile = CarrierProfile::new(name("file"), ProviderType::Telnyx, sources).expect("whole");
        let _profiles = CarrierProfiles::new(vec![profile], Arc::clone(&redactor));
        assert_eq!(redactor.text("a KEY-hunter3hunter3"), "a [redacted]");
    }

    #[test]
    fn what_cannot_be_read_names_the_field_and_no_value() {
        let failing = Source::new(Origin::Variable("X".to_owned()), || Err("the variable X is not set".to_owned()));
        let read = |source| {
            let sources = vec![(AccessField::ApiKey, source)];
            CarrierProfile::new(name("main"), ProviderType::Telnyx, sources).expect("whole").read().map(drop)
        };
        assert_eq!(read(failing), Err("api_key: the variable X is not set".to_owned()));
        assert_eq!(read(fixed(" ")), Err("api_key: it is empty".to_owned()));
        let ours = read(fixed("truedy_0123456789abcdef0123456789abcdef")).expect_err("ours");
        assert!(ours.contains("Truedy API key") && !ours.contains("0123"), "{ours}");
        let none = CarrierProfile::new(name("main"), ProviderType::CustomSip, Vec::new()).expect_err("nothing");
        assert!(none.starts_with("sip_username: it is missing"), "{none}");
    }
}
