//! Buying from the page that shows a search. It is a second entry to the purchase tool. It needs a token that only the
//! page received, and no model.
//!
//! A token proves that the result reached the client's page. It does not prove who clicked there. So a person is still
//! asked, at every level, if the client can ask one. Otherwise the page's claim would replace the person's
//! answer.

use std::sync::Arc;

use rmcp::model::Tool as ToolCard;
use serde_json::{Map, Value, json};

use crate::domain::{ArgumentProblem, Caller, ConfirmationToken, E164, OperationTarget, Status};
use crate::mcp::call::context::CallContext;
use crate::mcp::call::messages;
use crate::mcp::call::service::{CallResult, FinishedCall, Service, refuse};
use crate::mcp::consent::signed_state::Binding;
use crate::tools::{Change, PurchaseNumber, SearchNumbers, Tool, priced};

/// The tool that searches for numbers.
pub(crate) const SEARCHES: &str = SearchNumbers::NAME;
/// The tool that buys a number. All its rules apply here too.
pub(crate) const BUYS: &str = PurchaseNumber::NAME;
/// The tool for pages. Its tokens are valid only for this tool.
pub(crate) const NAME: &str = "buy_offer";
/// The metadata key under which a page finds its tokens: an object from number to token.
pub(crate) const TOKENS: &str = "truedy/offers";

const NUMBER: &str = "phone_number";
const TOKEN: &str = "confirmation_token";

/// Builds the tool as clients see it, from the card of the purchase tool.
pub(crate) fn card(mut card: ToolCard) -> ToolCard {
    let mut input = (*card.input_schema).clone();
    if let Some(Value::Object(properties)) = input.get_mut("properties") {
        properties.retain(|name, _| name == NUMBER || name == TOKEN);
    }
    input.insert("required".to_owned(), json!([NUMBER, TOKEN]));
    card.input_schema = Arc::new(input);
    // Clients that show pages hide this tool from the model. So its output schema would only add size.
    card.output_schema = None;
    card.name = NAME.into();
    card.title = Some("Buy an offered number".to_owned());
    if let Some(annotations) = &mut card.annotations {
        annotations.title.clone_from(&card.title);
    }
    card.description = Some(
        format!(
            "For the page of {SEARCHES} only: buys the number that a person confirmed there. The rules of {BUYS} hold."
        )
        .into(),
    );
    let mut meta = card.meta.take().unwrap_or_default();
    meta.0.insert("ui".to_owned(), json!({ "visibility": ["app"] }));
    card.with_meta(meta)
}

/// Issues a token for each number that a search found, bound to the price that the search showed.
pub(crate) fn tokens(service: &Service, caller: &Caller, found: &Map<String, Value>) -> Value {
    let offers = found.get("offers").and_then(Value::as_array).into_iter().flatten();
    let tokens = offers.filter_map(|offer| {
        let (number, price) = priced(offer)?;
        // An offer without a valid number cannot be bought.
        E164::try_from(number).ok()?;
        let object = OperationTarget::number(number);
        let token = service.tokens.issue(&Binding { caller, tool: NAME, object: &object }, &price).ok()?;
        Some((number.to_owned(), json!(token)))
    });
    Value::Object(tokens.collect())
}

/// Buys the number that a person confirmed on the page. It works like the purchase, except that the token is required.
pub(crate) async fn buy<T: Change>(
    service: Arc<Service>,
    mut arguments: Map<String, Value>,
    mut call_context: CallContext,
) -> CallResult {
    let problems = problems(&arguments);
    if !problems.is_empty() {
        return refuse(messages::on_problems(&problems, T::EFFECT));
    }
    // The second click on the page is the confirmation.
    arguments.insert("confirm".to_owned(), json!(true));
    call_context.token_for = Some(NAME);
    let mut reply = service.change::<T>(arguments, call_context).await;
    if let CallResult::Done(finished) = &mut reply {
        reword(finished);
    }
    reply
}

/// Returns the problems of the arguments that the purchase itself does not report.
fn problems(arguments: &Map<String, Value>) -> Vec<ArgumentProblem> {
    let missing = |name: &&str| arguments.get(*name).is_none_or(|value| value.is_null() || *value == json!(""));
    let mut problems: Vec<ArgumentProblem> = [NUMBER, TOKEN]
        .iter()
        .filter(|name| missing(name))
        .map(|name| match *name {
            NUMBER => ArgumentProblem::of::<E164>(name, "it is missing".to_owned(), None),
            _ => ArgumentProblem::of::<ConfirmationToken>(name, "it is missing".to_owned(), None),
        })
        .collect();
    // The unknown names are not repeated, because one of them may be a token by mistake.
    if arguments.keys().any(|name| name != NUMBER && name != TOKEN) {
        problems.push(ArgumentProblem {
            field: "arguments".to_owned(),
            reason: "there are others than it takes".to_owned(),
            for_people: None,
            received: None,
            expected: format!("only {NUMBER} and {TOKEN}"),
            example: NUMBER.to_owned(),
            did_you_mean: None,
        });
    }
    problems
}

/// Rewrites a refusal for the person at the page. Its next step is meant for models, so the page's token is removed
/// from it.
fn reword(finished: &mut FinishedCall) {
    let object = &mut finished.body;
    if let Some(Value::Object(next)) = object.get_mut("next").and_then(|next| next.get_mut("arguments")) {
        next.remove(TOKEN);
        next.remove("confirm");
    }
    if !object.contains_key(TOKEN) {
        return;
    }
    object.remove("next");
    let why = match finished.status {
        Status::ConfirmationExpired => "The offer is older than five minutes.",
        Status::ConfirmationUsed => "This offer was used already.",
        Status::StateChanged => "The price has changed since it was shown.",
        _ => "This offer cannot be checked any more.",
    };
    let price = object.get("price").and_then(Value::as_str).filter(|price| *price != "unknown");
    let price = price.unwrap_or("a price that is not known").to_owned();
    let summary = format!("Nothing was bought. {why} It is offered at {price} now: confirm again to buy it.");
    object.insert("summary".to_owned(), json!(summary));
}

/// Removes a new token from the response that the caller reads, and returns it for the page's metadata.
pub(crate) fn take_token(object: &mut Map<String, Value>) -> Option<Value> {
    let token = object.remove(TOKEN)?;
    let number = object.get("number").and_then(Value::as_str)?;
    Some(json!({ number: token }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mcp::offer::catalog::Catalog;

    #[test]
    fn it_is_the_purchase_under_another_name() {
        let catalog = Catalog::new();
        let (buys, door) = (catalog.get(BUYS).expect("a tool"), catalog.of_pages(NAME).expect("the door"));
        assert!(catalog.get(SEARCHES).is_some() && catalog.get(NAME).is_none(), "no tool of the list");
        assert_eq!((door.effect, door.scope), (buys.effect, buys.scope));
        assert_eq!(Catalog::scopes().get(NAME), Some(&buys.scope), "what HTTP asks of its caller");
        assert!(!Catalog::names().contains(&NAME), "the operator's rules name the purchase");
        let properties = door.card.input_schema.get("properties").and_then(Value::as_object).expect("properties");
        assert_eq!(properties.keys().collect::<Vec<_>>(), [TOKEN, NUMBER]);
        let meta = json!(door.card.meta);
        assert_eq!(meta["ui"], json!({ "visibility": ["app"] }));
        assert_eq!(meta["anthropic/requiresUserInteraction"], true);
    }

    #[test]
    fn only_a_number_and_a_token_are_taken() {
        let fields = |value: Value| -> Vec<String> {
            let arguments = value.as_object().cloned().unwrap_or_default();
            problems(&arguments).into_iter().map(|problem| problem.field).collect()
        };
        assert!(fields(json!({ "phone_number": "+14155550150", "confirmation_token": "t" })).is_empty());
        assert_eq!(fields(json!({ "phone_number": "+14155550150", "confirmation_token": "" })), [TOKEN]);
        assert_eq!(fields(json!({ "confirmation_token": null })), [NUMBER, TOKEN]);
        for more in ["api_key", "max_monthly_cost", "confirm", "acknowledge_unresolved"] {
            let given = json!({ "phone_number": "+14155550150", "confirmation_token": "t", more: true });
            assert_eq!(fields(given), ["arguments"], "{more}");
        }
    }
}
