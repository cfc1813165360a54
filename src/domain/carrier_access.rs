//! The values that give access to a carrier account: which carrier takes which values, and which of them are secrets.
//!
//! Source: contract §6.4 (Import Number).

use std::fmt;

use serde_json::{Map, Value, json};

use crate::domain::argument::value::{Argument, ArgumentProblem};
use crate::domain::carrier::{AccountSid, ProviderType, SipServer, SipUsername, is_account_sid};
use crate::redact::{Secret, is_own_token};

/// A value that gives access to a carrier account. Its name is the name in Truedy's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AccessField {
    /// The carrier's API key.
    ApiKey,
    /// The Twilio account SID.
    AccountSid,
    /// The Twilio auth token.
    AuthToken,
    /// The user name of a SIP trunk.
    SipUsername,
    /// The password of a SIP trunk.
    SipPassword,
    /// The host of a SIP trunk.
    SipServer,
}

impl AccessField {
    /// All fields.
    pub const ALL: [Self; 6] =
        [Self::ApiKey, Self::AccountSid, Self::AuthToken, Self::SipUsername, Self::SipPassword, Self::SipServer];

    /// Returns the field with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }

    /// Returns the name of the field.
    pub fn name(self) -> &'static str {
        match self {
            Self::ApiKey => "api_key",
            Self::AccountSid => "account_sid",
            Self::AuthToken => "auth_token",
            Self::SipUsername => "sip_username",
            Self::SipPassword => "sip_password",
            Self::SipServer => "sip_server",
        }
    }

    /// Returns the name of the field, as people call it.
    pub fn title(self, provider: ProviderType) -> &'static str {
        match (self, provider) {
            (Self::ApiKey, ProviderType::Twilio) => "Twilio API key",
            (Self::ApiKey, _) => "Telnyx API key",
            (Self::AccountSid, _) => "Twilio account SID",
            (Self::AuthToken, _) => "Twilio auth token",
            (Self::SipUsername, _) => "SIP user name",
            (Self::SipPassword, _) => "SIP password",
            (Self::SipServer, _) => "SIP server",
        }
    }

    /// Checks whether the value must never be shown.
    pub fn is_secret(self) -> bool {
        matches!(self, Self::ApiKey | Self::AuthToken | Self::SipPassword)
    }

    /// Returns an example of a valid value. For a secret, it says where the value is found.
    pub fn example(self) -> &'static str {
        match self {
            Self::AccountSid => AccountSid::EXAMPLE,
            Self::SipUsername => SipUsername::EXAMPLE,
            Self::SipServer => SipServer::EXAMPLE,
            Self::ApiKey | Self::AuthToken | Self::SipPassword => "the value as the carrier shows it",
        }
    }

    /// Returns the fields that a carrier takes, and whether it needs each of them.
    pub fn of(provider: ProviderType) -> &'static [(Self, bool)] {
        match provider {
            ProviderType::Telnyx => &[(Self::ApiKey, true)],
            ProviderType::Twilio => &[(Self::ApiKey, true), (Self::AccountSid, false), (Self::AuthToken, false)],
            ProviderType::CustomSip => &[(Self::SipUsername, true), (Self::SipPassword, true), (Self::SipServer, true)],
        }
    }

    /// Checks whether the field should be given although Truedy's reference does not require it.
    ///
    /// Truedy's code requires it (contract §9 row 26).
    pub fn is_advised(self) -> bool {
        self == Self::AccountSid
    }

    /// Returns a problem for each given field that the carrier does not take.
    pub fn foreign(provider: ProviderType, given: &[Self]) -> Vec<ArgumentProblem> {
        let mut problems = Self::misfits(provider, given);
        problems.retain(|problem| given.iter().any(|field| field.name() == problem.field));
        problems
    }

    /// Returns all problems with giving a carrier exactly these fields: missing ones and ones that it does not take.
    pub fn misfits(provider: ProviderType, given: &[Self]) -> Vec<ArgumentProblem> {
        let taken = Self::of(provider);
        let missing = taken.iter().filter(|(field, needed)| *needed && !given.contains(field));
        let foreign = given.iter().filter(|field| !taken.iter().any(|(taken, _)| taken == *field));
        let problem = |field: Self, (reason, for_people): (String, _), expected: &str| ArgumentProblem {
            field: field.name().to_owned(),
            reason,
            for_people,
            received: None,
            expected: expected.to_owned(),
            example: field.example().to_owned(),
            did_you_mean: None,
        };
        missing
            .map(|(field, _)| {
                let expected = if field.is_secret() {
                    "carrier in its place: a key should not pass through a conversation"
                } else {
                    "a value for this field"
                };
                let missing = "it is missing";
                problem(*field, (format!("{missing}, and {provider} needs it"), Some(missing)), expected)
            })
            .chain(foreign.map(|field| {
                let expected = "no value; leave the field out, or choose the provider it belongs to";
                problem(*field, (format!("{provider} does not take it"), None), expected)
            }))
            .collect()
    }

    /// Checks a value. The problem does not repeat the value.
    pub fn check(self, text: &str) -> Result<(), ArgumentProblem> {
        fn as_type<T: Argument>(field: AccessField, text: &str) -> Result<(), ArgumentProblem> {
            // The reason may quote a character of the value. That is acceptable only for values that are not secret.
            T::parse(&json!(text)).map(drop).map_err(|reason| ArgumentProblem::of::<T>(field.name(), reason, None))
        }
        match self {
            Self::ApiKey if is_of_truedy(text) => Err(ArgumentProblem {
                reason: "it is a Truedy API key, and this is for the carrier's".to_owned(),
                ..ArgumentProblem::of::<Secret>(self.name(), String::new(), None)
            }),
            Self::ApiKey | Self::AuthToken if is_own_token(text) => Err(ArgumentProblem {
                reason: "it is a token of this server, and this is for the carrier's key".to_owned(),
                ..ArgumentProblem::of::<Secret>(self.name(), String::new(), None)
            }),
            Self::ApiKey | Self::AuthToken if is_account_sid(text) => Err(ArgumentProblem {
                reason: "this is the account's SID, not its key; it belongs in account_sid".to_owned(),
                ..ArgumentProblem::of::<Secret>(self.name(), String::new(), None)
            }),
            Self::ApiKey | Self::AuthToken | Self::SipPassword => as_type::<Secret>(self, text),
            Self::AccountSid => as_type::<AccountSid>(self, text),
            Self::SipUsername => as_type::<SipUsername>(self, text),
            Self::SipServer => as_type::<SipServer>(self, text),
        }
    }
}

/// Returns a problem if two keys of one account are the same text. Then one of them is in the wrong field.
fn same_key_twice(given: &[(AccessField, Secret)]) -> Option<ArgumentProblem> {
    let text = |wanted| given.iter().find(|(field, _)| *field == wanted).map(|(_, value)| value.expose().trim());
    let token = text(AccessField::AuthToken)?;
    (text(AccessField::ApiKey)? == token).then(|| ArgumentProblem {
        reason: "it is the same text as api_key, and the two are different values".to_owned(),
        for_people: Some("it is the same text as api_key"),
        ..ArgumentProblem::of::<Secret>(AccessField::AuthToken.name(), String::new(), None)
    })
}

/// Checks whether a text starts like a Truedy API key. Source: contract §1.1.
fn is_of_truedy(text: &str) -> bool {
    text.strip_prefix("truedy_").is_some_and(|rest| rest.len() >= 16)
}

/// A complete set of values for access to a carrier account.
///
/// It contains all that the carrier needs, and nothing that it does not take.
#[derive(Clone)]
pub struct CarrierAccess {
    provider: ProviderType,
    values: Vec<(AccessField, Secret)>,
}

impl fmt::Debug for CarrierAccess {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CarrierAccess({})", self.provider)
    }
}

impl CarrierAccess {
    /// Checks the given values. The error lists all problems, without any value.
    pub fn new(provider: ProviderType, given: Vec<(AccessField, Secret)>) -> Result<Self, Vec<ArgumentProblem>> {
        let fields: Vec<AccessField> = given.iter().map(|(field, _)| *field).collect();
        let mut problems = AccessField::misfits(provider, &fields);
        problems.extend(given.iter().filter_map(|(field, value)| field.check(value.expose()).err()));
        problems.extend(same_key_twice(&given));
        if problems.is_empty() { Ok(Self { provider, values: given }) } else { Err(problems) }
    }

    /// Returns the carrier.
    pub fn provider(&self) -> ProviderType {
        self.provider
    }

    /// Returns the value of a field.
    pub fn get(&self, field: AccessField) -> Option<&Secret> {
        self.values.iter().find(|(name, _)| *name == field).map(|(_, value)| value)
    }

    /// Returns the values that must never be shown.
    pub fn secrets(&self) -> impl Iterator<Item = &Secret> {
        self.values.iter().filter(|(field, _)| field.is_secret()).map(|(_, value)| value)
    }

    /// Returns the host that Truedy would connect to.
    pub fn sip_server(&self) -> Option<SipServer> {
        SipServer::try_from(self.get(AccessField::SipServer)?.expose()).ok()
    }

    /// Adds the values to the body of a request.
    pub fn write(&self, body: &mut Map<String, Value>) {
        for (field, value) in &self.values {
            body.insert(field.name().to_owned(), json!(value.expose()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(provider: ProviderType, given: &[(AccessField, &str)]) -> Result<CarrierAccess, Vec<String>> {
        let given = given.iter().map(|(field, text)| (*field, Secret::new((*text).to_owned()).expect("a text")));
        CarrierAccess::new(provider, given.collect())
            .map_err(|problems| problems.into_iter().map(|problem| problem.field).collect())
    }

    #[test]
    fn each_carrier_takes_its_own_values_and_no_others() {
        use AccessField::{AccountSid, ApiKey, AuthToken, SipPassword, SipServer, SipUsername};
        assert!(access(ProviderType::Telnyx, &[(ApiKey, "KEY-1")]).is_ok());
        assert!(
            access(
                ProviderType::Twilio,
                &[(ApiKey, "k"), (AccountSid, "AC00000000000000000000000000000001"), (AuthToken, "t")]
            )
            .is_ok()
        );
        let sip = [(SipUsername, "u"), (SipPassword, "p"), (SipServer, "sip.example.com")];
        let trunk = access(ProviderType::CustomSip, &sip).expect("whole");
        assert_eq!(trunk.sip_server().map(|server| server.to_string()).as_deref(), Some("sip.example.com"));
        assert_eq!(trunk.secrets().count(), 1);
        let wrong = |provider, given: &[(AccessField, &str)]| access(provider, given).expect_err("wrong");
        assert_eq!(wrong(ProviderType::Telnyx, &[]), ["api_key"]);
        assert_eq!(wrong(ProviderType::Telnyx, &[(ApiKey, "k"), (AuthToken, "t")]), ["auth_token"]);
        assert_eq!(wrong(ProviderType::CustomSip, &sip[..2]), ["sip_server"]);
        let local = [sip[0], sip[1], (SipServer, "sip:user@host")];
        assert_eq!(wrong(ProviderType::CustomSip, &local), ["sip_server"]);
        assert_eq!(wrong(ProviderType::Telnyx, &[(ApiKey, "truedy_0123456789abcdef0123456789abcdef")]), ["api_key"]);
    }

    #[test]
    fn a_value_in_the_place_of_another_is_told() {
        use AccessField::{AccountSid, ApiKey, AuthToken};
        let sid = (AccountSid, "AC00000000000000000000000000000001");
        let wrong = |given: &[(AccessField, &str)]| access(ProviderType::Twilio, given).expect_err("wrong");
        assert_eq!(wrong(&[(ApiKey, "hunter2"), sid, (AuthToken, "hunter2")]), ["auth_token"]);
        assert_eq!(wrong(&[(ApiKey, sid.1), sid, (AuthToken, sid.1)]), ["api_key", "auth_token", "auth_token"]);
        assert_eq!(wrong(&[(ApiKey, "tmcp_hunter2"), sid, (AuthToken, "TMCP_hunter3")]), ["api_key", "auth_token"]);
        assert!(access(ProviderType::Twilio, &[(ApiKey, "hunter2"), sid, (AuthToken, "hunter3")]).is_ok());
    }

    #[test]
    fn it_does_not_print() {
        let access = access(ProviderType::Telnyx, &[(AccessField::ApiKey, "hunter2hunter2")]);
        assert_eq!(format!("{access:?}"), "Ok(CarrierAccess(telnyx))");
    }
}
