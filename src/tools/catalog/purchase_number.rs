//! `POST /telephony/numbers/purchase`: buy a number.
//!
//! Source: <https://docs.truedy.ai/api-reference/telephony> (Purchase Number); contract §6.3.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Value, json};

use crate::domain::{
    ArgumentProblem, CapRule, CarrierName, Ceiling, ChangeClass, ChangeKind, ConfirmationToken, E164, Effect, Fees,
    Money, OperationIds, OperationTarget, OwnedNumber, Proof, Refusal, Status, text_at,
};
use crate::guard::{ChangeImpact, Level, Question, QuestionForm, RequestedChange, Scope};
use crate::journal::{Operation, Outcome, key_of_added};
use crate::redact::Secret;
use crate::tools::account::carrier;
use crate::tools::account::near_rows::must_be_readable;
use crate::tools::account::number_rows::before_adding;
use crate::tools::account::price_search::{self, failed_search};
use crate::tools::account::view::AccountView;
use crate::tools::changes::create_once::{Made, make};
use crate::tools::changes::verify::{Documented, Found, WantedNumber, documented_purchase, not_configured, said};
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::{MoneyLimits, ToolContext};
use crate::tools::contract::offered_numbers::impossible_number;
use crate::tools::contract::price::{Price, PriceAccount, PriceFacts};
use crate::tools::contract::response::{ToolFailure, ToolResponse, Undo};
use crate::tools::contract::tool::{Change, Planned, Tool};
use crate::truedy::{ApiReply, Error, Request, RequestKind};

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
        /// Most a month, "1.50 + 3 once"; "": no limit.
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
#[derive(Debug, Clone, Default, Serialize, JsonSchema)]
pub(crate) struct Purchased {
    purchased: bool,
    number: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    number_status: Option<String>,
    /// What it costs. `None` if nothing was bought.
    #[serde(flatten)]
    cost: Option<PriceFacts>,
}

/// What was found before buying.
#[derive(Debug)]
pub(crate) struct PurchasePlan {
    /// The own Telnyx key, if it is bought with one.
    key: Option<Secret>,
    price: Price,
    /// The earliest creation of a row that the purchase can have added.
    created_after: Option<i64>,
}

/// What takes a purchase back, in the answer and in the journal.
const NO_UNDO: Undo = Undo::No("no undo; release_number gives it up for good, nothing is paid back");

/// The facts about a purchase that policy, journal and messages need.
const KIND: ChangeKind = ChangeKind {
    name: "purchase_number",
    class: ChangeClass::Spends,
    done: "bought",
    nothing: "Nothing was bought.",
    happened: "the number was bought",
    succeeded: Status::Purchased,
    not_done: "not_bought",
    cap: Some(CapRule::Purchases),
    proof: Proof::NumberPresent,
    // Each purchase costs money.
    repeat_window: Duration::from_secs(24 * 60 * 60),
};

impl Tool for PurchaseNumber {
    const NAME: &'static str = KIND.name;
    const TITLE: &'static str = "Buy a phone number";
    const SEARCH_HINT: &'static str = "buy, order, get or rent a new phone number";
    const EXAMPLE: Option<&'static str> = Some("phone_number=+14155550100 --sandbox");
    const EFFECT: Effect = Effect::Changes(&KIND);
    const SCOPE: Scope = Scope::NumbersPurchase;
    type Output = Purchased;

    fn contradictions(&self) -> Vec<ArgumentProblem> {
        carrier::wrong_key(self.carrier.as_ref(), self.api_key.as_ref())
    }
}

impl Change for PurchaseNumber {
    const KIND: &'static ChangeKind = &KIND;
    type Plan = PurchasePlan;

    fn claims(&self) -> RequestedChange {
        let number = &self.phone_number;
        RequestedChange {
            confirm: self.confirm == Some(true),
            buys: Some(number.clone()),
            makes: Some(number.as_str().to_owned()),
            about: OperationTarget::number(number.as_str()),
            token: self.confirmation_token.clone(),
            acknowledged: self.acknowledge_unresolved.clone().unwrap_or_default(),
            ..RequestedChange::default()
        }
    }

    async fn plan(&self, context: &ToolContext) -> Result<Planned<Self::Plan, Purchased>, ToolFailure> {
        self.possible(context)?;
        let number = self.phone_number.as_str();
        let key = carrier::telnyx_key(context, self.api_key.as_ref(), self.carrier.as_ref()).await?;
        let near = before_adding(context, number).await?;
        if let Some(row) = near.listing.rows.iter().find(|row| row.number == number) {
            let summary = format!("Nothing was bought: {number} belongs to this account already.");
            return Ok(Planned::Done(ToolResponse::new(
                Status::AlreadyOwned,
                summary,
                Purchased { purchased: false, ..bought(row) },
            )));
        }
        must_be_readable(&near)?;
        let created_after = near.created_after(context);
        let account_ids = near.whole.then(|| near.listing.rows.iter().map(|row| row.id.clone()).collect());
        let account = PriceAccount::of(self.carrier.as_ref(), self.api_key.as_ref());
        let (price, unsearched) =
            price_search::price(context, &self.phone_number, self.may_buy(context), key.as_ref(), &account).await;
        let explained = |refusal: Refusal| match &unsearched {
            Some(error) => refusal.with("price_search", failed_search(error).1),
            None => refusal,
        };
        if let Some(ceiling) = &self.max_monthly_cost {
            self.within(ceiling, &price).map_err(explained)?;
        }
        let budget = context.admit_price(Self::NAME, &price).await.map_err(explained)?;
        let words = price.words();
        let (preview, shows) = self.preview(context, &price, &budget, unsearched.as_ref());
        let impact = ChangeImpact {
            object: OperationTarget { created_after, ..OperationTarget::number(number) },
            grave: true,
            without_flag: Some(preview),
            shows,
            yes_is_enough: true,
            question: Some(Question {
                message: format!(
                    "Buy {number} for {words}? It is billed every month until it is released.{}{}",
                    context.counted("Bought"),
                    budget.counted()
                ),
                form: QuestionForm::Yes { field: "buy" },
                declined: "Nothing was bought.".to_owned(),
            }),
            seen: price.fingerprint(&account),
            flight: Some(key_of_added(number)),
            price: budget.reserved,
            fees: Fees::of(price.monthly_money(), price.upfront_money()),
            account_ids,
            ..ChangeImpact::default()
        };
        Ok(Planned::Ready(PurchasePlan { key, price, created_after }, Box::new(impact)))
    }

    async fn act(self, plan: PurchasePlan, context: ToolContext) -> Result<ToolResponse<Purchased>, ToolFailure> {
        let number = self.phone_number.as_str();
        tracing::info!(number, price = plan.price.in_one_field(), "buying");
        let mut body = json!({ "phone_number": number });
        if let (Some(key), Some(fields)) = (&plan.key, body.as_object_mut()) {
            fields.insert("api_key".to_owned(), json!(key.expose()));
        }
        let request = Request::post(["telephony", "numbers", "purchase"], RequestKind::Create, body);
        match make(&context, WantedNumber { number, created_after: plan.created_after }, request, documented_purchase)
            .await?
        {
            Made::Confirmed(reply, listed) => Ok(self.confirmed(&reply, &listed, &plan.price)),
            Made::Seen(row) => {
                let mut answer = self.done(bought(&row), &plan.price);
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
                    .with("next", json!({ "tool": "search_numbers", "arguments": {} })),
                };
                Err(said(refusal.with("number", number), &error).into())
            }
            Made::Unknown(error) => Err(said(self.unknown().with("price", plan.price.in_one_field()), &error).into()),
        }
    }

    async fn reconcile(operation: &Operation, account: &AccountView<'_>) -> Option<Outcome> {
        account.added(operation, Self::KIND).await
    }

    fn undo(_: &Operation) -> Undo {
        NO_UNDO
    }

    fn unknown(&self) -> Refusal {
        let number = &self.phone_number;
        let summary = format!(
            "It is not known whether {number} was bought. Do not repeat the call and do not buy another number instead. It is looked for in the account; list_operations tells what is known, and list_numbers shows it once it is there. If it does not show up, ask Truedy's dashboard or support before anything else."
        );
        Refusal::new(Status::OutcomeUnknown, summary).with("number", number.as_str())
    }
}

impl PurchaseNumber {
    /// Refuses a number that cannot exist, unless Truedy's own search offered it to this process.
    ///
    /// Nothing is sent to find out: so a process that did not search does not know of the offer, and says so.
    fn possible(&self, context: &ToolContext) -> Result<(), Refusal> {
        let Some(why) = context.offered.impossible(&self.phone_number) else { return Ok(()) };
        let problem = impossible_number("phone_number", &self.phone_number, why);
        let summary = format!(
            "Nothing was bought. phone_number: {}; expected {}. If it is for sale all the same, search for it with search_numbers first, in this same session; once the search has offered it, it can be bought.",
            problem.reason, problem.expected
        );
        Err(Refusal::new(Status::InvalidArgument, summary).with("problems", vec![problem.to_json()]))
    }

    /// Truedy says that it was bought.
    fn confirmed(&self, reply: &ApiReply, listed: &Found, price: &Price) -> ToolResponse<Purchased> {
        let mut purchased = Purchased {
            purchased: true,
            number: self.phone_number.as_str().to_owned(),
            id: text_at(&reply.data, "number_id").or_else(|| text_at(&reply.data, "id")),
            ..Purchased::default()
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
        let mut answer = self.done(purchased, price).request_id(reply.request_id.clone());
        if *listed == Found::Absent {
            answer.warn("Truedy confirmed the purchase, but list_numbers does not show the number yet.");
        }
        if requirements_open(&reply.data) {
            answer.warn("The carrier asks for documents before it sets the number up; until then it stays pending. See the Truedy dashboard.");
        }
        answer
    }

    /// Holds the price against the caller's own limit, beside the operator's.
    fn within(&self, ceiling: &Ceiling, price: &Price) -> Result<(), Refusal> {
        let (monthly, once) = (price.monthly_money(), price.upfront_money());
        let most = ceiling.monthly(monthly.as_ref().map_or("USD", Money::currency));
        let why = match &monthly {
            None => Some("What the number costs is not known, so the limit you gave cannot be kept.".to_owned()),
            Some(monthly) => beyond(monthly, "a month", most.as_ref()).or_else(|| {
                once.as_ref().and_then(|once| beyond(once, "once", ceiling.once(once.currency()).as_ref()))
            }),
        };
        let Some(why) = why else { return Ok(()) };
        let way =
            if self.api_key.is_some() { "call again without it, with the same api_key" } else { "call as in next" };
        let summary = format!(
            "Nothing was bought. {why} It is max_monthly_cost of this call. To see the price and decide anew, {way}: a preview, which buys nothing."
        );
        let mut refusal = Refusal::new(Status::PriceLimit, summary).with("number", self.phone_number.as_str());
        if let Some(most) = most {
            refusal = refusal.with("limit", most.to_string());
        }
        refusal = refusal.with("price", price.in_one_field());
        // A key is not repeated, and without it the call would ask for the price of another account.
        Err(if self.api_key.is_some() { refusal } else { refusal.with("next", self.call(None, false)) })
    }

    fn done(&self, mut purchased: Purchased, price: &Price) -> ToolResponse<Purchased> {
        purchased.cost = Some(price.facts());
        let number = &self.phone_number;
        let state = match purchased.number_status.as_deref() {
            Some("active") => "It is active.",
            Some("pending") => "It is pending: the carrier is still setting it up.",
            _ => "Its status is in number_status; only active numbers carry calls.",
        };
        let active = purchased.number_status.as_deref() == Some("active");
        let next = format!("Assign it with assign_number{}.", if active { "" } else { " once it is active" });
        let summary = format!("Bought {number} for {}. {state} No agent uses it yet. {next}", price.words());
        let answer = ToolResponse::new(Status::Purchased, summary, purchased).undo(NO_UNDO);
        if active { answer } else { answer.next("list_numbers", json!({ "status": "active" })) }
    }

    /// What the caller reads where nothing was bought for want of a word: the price, and the call that buys.
    fn preview(
        &self,
        context: &ToolContext,
        price: &Price,
        budget: &MoneyLimits,
        unsearched: Option<&Error>,
    ) -> (Refusal, String) {
        let left = context.policy.caps.purchases.most().map(|most| most.saturating_sub(context.used));
        let spend_left = budget.left().map(|left| left.to_string());
        let search = unsearched.map(failed_search);
        let told = search.as_ref().map(|(why, _)| why.as_str());
        let shows = self.preview_in_words(price, told, (left, spend_left.as_deref()), context.policy.level);
        let summary = format!("Nothing was bought; {shows}");
        let mut preview =
            Refusal::new(Status::ConfirmationRequired, summary).with("number", self.phone_number.as_str());
        let told = price.facts();
        for (field, value) in told.fields().chain(spend_left.map(|left| ("spend_left", left))) {
            preview = preview.with(field, value);
        }
        preview = preview.with("price", price.in_one_field());
        if let Some(left) = left {
            preview = preview.with("purchases_left", left);
        }
        if let Some((_, search)) = search {
            preview = preview.with("price_search", search);
        }
        // A key is not repeated, and without it the call would buy from another account.
        if self.api_key.is_none() {
            preview = preview.with("next", self.call(limit(price), true));
        }
        (preview, shows)
    }

    /// The preview as a text. `left`: how many purchases, and how much money, are left in 24 hours, where that is limited.
    fn preview_in_words(
        &self,
        price: &Price,
        unsearched: Option<&str>,
        left: (Option<u32>, Option<&str>),
        level: Level,
    ) -> String {
        let (number, monthly) = (self.phone_number.as_str(), price.monthly_money());
        let mut summary =
            format!("this is a preview. {number} costs {}, billed every month until it is released.", price.words());
        if let Some(why) = unsearched {
            summary.push_str(&format!(" {why}"));
        }
        if monthly.is_none() {
            summary.push_str(" Nothing limits what it may cost.");
        }
        if let Some(left) = left.0 {
            summary.push_str(&format!(" Purchases left in 24 hours: {left}."));
        }
        if let Some(left) = left.1 {
            summary.push_str(&format!(" Left to spend in 24 hours: {left}."));
        }
        let token = if level >= Level::Token { " and this confirmation_token, within five minutes" } else { "" };
        let same = if self.api_key.is_some() { ", the same api_key" } else { "" };
        let limit = limit(price).map(|most| format!(", max_monthly_cost: \"{most}\"")).unwrap_or_default();
        summary + &format!(" If the user agrees, call {} again with confirm: true{same}{limit}{token}.", Self::NAME)
    }

    /// The call that comes next: one that buys what a preview shows, and nothing dearer, or one that previews.
    fn call(&self, most: Option<String>, confirm: bool) -> Value {
        let mut next = json!({ "phone_number": self.phone_number });
        if let Some(arguments) = next.as_object_mut() {
            let mut add =
                |name: &str, value: Option<Value>| drop(value.map(|value| arguments.insert(name.to_owned(), value)));
            add("confirm", confirm.then_some(json!(true)));
            add("carrier", self.carrier.as_ref().map(|carrier| json!(carrier)));
            add("max_monthly_cost", most.map(|most| json!(most)));
            add("acknowledge_unresolved", self.acknowledge_unresolved.as_ref().map(|ids| json!(ids.to_strings())));
        }
        json!({ "tool": Self::NAME, "arguments": next })
    }

    /// Whether the call may buy: then an older price does not do.
    fn may_buy(&self, context: &ToolContext) -> bool {
        let yes_is_enough = context.asks && context.policy.level == Level::Flag;
        self.confirm == Some(true) || self.confirmation_token.is_some() || yes_is_enough
    }
}

/// The limit of the call that buys at the price of a preview, and at no higher one.
fn limit(price: &Price) -> Option<String> {
    Ceiling::exactly(price.monthly_money().as_ref(), price.upfront_money().as_ref())
}

/// Says why a price is beyond a limit. `None` if it is not.
fn beyond(price: &Money, period: &str, most: Option<&Money>) -> Option<String> {
    let most = most?;
    if most.currency() != price.currency() {
        return Some(format!("It costs {price} {period}, and the limit you gave is in {}.", most.currency()));
    }
    (price.micros() > most.micros())
        .then(|| format!("It costs {price} {period}, more than the {most} {period} of the limit you gave."))
}

fn bought(row: &OwnedNumber) -> Purchased {
    Purchased {
        purchased: true,
        number: row.number.clone(),
        id: Some(row.id.clone()),
        number_status: Some(row.status.clone()),
        ..Purchased::default()
    }
}

fn requirements_open(data: &Value) -> bool {
    data.pointer("/purchase_response/data/requirements_met").and_then(Value::as_bool) == Some(false)
}
