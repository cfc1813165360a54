//! `POST /telephony/numbers/import`: bring a number that stays with its own carrier (BYOC).
//!
//! Source: <https://docs.truedy.ai/api-reference/telephony> (Import Number); contract §6.4.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

use crate::domain::{
    AccessField, AccountSid, Argument, ArgumentProblem, CapRule, CarrierAccess, CarrierName, ChangeClass, ChangeKind,
    E164, Effect, Label, OperationTarget, OwnedNumber, Proof, ProviderType, Refusal, SipServer, SipUsername, Status,
    text_at,
};
use crate::guard::{AskMode, ChangeImpact, CredentialRequest, Question, QuestionForm, RequestedChange, Scope};
use crate::journal::{Operation, Outcome, key_of_added};
use crate::redact::Secret;
use crate::tools::account::near_rows::must_be_readable;
use crate::tools::account::number_rows::before_adding;
use crate::tools::account::view::AccountView;
use crate::tools::account::{carrier, lookup};
use crate::tools::changes::create_once::{Made, make};
use crate::tools::changes::verify::{Documented, Found, WantedNumber, documented, not_configured, said};
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::offered_numbers::impossible_number;
use crate::tools::contract::response::{ToolFailure, ToolResponse, Undo};
use crate::tools::contract::tool::{Change, Planned, Tool};
use crate::truedy::{Request, RequestKind};

arguments! {
    /// Import (bring, connect) an existing phone number from an own carrier, BYOC: Telnyx, Twilio or a SIP trunk. Live calls may move to Truedy.
    ///
    /// It stays with its carrier, which bills it: no porting, no purchase.
    /// Give carrier, or the provider type alone (Twilio, Telnyx): then the user enters the keys on a page. Returns the id. Afterwards assign an agent and set its get_webhook_url at the carrier.
    ImportNumber {
        /// E.164: + and 2 to 15 digits, "+14155550123".
        phone_number: E164,
        /// The carrier account by its profile from list_credentials, "main".
        carrier: Option<CarrierName>,
        /// telnyx, twilio; custom_sip: any SIP trunk.
        provider_type: Option<ProviderType>,
        /// Secret; prefer carrier. API key (telnyx, twilio).
        api_key: Option<Secret>,
        /// Twilio account SID, 34 characters, "AC0123...".
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
pub(crate) struct Imported {
    imported: bool,
    number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number_status: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    credential_id: Option<String>,
}

/// What takes an import back, in the answer and in the journal.
const NO_UNDO: Undo = Undo::No("no undo; release_number takes it out of Truedy, and it stays with its carrier");

/// The facts about an import that policy, journal and messages need.
const KIND: ChangeKind = ChangeKind {
    name: "import_number",
    class: ChangeClass::Registers,
    done: "imported",
    nothing: "Nothing was imported.",
    happened: "the number was imported",
    succeeded: Status::Imported,
    not_done: "not_imported",
    cap: Some(CapRule::Imports),
    proof: Proof::NumberPresent,
    // Truedy's lists may lag behind.
    repeat_window: Duration::from_secs(15 * 60),
};

impl Tool for ImportNumber {
    const NAME: &'static str = KIND.name;
    const TITLE: &'static str = "Import a number from an own carrier";
    const SEARCH_HINT: &'static str = "bring own existing number BYOC from Twilio, Telnyx, SIP trunk; port, connect";
    const EXAMPLE: Option<&'static str> = Some("--json - --sandbox < import.json");
    const EFFECT: Effect = Effect::Changes(&KIND);
    const SCOPE: Scope = Scope::NumbersImport;
    type Output = Imported;

    fn inline() -> Vec<&'static str> {
        AccessField::ALL.map(AccessField::name).to_vec()
    }

    fn contradictions(&self) -> Vec<ArgumentProblem> {
        let why = self.phone_number.impossible();
        let mut problems: Vec<ArgumentProblem> =
            why.map(|why| impossible_number("phone_number", &self.phone_number, why)).into_iter().collect();
        let given: Vec<AccessField> = self.given().into_iter().map(|(field, _)| field).collect();
        problems.extend(match (&self.carrier, self.provider_type) {
            (Some(_), _) => carrier::beside(self.carrier.as_ref(), &given),
            (None, None) => vec![ArgumentProblem {
                reason: "neither a carrier profile nor a provider_type is named".to_owned(),
                expected: format!(
                    "{}; or provider_type alone, where the client can show its user a page to enter the keys on",
                    CarrierName::EXPECTED
                ),
                ..ArgumentProblem::of::<CarrierName>("carrier", String::new(), None)
            }],
            // Whether somebody can be asked for the keys is not known here.
            (None, Some(provider)) if !given.iter().any(|field| field.is_secret()) => {
                AccessField::foreign(provider, &given)
            }
            (None, Some(provider)) => match CarrierAccess::new(provider, self.given()) {
                Ok(_) => Vec::new(),
                Err(problems) => problems,
            },
        });
        problems
    }
}

/// What an import is made with.
#[derive(Debug, Clone)]
pub(crate) struct ImportPlan {
    provider: ProviderType,
    /// `None` where a person enters it.
    access: Option<CarrierAccess>,
    /// The credentials that were stored before.
    before: Option<Vec<String>>,
    /// The earliest creation of a row that the import can have added.
    created_after: Option<i64>,
}

impl Change for ImportNumber {
    const KIND: &'static ChangeKind = &KIND;
    type Plan = ImportPlan;

    fn claims(&self) -> RequestedChange {
        RequestedChange {
            sip_server: self.sip_server.clone(),
            makes: Some(self.phone_number.as_str().to_owned()),
            about: self.object(self.provider_type, None),
            ..RequestedChange::default()
        }
    }

    async fn plan(&self, context: &ToolContext) -> Result<Planned<ImportPlan, Imported>, ToolFailure> {
        let (provider, access) = self.account(context).await?;
        let number = self.phone_number.as_str();
        let near = before_adding(context, number).await?;
        if let Some(row) = near.listing.rows.iter().find(|row| row.number == number) {
            let summary = format!("Nothing was imported: {number} belongs to this account already.");
            return Ok(Planned::Done(ToolResponse::new(
                Status::AlreadyOwned,
                summary,
                Imported { imported: false, ..imported(row) },
            )));
        }
        must_be_readable(&near)?;
        let created_after = near.created_after(context);
        // Only to tell afterwards whether the credential was stored although the number was not: not knowing is no failure.
        let before = lookup::credential_ids(context).await.ok();
        let wanted = access.is_none().then(|| {
            let known = self.given().into_iter().map(|(field, value)| (field, value.expose().to_owned()));
            CredentialRequest { number: self.phone_number.clone(), provider, known: known.collect() }
        });
        Ok(Planned::Ready(
            ImportPlan { provider, access, before: before.clone(), created_after },
            Box::new(ChangeImpact {
                object: OperationTarget { created_after, ..self.object(Some(provider), before) },
                flight: Some(key_of_added(number)),
                question: Some(Question {
                    message: format!("Import {number}? Importing may move live calls of {number} to Truedy."),
                    form: QuestionForm::Yes { field: "import" },
                    declined: "Nothing was imported.".to_owned(),
                }),
                wanted,
                ..ChangeImpact::default()
            }),
        ))
    }

    async fn act(self, plan: ImportPlan, context: ToolContext) -> Result<ToolResponse<Imported>, ToolFailure> {
        let number = self.phone_number.as_str();
        let Some(access) = plan.access.as_ref().or(context.entered.as_ref()) else {
            return Err(self.no_keys(plan.provider, &context).into());
        };
        let request = Request::post(["telephony", "numbers", "import"], RequestKind::Create, self.body(access));
        match make(&context, WantedNumber { number, created_after: plan.created_after }, request, documented).await? {
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
                Ok(self.done(access, facts).request_id(reply.request_id))
            }
            Made::Seen(row) => {
                let mut answer = self.done(access, imported(&row));
                answer.warn(
                    "Truedy's answer to the import was lost or unclear; the number was found in the account afterwards.",
                );
                Ok(answer)
            }
            Made::Refused(why, error) => {
                let stored = self.stored(&plan, &context).await;
                Err(said(self.refused(why, stored.as_deref()), &error).into())
            }
            Made::Unknown(error) => {
                let stored = self.stored(&plan, &context).await;
                Err(said(with_credential(self.unknown(), stored.as_deref()), &error).into())
            }
        }
    }

    async fn reconcile(operation: &Operation, account: &AccountView<'_>) -> Option<Outcome> {
        match account.added(operation, Self::KIND).await {
            None => account.credential_only(operation).await,
            imported => imported,
        }
    }

    fn undo(_: &Operation) -> Undo {
        NO_UNDO
    }

    fn unknown(&self) -> Refusal {
        let number = &self.phone_number;
        let summary = format!(
            "It is not known whether {number} was imported. Do not repeat the call: a repeat stores the credential a second time. It is looked for in the account; list_operations tells what is known, and list_numbers shows it once it is there."
        );
        Refusal::new(Status::OutcomeUnknown, summary).with("number", number.as_str())
    }
}

impl ImportNumber {
    /// What came with the call itself.
    fn given(&self) -> Vec<(AccessField, Secret)> {
        let text = |text: Option<&str>| text.and_then(|text| Secret::new(text.to_owned()).ok());
        let values = [
            (AccessField::ApiKey, self.api_key.clone()),
            (AccessField::AccountSid, text(self.account_sid.as_ref().map(AccountSid::as_str))),
            (AccessField::AuthToken, self.auth_token.clone()),
            (AccessField::SipUsername, text(self.sip_username.as_ref().map(SipUsername::as_str))),
            (AccessField::SipPassword, self.sip_password.clone()),
            (AccessField::SipServer, text(self.sip_server.as_ref().map(SipServer::as_str))),
        ];
        values.into_iter().filter_map(|(field, value)| Some((field, value?))).collect()
    }

    /// The carrier and what its account is opened with; without the latter a person must be asked for it, who can be.
    async fn account(&self, context: &ToolContext) -> Result<(ProviderType, Option<CarrierAccess>), ToolFailure> {
        let unreadable = || Refusal::new(Status::InvalidArgument, "Nothing was imported. No carrier is named.");
        if let Some(name) = &self.carrier {
            let of_profile = carrier::profile(context, name)?.provider();
            if let Some(named) = self.provider_type.filter(|named| *named != of_profile) {
                let problem = ArgumentProblem {
                    reason: format!("it is {named}, and the carrier profile {name} is of {of_profile}"),
                    expected: "carrier alone".to_owned(),
                    example: of_profile.as_str().to_owned(),
                    ..ArgumentProblem::of::<ProviderType>("provider_type", String::new(), None)
                };
                let summary =
                    format!("Nothing was imported. provider_type: {}; expected carrier alone.", problem.reason);
                let refusal = Refusal::new(Status::InvalidArgument, summary);
                return Err(refusal.with("problems", vec![problem.to_json()]).into());
            }
            let access = carrier::open(context, name).await?;
            if let Some(server) = access.sip_server() {
                context.policy.admit_sip(&server)?;
            }
            return Ok((of_profile, Some(access)));
        }
        let provider = self.provider_type.ok_or_else(unreadable)?;
        let given = self.given();
        if !given.iter().any(|(field, _)| field.is_secret()) {
            return if context.collects { Ok((provider, None)) } else { Err(self.no_keys(provider, context).into()) };
        }
        let access = CarrierAccess::new(provider, given).map_err(|_| unreadable())?;
        Ok((provider, Some(access)))
    }

    /// What is answered where neither the call nor a person brings what the carrier needs.
    fn no_keys(&self, provider: ProviderType, context: &ToolContext) -> Refusal {
        let fitting: Vec<&str> = context
            .carriers
            .all()
            .iter()
            .filter(|profile| profile.provider() == provider)
            .map(|profile| profile.name().as_str())
            .collect();
        let why_no_page = if context.policy.ask == AskMode::Off {
            "the operator of this server lets no user be asked (--ask off), so there is no page"
        } else {
            "this client cannot show its user a page"
        };
        let mut problems = vec![ArgumentProblem {
            reason: format!("no carrier profile is named, and {why_no_page} to enter the keys of {provider} on"),
            expected: carrier::known(&fitting),
            example: fitting.first().map_or(CarrierName::EXAMPLE, |name| name).to_owned(),
            ..ArgumentProblem::of::<CarrierName>("carrier", String::new(), None)
        }];
        if !context.policy.no_inline_secrets {
            let given: Vec<AccessField> = self.given().into_iter().map(|(field, _)| field).collect();
            problems.extend(AccessField::misfits(provider, &given));
        }
        let told: Vec<String> = problems.iter().map(|one| format!("{}: {}", one.field, one.reason)).collect();
        let next = match fitting.first() {
            Some(name) => {
                json!({ "tool": Self::NAME, "arguments": { "phone_number": self.phone_number, "carrier": name } })
            }
            None => json!({ "tool": "list_credentials", "arguments": {} }),
        };
        let summary = format!(
            "Nothing was imported. {}. carrier expects {}. Do not ask the user to type a key into the conversation.",
            told.join("; "),
            carrier::known(&fitting)
        );
        Refusal::new(Status::InvalidArgument, summary)
            .with("problems", problems.iter().map(ArgumentProblem::to_json).collect::<Vec<_>>())
            .with("next", next)
    }

    fn body(&self, access: &CarrierAccess) -> Value {
        let mut body = Map::new();
        body.insert("phone_number".to_owned(), json!(self.phone_number));
        body.insert("provider_type".to_owned(), json!(access.provider()));
        if let Some(name) = &self.friendly_name {
            body.insert("friendly_name".to_owned(), json!(name));
        }
        access.write(&mut body);
        Value::Object(body)
    }

    /// What the import is about, for the record.
    fn object(&self, provider: Option<ProviderType>, credentials_before: Option<Vec<String>>) -> OperationTarget {
        let provider = provider.map(|provider| provider.as_str().to_owned());
        OperationTarget { provider, credentials_before, ..OperationTarget::number(self.phone_number.as_str()) }
    }

    /// The credential that the import stored although the number is not there, if there is exactly one that can be it.
    async fn stored(&self, plan: &ImportPlan, context: &ToolContext) -> Option<String> {
        let context = context.with(context.call.unstoppable());
        lookup::new_credential(&context, plan.before.as_deref()?, plan.provider.as_str()).await
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
            refusal
                .summary
                .push_str(" A repeat may store the credential a second time; list_credentials shows what is stored.");
        }
        refusal
    }

    fn done(&self, access: &CarrierAccess, facts: Imported) -> ToolResponse<Imported> {
        let number = &self.phone_number;
        let summary = format!(
            "Imported {number}. It stays with its carrier, and Truedy has not checked the credentials. Assign an agent, then point the carrier at that agent's URL, last of all."
        );
        let mut answer = ToolResponse::new(Status::Imported, summary, facts).undo(NO_UNDO);
        if access.provider() == ProviderType::Twilio && access.get(AccessField::AccountSid).is_none() {
            answer.warn("No account_sid was given; Truedy may need it for Twilio.");
        }
        if access.provider() == ProviderType::CustomSip {
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
