//! `POST /telephony/numbers/purchase`: buy a number.
//!
//! Source: <https://docs.truedy.ai/api-reference/telephony> (Purchase Number); contract §6.3.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::{Answer, Failure, Pointer, Undo};
use super::arguments::arguments;
use super::creation::{Made, flight, make};
use super::lookup::{self, Listing};
use super::names;
use super::offered::impossible_number;
use super::outcome::{Documented, Found, documented_purchase, not_configured, said};
use super::own_carrier;
use super::prices::Price;
use super::search_numbers::{offer, search};
use super::tool::{Change, Desk, Effect, Step, Tool};
use crate::domain::{
    CarrierName, Ceiling, ConfirmationToken, E164, Object, OperationIds, OwnedNumber, Problem, Refusal, Secret, Status,
    text_at,
};
use crate::guard::{Claims, Form, Level, Question, Scope, Stakes};
use crate::truedy::{Nature, Reply, Request};

/// How long looking for the price may take.
const PRICING: Duration = Duration::from_secs(6);

arguments! {
    /// Buy (purchase, order, get) a new phone number. Paid every month until released. Returns id and status.
    ///
    /// Take it from search_numbers and buy only what the user asked for. Pending until the carrier has set it up; then assign_number. To bring one from an own carrier use import_number. If the outcome is unknown do not buy again: see list_operations.
    PurchaseNumber {
        /// E.164: + and 2 to 15 digits, "+14155550123".
        phone_number: E164,
        /// Own Telnyx account by its profile, "main".
        carrier: Option<CarrierName>,
        /// Secret; prefer carrier. Own Telnyx key.
        api_key: Option<Secret>,
        /// At most this a month, "1.50".
        max_monthly_cost: Option<Ceiling>,
        /// true once the user agreed to the preview.
        confirm: Option<bool>,
        /// From the preview.
        confirmation_token: Option<ConfirmationToken>,
        /// At most 50 ids the user knows may be bought.
        acknowledge_unresolved: Option<OperationIds>,
    }
}

/// A bought number.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(super) struct Purchased {
    purchased: bool,
    number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number_status: Option<String>,
}

impl Tool for PurchaseNumber {
    const NAME: &'static str = names::PURCHASE_NUMBER;
    const TITLE: &'static str = "Buy a phone number";
    const EFFECT: Effect = Effect::Spends;
    const SCOPE: Scope = Scope::NumbersPurchase;
    type Output = Purchased;

    fn contradictions(&self) -> Vec<Problem> {
        own_carrier::wrong_key(self.carrier.as_ref(), self.api_key.as_ref())
    }
}

impl Change for PurchaseNumber {
    /// The own Telnyx key, if it is bought with one.
    type Plan = Option<Secret>;

    fn claims(&self) -> Claims {
        let number = &self.phone_number;
        Claims {
            confirm: self.confirm == Some(true),
            buys: Some(number.clone()),
            makes: Some(number.as_str().to_owned()),
            about: Object::number(number.as_str()),
            token: self.confirmation_token.clone(),
            acknowledged: self.acknowledge_unresolved.clone().unwrap_or_default(),
            ..Claims::default()
        }
    }

    async fn plan(&self, desk: &Desk) -> Result<Step<Self::Plan, Purchased>, Failure> {
        self.possible(desk)?;
        let number = self.phone_number.as_str();
        let key = own_carrier::telnyx_key(desk, self.api_key.as_ref(), self.carrier.as_ref()).await?;
        let Listing { rows, complete } = lookup::numbers_until(desk, false, |row| row.number == number).await?;
        if let Some(row) = rows.into_iter().find(|row| row.number == number) {
            let summary = format!("Nothing was bought: {number} belongs to this account already.");
            return Ok(Step::Done(Answer::new(
                Status::AlreadyOwned,
                summary,
                Purchased { purchased: false, ..bought(&row) },
            )));
        }
        lookup::must_be_whole(complete)?;
        let wanted = desk.wants_price || self.max_monthly_cost.is_some();
        // One that was seen lately costs nothing to record.
        let price = if wanted { Some(self.price(desk, key.as_ref()).await) } else { desk.prices.recall(number) };
        if let (Some(ceiling), Some(price)) = (&self.max_monthly_cost, &price) {
            self.within(ceiling, price)?;
        }
        let reserved = desk.admit_price(price.as_ref())?;
        let words = price.as_ref().map_or_else(String::new, Price::words);
        let mut next = json!({ "phone_number": number, "confirm": true });
        if let (Some(carrier), Some(arguments)) = (&self.carrier, next.as_object_mut()) {
            arguments.insert("carrier".to_owned(), json!(carrier));
        }
        let preview = Refusal::new(
            Status::ConfirmationRequired,
            format!("Nothing was bought; this is a preview for {number}, at {words}. It is billed every month until it is released. If the user agrees, call {} again with confirm: true and this confirmation_token, within five minutes.", Self::NAME),
        )
        .with("number", number)
        .with("price", words.as_str())
        .with("next", json!({ "tool": Self::NAME, "arguments": next }));
        Ok(Step::Ready(
            key,
            Box::new(Stakes {
                object: Object::number(number),
                grave: true,
                without_flag: Some(preview),
                flag_from: Level::Token,
                question: Some(Question {
                    message: format!(
                        "Buy {number} for {words}? It is billed every month until it is released.{}",
                        desk.counted("Bought")
                    ),
                    form: Form::Yes { field: "buy" },
                    declined: "Nothing was bought.".to_owned(),
                }),
                seen: words,
                flight: Some(flight(number)),
                price: reserved,
                ..Stakes::default()
            }),
        ))
    }

    async fn act(self, key: Self::Plan, desk: Desk) -> Result<Answer<Purchased>, Failure> {
        let number = self.phone_number.as_str();
        let mut body = json!({ "phone_number": number });
        if let (Some(key), Some(fields)) = (&key, body.as_object_mut()) {
            fields.insert("api_key".to_owned(), json!(key.expose()));
        }
        let request = Request::post(["telephony", "numbers", "purchase"], Nature::Create, body);
        match make(&desk, number, request, documented_purchase).await? {
            Made::Confirmed(reply, listed) => Ok(self.confirmed(&reply, &listed)),
            Made::Seen(row) => {
                let mut answer = self.done(bought(&row));
                answer.warn(
                    "Truedy's answer to the purchase was lost or unclear; the number was found in the account afterwards.",
                );
                Ok(answer)
            }
            Made::Refused(why, error) => {
                let refusal = match why {
                    Documented::NotConfigured => not_configured("Nothing was bought."),
                    _ => Refusal::new(
                        Status::UpstreamRejected,
                        format!("Nothing was bought: {number} cannot be had, in the words of truedy_says, and it is not in the account. Search again for another one."),
                    )
                    .with("next", json!({ "tool": names::SEARCH_NUMBERS, "arguments": {} })),
                };
                Err(said(refusal.with("number", number), &error).into())
            }
            Made::Unknown(error) => Err(said(self.unknown(), &error).into()),
        }
    }

    fn unknown(&self) -> Refusal {
        let number = &self.phone_number;
        let summary = format!(
            "It is not known whether {number} was bought. Do not repeat the call and do not buy another number instead. It is looked for in the account; {} tells what is known, and {} shows it once it is there. If it does not show up, ask Truedy's dashboard or support before anything else.",
            names::LIST_OPERATIONS,
            names::LIST_NUMBERS
        );
        Refusal::new(Status::OutcomeUnknown, summary).with("number", number.as_str())
    }
}

impl PurchaseNumber {
    /// Refuses a number that cannot exist, unless Truedy's own search offered it.
    fn possible(&self, desk: &Desk) -> Result<(), Refusal> {
        let Some(why) = desk.offered.impossible(&self.phone_number) else { return Ok(()) };
        let problem = impossible_number("phone_number", &self.phone_number, why);
        let summary = format!(
            "Nothing was bought. phone_number: {}; expected {}. A number that {} offers can be bought whatever its form.",
            problem.reason,
            problem.expected,
            names::SEARCH_NUMBERS
        );
        Err(Refusal::new(Status::InvalidArgument, summary).with("problems", vec![problem.to_json()]))
    }

    /// Truedy says that it was bought.
    fn confirmed(&self, reply: &Reply, listed: &Found) -> Answer<Purchased> {
        let mut purchased = Purchased {
            purchased: true,
            number: self.phone_number.as_str().to_owned(),
            id: text_at(&reply.data, "number_id").or_else(|| text_at(&reply.data, "id")),
            number_status: None,
        };
        match listed {
            Found::Here(row) => purchased = bought(row),
            Found::Absent | Found::Unreadable => {
                let order =
                    reply.data.get("purchase_response").map(|response| response.get("data").unwrap_or(response));
                purchased.number_status =
                    Some(order.and_then(|order| text_at(order, "status")).unwrap_or_else(|| "unknown".to_owned()));
            }
        }
        let mut answer = self.done(purchased).request_id(reply.request_id.clone());
        if *listed == Found::Absent {
            answer.warn(format!(
                "Truedy confirmed the purchase, but {} does not show the number yet.",
                names::LIST_NUMBERS
            ));
        }
        if requirements_open(&reply.data) {
            answer.warn("The carrier asks for documents before it sets the number up; until then it stays pending. See the Truedy dashboard.");
        }
        answer
    }

    /// The caller's own limit, beside the operator's.
    fn within(&self, ceiling: &Ceiling, price: &Price) -> Result<(), Refusal> {
        let no = |rule: &str, why: String| {
            Err(Refusal::new(Status::PolicyDenied, format!("Nothing was bought. {why}"))
                .with("rule", rule)
                .with("number", self.phone_number.as_str()))
        };
        let Some(monthly) = price.monthly_money() else {
            return no(
                "price_unknown",
                "What the number costs is not known, so max_monthly_cost cannot be kept.".to_owned(),
            );
        };
        match ceiling.money(monthly.currency()) {
            Some(most) if most.currency() != monthly.currency() => no(
                "price_unknown",
                format!("It costs {monthly} a month, and max_monthly_cost is in {}.", most.currency()),
            ),
            Some(most) if monthly.micros() > most.micros() => {
                no("max_monthly_cost", format!("It costs {monthly} a month, more than the {most} of max_monthly_cost."))
            }
            _ => Ok(()),
        }
    }

    fn done(&self, purchased: Purchased) -> Answer<Purchased> {
        let number = &self.phone_number;
        let state = match purchased.number_status.as_deref() {
            Some("active") => "It is active.",
            Some("pending") => "It is pending: the carrier is still setting it up.",
            _ => "Its status is in number_status; only active numbers carry calls.",
        };
        let active = purchased.number_status.as_deref() == Some("active");
        let next =
            format!("Assign it with {}{}.", names::ASSIGN_NUMBER, if active { "" } else { " once it is active" });
        let summary = format!("Bought {number}. {state} No agent uses it yet. {next}");
        let answer = Answer::new(Status::Purchased, summary, purchased)
            .undo(Undo::Call(Pointer { tool: names::RELEASE_NUMBER, arguments: json!({ "number_id": number }) }));
        if active { answer } else { answer.next(names::LIST_NUMBERS, json!({ "status": "active" })) }
    }

    /// What it costs: as searched lately, or searched for now.
    async fn price(&self, desk: &Desk, key: Option<&Secret>) -> Price {
        let number = self.phone_number.as_str();
        // A token is bound to the price: what was found for the preview does not prove what it costs now.
        if let Some(price) = desk.prices.recall(number).filter(|_| self.confirmation_token.is_none()) {
            return price;
        }
        desk.prices.forget(number);
        let desk = desk.with(desk.call.within(PRICING));
        for (country, area) in self.phone_number.regions() {
            let mut body = json!({ "country_code": country, "page": 1, "page_size": 100 });
            if let Some(fields) = body.as_object_mut() {
                match area {
                    Some(area) if E164::is_toll_free(area) => {
                        drop(fields.insert("phone_number_type".to_owned(), json!("toll_free")))
                    }
                    Some(area) => drop(fields.insert("area_code".to_owned(), json!(area))),
                    None => {}
                }
                if let Some(key) = key {
                    fields.insert("api_key".to_owned(), json!(key.expose()));
                }
            }
            if let Ok(reply) = search(&desk, body).await {
                for row in lookup::rows(&reply).unwrap_or_default() {
                    offer(row, &desk);
                }
            }
            if let Some(price) = desk.prices.recall(number) {
                return price;
            }
        }
        Price::default()
    }
}

fn bought(row: &OwnedNumber) -> Purchased {
    Purchased {
        purchased: true,
        number: row.number.clone(),
        id: Some(row.id.clone()),
        number_status: Some(row.status.clone()),
    }
}

fn requirements_open(data: &Value) -> bool {
    data.pointer("/purchase_response/data/requirements_met").and_then(Value::as_bool) == Some(false)
}
