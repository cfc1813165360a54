//! `POST /telephony/numbers/import`: bring a number that stays with its own carrier (BYOC).
//!
//! Source: <https://docs.truedy.ai/api-reference/telephony> (Import Number); contract §6.4.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::answer::{Answer, Failure, Pointer, Undo};
use super::arguments::arguments;
use super::lookup;
use super::names;
use super::outcome::{Documented, Found, appears, documented, not_configured, said};
use super::tool::{Change, Desk, Effect, Step, Tool};
use crate::domain::{
    AccountSid, E164, Label, OwnedNumber, Problem, ProviderType, Refusal, Secret, SipServer, SipUsername, Status,
    text_at,
};
use crate::guard::{Claims, Form, Object, Question, Stakes};
use crate::truedy::{Error, Nature, Request};

/// What is kept back of the call's time for finding out what became of it.
const AFTERWARDS: Duration = Duration::from_secs(7);

arguments! {
    /// Import (bring, connect) an existing phone number from an own carrier, BYOC: Telnyx, Twilio or a SIP trunk. Live calls may move to Truedy.
    ///
    /// The number stays with its carrier, which goes on billing it: no porting, no purchase. Truedy does not check the credentials.
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
        /// Name for the stored credential, "Main line".
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
    type Plan = ();

    fn claims(&self) -> Claims {
        Claims {
            sip_server: self.sip_server.clone(),
            makes: Some(self.phone_number.as_str().to_owned()),
            ..Claims::default()
        }
    }

    async fn plan(&self, desk: &Desk) -> Result<Step<(), Imported>, Failure> {
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
        Ok(Step::Ready(
            (),
            Stakes {
                object: Object { id: None, number: number.to_owned() },
                question: Some(Question {
                    message: format!("Import {number}? Importing may move live calls of {number} to Truedy."),
                    form: Form::Yes { field: "import" },
                    declined: "Nothing was imported.".to_owned(),
                }),
                ..Stakes::default()
            },
        ))
    }

    async fn act(self, (): (), desk: Desk) -> Result<Answer<Imported>, Failure> {
        let number = self.phone_number.as_str();
        let request = Request::post(["telephony", "numbers", "import"], Nature::Create, self.body());
        let reply = match desk.truedy.send(request, &desk.call.leaving(AFTERWARDS)).await {
            Ok(reply) => reply,
            Err(error) if error.may_have_happened() => return self.look_up(error, &desk).await,
            // A conflict with what? Perhaps with this very number being ours already.
            Err(Error::Refused(saying)) if saying.status == 409 => {
                return match appears(&desk, number, true).await {
                    Found::Here(row) => Ok(self.done(imported(&row))),
                    Found::Absent | Found::Unreadable => Err(Error::Refused(saying).into()),
                };
            }
            Err(error) => return Err(error.into()),
        };
        let listed = appears(&desk.with(desk.call.within(Duration::from_secs(4))), number, true).await;
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

    async fn look_up(&self, error: Error, desk: &Desk) -> Result<Answer<Imported>, Failure> {
        let number = self.phone_number.as_str();
        let documented = documented(&error);
        let found = appears(desk, number, documented.is_some()).await;
        if let Found::Here(row) = found {
            let mut answer = self.done(imported(&row));
            answer.warn(
                "Truedy's answer to the import was lost or unclear; the number was found in the account afterwards.",
            );
            return Ok(answer);
        }
        let again =
            format!("A repeat stores the credential a second time; {} shows what is stored.", names::LIST_CREDENTIALS);
        let refusal = match (documented, found) {
            (Some(Documented::NotConfigured), Found::Absent) => not_configured("The number was not imported."),
            (Some(Documented::Duplicate), Found::Absent) => Refusal::new(
                Status::UpstreamRejected,
                format!("{number} was not imported: Truedy has it already, and as it is not in this account, another workspace holds it. {again}"),
            ),
            (Some(_), Found::Absent) => Refusal::new(
                Status::UpstreamRejected,
                format!("{number} was not imported: Truedy refused, in the words of truedy_says. Correct what they name. {again}"),
            ),
            _ => Refusal::new(
                Status::OutcomeUnknown,
                format!("It is not known whether {number} was imported. Do not repeat the call. Look for it with {} in a minute. {again}", names::LIST_NUMBERS),
            )
            .with("next", json!({ "tool": names::LIST_NUMBERS, "arguments": {} })),
        };
        Err(said(refusal.with("number", number), &error).into())
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

fn imported(row: &OwnedNumber) -> Imported {
    Imported {
        imported: true,
        number: row.number.clone(),
        id: Some(row.id.clone()),
        number_status: Some(row.status.clone()),
        credential_id: None,
    }
}
