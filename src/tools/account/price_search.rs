//! Searches for the price of a number, and explains to the caller of a purchase why a search failed.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::domain::{E164, Status};
use crate::redact::Secret;
use crate::tools::account::pages;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::price::{Price, PriceAccount};
use crate::tools::contract::price_cache::prices_in;
use crate::truedy::{ApiReply, Error, NotSent, Request, RequestKind};

/// The time limit for all searches for the price of one number.
const PRICING: Duration = Duration::from_secs(6);

/// Sends one search for numbers for sale, with the carrier key of the caller if there is one.
pub(crate) async fn search(context: &ToolContext, body: &Value, key: Option<&Secret>) -> Result<ApiReply, Error> {
    let mut body = body.clone();
    if let (Some(key), Some(fields)) = (key, body.as_object_mut()) {
        fields.insert("api_key".to_owned(), json!(key.expose()));
    }
    context
        .truedy
        .send(Request::post(["telephony", "numbers", "search"], RequestKind::Search, body).list(), &context.call)
        .await
}

/// Returns the price of a number for this account. `may_buy`: the call may buy the number, so the price is searched for
/// now. A preview may show a price that was seen a short time ago. If no search shows the price, also returns the error of
/// a failed search.
pub(crate) async fn price(
    context: &ToolContext,
    number: &E164,
    may_buy: bool,
    key: Option<&Secret>,
    account: &PriceAccount,
) -> (Price, Option<Error>) {
    let seen = context.prices.recall(account, number.as_str());
    if let Some(seen) = seen.as_ref().filter(|_| !may_buy) {
        return (seen.price.clone(), None);
    }
    let context = context.with(context.call.within(PRICING));
    let mut failed = None;
    // The search that showed the number finds it again. Without one, the digits say where to search.
    let searches = seen.map(|seen| seen.search).into_iter().chain(searches(number).map(Arc::new));
    for body in searches {
        let reply = match search(&context, &body, key).await {
            Ok(reply) => reply,
            Err(error) => {
                failed = Some(error);
                continue;
            }
        };
        let found = prices_in(pages::rows(&reply).unwrap_or_default());
        context.prices.remember(account, &found, &body);
        if let Some(price) = found.get(number.as_str()) {
            return (price.clone(), None);
        }
    }
    context.prices.forget(account, number.as_str());
    (Price::default(), failed)
}

/// Returns the searches that may show a number: by the country and the area code that its digits show.
fn searches(number: &E164) -> impl Iterator<Item = Value> {
    number.regions().into_iter().map(|(country, area)| {
        let mut body = json!({ "country_code": country, "page": 1, "page_size": 100 });
        if let (Some(area), Some(fields)) = (area, body.as_object_mut()) {
            if E164::is_toll_free(area) {
                fields.insert("phone_number_type".to_owned(), json!("toll_free"));
            } else {
                fields.insert("area_code".to_owned(), json!(area));
            }
        }
        body
    })
}

/// Explains why a search did not give the price. Returns a sentence, and a field with Truedy's own message.
pub(crate) fn failed_search(error: &Error) -> (String, Value) {
    let unconfigured = error.api_error().is_some_and(|api_error| api_error.mentions(&["not configured"]));
    let status = match error {
        _ if unconfigured => Status::ProviderNotConfigured,
        Error::Refused(api_error) => match api_error.status {
            401 => Status::AuthFailed,
            402 => Status::PaymentRequired,
            403 => Status::Forbidden,
            _ => Status::UpstreamRejected,
        },
        Error::Limited(..) | Error::NotSent(NotSent::Queue(_)) => Status::RateLimited,
        Error::Unreadable(..) => Status::BadUpstreamResponse,
        Error::NotSent(_) | Error::NoVerdict(..) => Status::UpstreamUnavailable,
    };
    let why = if unconfigured {
        "No telephony provider is configured for this organisation at Truedy (provider_not_configured), so the price could not be searched, and the purchase will probably be refused for the same reason.".to_owned()
    } else {
        format!("The price could not be searched ({}).", status.as_str())
    };
    let mut told = json!({ "status": status });
    if let (Some(message), Some(fields)) =
        (error.api_error().and_then(|api_error| api_error.message.as_ref()), told.as_object_mut())
    {
        fields.insert("truedy_says".to_owned(), json!(message));
    }
    (why, told)
}
