//! `POST /telephony/numbers/import`: bring a number that stays with its own carrier (BYOC).
//!
//! Source: <https://docs.truedy.ai/api-reference/telephony> (Import Number); contract §6.4.

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Failure, Pointer, Undo};
use super::arguments::arguments;
use super::creation::{Made, flight, make};
use super::lookup;
use super::names;
use super::outcome::{Documented, Found, documented, not_configured, said};
use super::tool::{Change, Desk, Effect, Step, Tool};
use crate::domain::{
    AccountSid, E164, Label, Object, OwnedNumber, Problem, ProviderType, Refusal, Secret, SipServer, SipUsername,
    Status, text_at,
};
use crate::guard::{Claims, Form, Question, Scope, Stakes};
use crate::truedy::{Nature, Request};

arguments! {
    /// Import (bring, connect) an existing phone number from an own carrier, BYOC: Telnyx, Twilio or a SIP trunk. Live calls may move to Truedy.
    ///
    /// It stays with its carrier, which bills it: no porting, no purchase.
    /// Returns the id. Afterwards assign an agent and set its get_webhook_url at the carrier. telnyx and twilio need api_key, custom_sip the three sip fields.
    ImportNumber {
        /// E.164: + and 2 to 15 digits, "+14155550123".
        phone_number: E164,
        /// custom_sip: any SIP trunk.
        provider_type: ProviderType,
        /// Secret: the carrier's API key (telnyx, twilio).
        api_key: Option<Secret>,
        /// Twilio account SID, "AC0123".
        account_sid: Option<AccountSid>,
        /// Secret: Twilio auth token.
        auth_token: Option<Secret>,
        /// SIP user name, "trunk-1".
        sip_username: Option<SipUsername>,
        /// Secret: SIP password.
        sip_password: Option<Secret>,
        /// Public SIP host, "sip.example.com:5061".
        sip_server: Option<SipServer>,
        /// A name for it, "Main line".
        friendly_name: Option<Label>,
    }
}

/// An imported number.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Imported {
    imported: bool,
    number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number_status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_id: Option<String>,
}

impl Tool for ImportNumber {
    const NAME: &'static str = names::IMPORT_NUMBER;
    const TITLE: &'static str = "Import a number from an own carrier";
    const EFFECT: Effect = Effect::Registers;
    const SCOPE: Scope = Scope::NumbersImport;
    type Output = Imported;

    fn contradictions(&self) -> Vec<Problem> {
        let mut problems = Vec::new();
        let provider = self.provider_type.as_str();
        let sip = [
            ("sip_username", self.sip_username.is_some()),
            ("sip_password", self.sip_password.is_some()),
            ("sip_server", self.sip_server.is_some()),
        ];
        let keys = [
            ("api_key", self.api_key.is_some()),
            ("account_sid", self.account_sid.is_some()),
            ("auth_token", self.auth_token.is_some()),
        ];
        let (needed, foreign): (Vec<&str>, Vec<(&str, bool)>) = match self.provider_type {
            ProviderType::CustomSip => {
                (sip.iter().filter(|(_, given)| !given).map(|(field, _)| *field).collect(), keys.to_vec())
            }
            ProviderType::Telnyx => {
                ((self.api_key.is_none()).then_some("api_key").into_iter().collect(), [&sip[..], &keys[1..]].concat())
            }
            ProviderType::Twilio => ((self.api_key.is_none()).then_some("api_key").into_iter().collect(), sip.to_vec()),
        };
        for field in needed {
            problems.push(problem(field, format!("it is missing, and {provider} needs it"), "a value for this field"));
        }
        for (field, _) in foreign.into_iter().filter(|(_, given)| *given) {
            problems.push(problem(
                field,
                format!("{provider} does not take it"),
                "no value; leave the field out, or choose the provider_type it belongs to",
            ));
        }
        problems
    }
}

fn problem(field: &str, reason: String, expected: &str) -> Problem {
    let example = match field {
        "sip_server" => "sip.example.com",
        "sip_username" => "truedy-trunk",
        "account_sid" => "AC00000000000000000000000000000000",
        _ => "the value as the carrier shows it",
    };
    Problem {
        field: field.to_owned(),
        reason,
        received: None,
        expected: expected.to_owned(),
        example: example.to_owned(),
    }
}

impl Change for ImportNumber {
    /// The credentials that were stored before.
    type Plan = Option<Vec<String>>;

    fn claims(&self) -> Claims {
        Claims {
            sip_server: self.sip_server.clone(),
            makes: Some(self.phone_number.as_str().to_owned()),
            about: self.object(None),
            ..Claims::default()
        }
    }

    async fn plan(&self, desk: &Desk) -> Result<Step<Self::Plan, Imported>, Failure> {
        let number = self.phone_number.as_str();
        let owned = lookup::numbers_until(desk, false, |row| row.number == number).await?;
        if let Some(row) = owned.rows.into_iter().find(|row| row.number == number) {
            let summary = format!("Nothing was imported: {number} belongs to this account already.");
            return Ok(Step::Done(Answer::new(
                Status::AlreadyOwned,
                summary,
                Imported { imported: false, ..imported(&row) },
            )));
        }
        // Only to tell afterwards whether the credential was stored although the number was not: not knowing is no failure.
        let before = lookup::credential_ids(desk).await.ok();
        Ok(Step::Ready(
            before.clone(),
            Box::new(Stakes {
                object: self.object(before),
                flight: Some(flight(number)),
                question: Some(Question {
                    message: format!("Import {number}? Importing may move live calls of {number} to Truedy."),
                    form: Form::Yes { field: "import" },
                    declined: "Nothing was imported.".to_owned(),
                }),
                ..Stakes::default()
            }),
        ))
    }

    async fn act(self, before: Self::Plan, desk: Desk) -> Result<Answer<Imported>, Failure> {
        let number = self.phone_number.as_str();
        let request = Request::post(["telephony", "numbers", "import"], Nature::Create, self.body());
        match make(&desk, number, request, documented).await? {
            Made::Confirmed(reply, listed) => {
                let mut facts = match &listed {
                    Found::Here(row) => imported(row),
                    Found::Absent | Found::Unreadable => Imported {
                        imported: true,
                        number: number.to_owned(),
                        id: text_at(&reply.data, "number_id").or_else(|| text_at(&reply.data, "id")),
                        number_status: None,
                        credential_id: None,
                    },
                };
                facts.credential_id = text_at(&reply.data, "credential_id");
                Ok(self.done(facts).request_id(reply.request_id))
            }
            Made::Seen(row) => {
                let mut answer = self.done(imported(&row));
                answer.warn(
                    "Truedy's answer to the import was lost or unclear; the number was found in the account afterwards.",
                );
                Ok(answer)
            }
            Made::Refused(why, error) => {
                let stored = self.stored(before.as_deref(), &desk).await;
                Err(said(self.refused(why, stored.as_deref()), &error).into())
            }
            Made::Unknown(error) => {
                let stored = self.stored(before.as_deref(), &desk).await;
                Err(said(with_credential(self.unknown(), stored.as_deref()), &error).into())
            }
        }
    }

    fn unknown(&self) -> Refusal {
        let number = &self.phone_number;
        let summary = format!(
            "It is not known whether {number} was imported. Do not repeat the call: a repeat stores the credential a second time. It is looked for in the account; {} tells what is known, and {} shows it once it is there.",
            names::LIST_OPERATIONS,
            names::LIST_NUMBERS
        );
        Refusal::new(Status::OutcomeUnknown, summary).with("number", number.as_str())
    }
}

impl ImportNumber {
    fn body(&self) -> Value {
        let mut body = Map::new();
        let mut add =
            |name: &str, value: Option<&str>| drop(value.map(|value| body.insert(name.to_owned(), json!(value))));
        add("phone_number", Some(self.phone_number.as_str()));
        add("provider_type", Some(self.provider_type.as_str()));
        add("friendly_name", self.friendly_name.as_ref().map(Label::as_str));
        add("api_key", self.api_key.as_ref().map(Secret::expose));
        add("account_sid", self.account_sid.as_ref().map(AccountSid::as_str));
        add("auth_token", self.auth_token.as_ref().map(Secret::expose));
        add("sip_username", self.sip_username.as_ref().map(SipUsername::as_str));
        add("sip_password", self.sip_password.as_ref().map(Secret::expose));
        add("sip_server", self.sip_server.as_ref().map(SipServer::as_str));
        Value::Object(body)
    }

    /// What the import is about, for the record.
    fn object(&self, credentials_before: Option<Vec<String>>) -> Object {
        let provider = Some(self.provider_type.as_str().to_owned());
        Object { provider, credentials_before, ..Object::number(self.phone_number.as_str()) }
    }

    /// The credential that the import stored although the number is not there, if there is exactly one that can be it.
    async fn stored(&self, before: Option<&[String]>, desk: &Desk) -> Option<String> {
        let desk = desk.with(desk.call.unstoppable());
        lookup::new_credential(&desk, before?, self.provider_type.as_str()).await
    }

    fn refused(&self, why: Documented, stored: Option<&str>) -> Refusal {
        let number = &self.phone_number;
        let refusal = match why {
            Documented::NotConfigured => not_configured("The number was not imported."),
            Documented::Duplicate => Refusal::new(
                Status::UpstreamRejected,
                format!(
                    "{number} was not imported: Truedy has it already, and as it is not in this account, another workspace holds it."
                ),
            ),
            _ => Refusal::new(
                Status::UpstreamRejected,
                format!(
                    "{number} was not imported: Truedy refused, in the words of truedy_says. Correct what they name."
                ),
            ),
        };
        let mut refusal = with_credential(refusal, stored).with("number", number.as_str());
        if stored.is_none() {
            refusal.summary.push_str(&format!(
                " A repeat may store the credential a second time; {} shows what is stored.",
                names::LIST_CREDENTIALS
            ));
        }
        refusal
    }

    fn done(&self, facts: Imported) -> Answer<Imported> {
        let number = &self.phone_number;
        let summary = format!(
            "Imported {number}. It stays with its carrier, and Truedy has not checked the credentials. Assign an agent, then point the carrier at that agent's URL, last of all."
        );
        let mut answer = Answer::new(Status::Imported, summary, facts)
            .undo(Undo::Call(Pointer { tool: names::RELEASE_NUMBER, arguments: json!({ "number_id": number }) }));
        if self.provider_type == ProviderType::Twilio && self.account_sid.is_none() {
            answer.warn("No account_sid was given; Truedy may need it for Twilio.");
        }
        if self.provider_type == ProviderType::CustomSip {
            answer.warn("Truedy's guides support Telnyx and Twilio; a plain SIP trunk works by its API but is not officially supported.");
        }
        answer
    }
}

/// Says that the credential was stored although the number does not show.
fn with_credential(mut refusal: Refusal, stored: Option<&str>) -> Refusal {
    let Some(id) = stored else { return refusal };
    refusal.summary.push_str(
        " The credential was stored, in credential_id, though the number does not show; a repeat stores another one.",
    );
    refusal.with("credential_id", id)
}

fn imported(row: &OwnedNumber) -> Imported {
    Imported {
        imported: true,
        number: row.number.clone(),
        id: Some(row.id.clone()),
        number_status: Some(row.status.clone()),
        credential_id: None,
    }
}
