//! `POST /telephony/numbers/purchase`: buy a number.
//!
//! Source: <https://docs.truedy.ai/api-reference/telephony> (Purchase Number); contract §6.3.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use super::answer::{Answer, Failure, Pointer, Undo};
use super::arguments::arguments;
use super::lookup;
use super::names;
use super::outcome::{Documented, Found, appears, documented_purchase, not_configured, said};
use super::prices::Price;
use super::search_numbers::{offer, search};
use super::tool::{Change, Desk, Effect, Step, Tool};
use crate::domain::{E164, OwnedNumber, Refusal, Secret, Status, text_at};
use crate::guard::{Claims, Form, Object, Question, Stakes};
use crate::truedy::{Error, Nature, Request};

/// What is kept back of the call's time for finding out what became of it.
const AFTERWARDS: Duration = Duration::from_secs(7);
/// How long looking for the price may take.
const PRICING: Duration = Duration::from_secs(6);

arguments! {
    /// Buy (purchase, order, get) a new phone number. Paid every month until released. Returns id and status.
    ///
    /// Take it from search_numbers and buy only what the user asked for. It is pending until the carrier has set it up, and then needs
    /// assign_number. To bring one from an own carrier use import_number. If the outcome is unknown do not buy again: look in list_numbers.
    PurchaseNumber {
        /// E.164: + and 2 to 15 digits, as offered: "+14155550123".
        phone_number: E164,
        /// Secret: own Telnyx key, to buy in an own Telnyx account.
        api_key: Option<Secret>,
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
    type Output = Purchased;
}

impl Change for PurchaseNumber {
    type Plan = ();

    fn claims(&self) -> Claims {
        let number = &self.phone_number;
        Claims { buys: Some(number.clone()), makes: Some(number.as_str().to_owned()), ..Claims::default() }
    }

    async fn plan(&self, desk: &Desk) -> Result<Step<(), Purchased>, Failure> {
        let number = self.phone_number.as_str();
        let owned = lookup::numbers_until(desk, false, |row| row.number == number).await?;
        if let Some(row) = owned.rows.into_iter().find(|row| row.number == number) {
            let summary = format!("Nothing was bought: {number} belongs to this account already.");
            return Ok(Step::Done(Answer::new(
                Status::AlreadyOwned,
                summary,
                Purchased { purchased: false, ..bought(&row) },
            )));
        }
        let price = if desk.asks { Some(self.price(desk).await) } else { None };
        let words = price.as_ref().map_or_else(String::new, Price::words);
        Ok(Step::Ready(
            (),
            Stakes {
                object: Object { id: None, number: number.to_owned() },
                question: Some(Question {
                    message: format!("Buy {number} for {words}? It is billed every month until it is released."),
                    form: Form::Yes { field: "buy" },
                    declined: "Nothing was bought.".to_owned(),
                }),
                seen: words,
                ..Stakes::default()
            },
        ))
    }

    async fn act(self, (): (), desk: Desk) -> Result<Answer<Purchased>, Failure> {
        let number = self.phone_number.as_str();
        let mut body = json!({ "phone_number": number });
        if let (Some(key), Some(fields)) = (&self.api_key, body.as_object_mut()) {
            fields.insert("api_key".to_owned(), json!(key.expose()));
        }
        let request = Request::post(["telephony", "numbers", "purchase"], Nature::Create, body);
        let reply = match desk.truedy.send(request, &desk.call.leaving(AFTERWARDS)).await {
            Ok(reply) => reply,
            Err(error) if error.may_have_happened() => return self.look_up(error, &desk).await,
            // A conflict with what? Perhaps with this very number being ours already.
            Err(Error::Refused(saying)) if saying.status == 409 => {
                return match appears(&desk, number, true).await {
                    Found::Here(row) => Ok(self.done(bought(&row))),
                    Found::Absent | Found::Unreadable => Err(Error::Refused(saying).into()),
                };
            }
            Err(error) => return Err(error.into()),
        };
        let listed = appears(&desk.with(desk.call.within(Duration::from_secs(4))), number, true).await;
        let mut purchased = Purchased {
            purchased: true,
            number: number.to_owned(),
            id: text_at(&reply.data, "number_id").or_else(|| text_at(&reply.data, "id")),
            number_status: None,
        };
        match &listed {
            Found::Here(row) => purchased = bought(row),
            Found::Absent | Found::Unreadable => {
                let order =
                    reply.data.get("purchase_response").map(|response| response.get("data").unwrap_or(response));
                purchased.number_status =
                    Some(order.and_then(|order| text_at(order, "status")).unwrap_or_else(|| "unknown".to_owned()));
            }
        }
        let mut answer = self.done(purchased).request_id(reply.request_id);
        if listed == Found::Absent {
            answer.warn(format!(
                "Truedy confirmed the purchase, but {} does not show the number yet.",
                names::LIST_NUMBERS
            ));
        }
        if requirements_open(&reply.data) {
            answer.warn("The carrier asks for documents before it sets the number up; until then it stays pending. See the Truedy dashboard.");
        }
        Ok(answer)
    }
}

impl PurchaseNumber {
    /// The answer may have been lost on the way: the list knows.
    async fn look_up(&self, error: Error, desk: &Desk) -> Result<Answer<Purchased>, Failure> {
        let number = self.phone_number.as_str();
        let documented = documented_purchase(&error);
        let found = appears(desk, number, documented.is_some()).await;
        if let Found::Here(row) = found {
            let mut answer = self.done(bought(&row));
            answer.warn(
                "Truedy's answer to the purchase was lost or unclear; the number was found in the account afterwards.",
            );
            return Ok(answer);
        }
        let refusal = match (documented, found) {
            (Some(Documented::NotConfigured), Found::Absent) => not_configured("Nothing was bought."),
            (Some(_), Found::Absent) => Refusal::new(
                Status::UpstreamRejected,
                format!("Nothing was bought: {number} cannot be had, in the words of truedy_says, and it is not in the account. Search again for another one."),
            )
            .with("next", json!({ "tool": names::SEARCH_NUMBERS, "arguments": {} })),
            _ => Refusal::new(
                Status::OutcomeUnknown,
                format!(
                    "It is not known whether {number} was bought. Do not repeat the call and do not buy another number instead. Look for it with {} in a minute; if it does not show up, ask Truedy's dashboard or support before anything else.",
                    names::LIST_NUMBERS
                ),
            )
            .with("next", json!({ "tool": names::LIST_NUMBERS, "arguments": {} })),
        };
        Err(said(refusal.with("number", number), &error).into())
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

    /// What it costs: as searched lately, or searched for now. Only a person needs it.
    async fn price(&self, desk: &Desk) -> Price {
        let number = self.phone_number.as_str();
        if let Some(price) = desk.prices.recall(number) {
            return price;
        }
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
                if let Some(key) = &self.api_key {
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
