//! The metadata of a result that only the client's page reads.

use rmcp::model::MetaObject;
use serde_json::{Map, Value, json};

use crate::domain::Status;
use crate::mcp::apps::{pages, words};
use crate::mcp::offer::buy_offer;
use crate::mcp::offer::catalog::Catalog;
use crate::mcp::tenant::principal::Principal;

/// Returns what a page gets beside a result: the query, to ask for more, what is shown of numbers and of the search, and
/// the tokens with which a person buys. `None` if it gets nothing.
pub(crate) fn of(
    tool: &str,
    catalog: &Catalog,
    query: Option<Value>,
    object: &mut Map<String, Value>,
    principal: &Principal,
) -> Option<MetaObject> {
    if tool == buy_offer::NAME {
        return buy_offer::take_token(object).map(|tokens| pages::meta(buy_offer::TOKENS, tokens));
    }
    let query = query?;
    // A number found with the caller's own carrier key must not be bought with another key.
    let own = query.get("carrier").is_some_and(|name| !name.is_null());
    let searched = query.as_object().and_then(|given| words::searched(tool, given));
    let mut meta = pages::meta("truedy/query", query);
    meta.0.extend(searched.map(|searched| ("truedy/searched".to_owned(), searched)));
    meta.0.insert("truedy/numbers".to_owned(), pages::numbers(object));
    if tool == buy_offer::SEARCHES && !own && catalog.offers(buy_offer::BUYS, principal) {
        let tokens = buy_offer::tokens(&principal.tenant.service, &principal.caller, object);
        meta.0.insert(buy_offer::TOKENS.to_owned(), tokens);
    }
    Some(meta)
}

/// Adds why the call did not work, in words for people, if a page shows the results of the tool.
pub(crate) fn with_reason(
    meta: Option<MetaObject>,
    tool: &str,
    status: Status,
    object: &Map<String, Value>,
) -> Option<MetaObject> {
    if tool != buy_offer::NAME && !pages::shows_results(tool) {
        return meta;
    }
    let mut meta = meta.unwrap_or_default();
    meta.0.insert("truedy/why".to_owned(), json!(words::why(status, object)));
    Some(meta)
}
