//! The card on which a client that shows pages puts a question: the same form, and beside it what is at stake.

use rmcp::model::RequestMetaObject;
use serde_json::{Map, Value, json};

use crate::guard::{Cap, ChangeImpact};
use crate::mcp::apps::pages;
use crate::mcp::apps::pages::CONFIRM;

/// Where the page finds what is at stake.
const FACTS: &str = "truedy/card";
/// What a preview says that a person decides by. The rest of it is for the caller.
const SHOWN: [&str; 5] = ["number", "number_status", "kind", "price", "agents_that_fall_silent"];

/// What is at stake, as the page reads it. Names of agents are data of their own here, never part of the words of the form.
pub(crate) fn facts(impact: &ChangeImpact, used: u32, cap: Option<Cap>) -> Value {
    let seen = impact.without_flag.as_ref().map(|preview| &preview.details);
    let shown = |name: &str| Some((name.to_owned(), seen?.get(name)?.clone()));
    let mut facts: Map<String, Value> = SHOWN.iter().filter_map(|name| shown(name)).collect();
    facts.insert("releases".to_owned(), json!(impact.destroys));
    if let Some(most) = cap.and_then(|cap| cap.most()) {
        facts.insert("used".to_owned(), json!(used));
        facts.insert("limit".to_owned(), json!(most));
    }
    Value::Object(facts)
}

/// What goes with the form.
pub(crate) fn beside(facts: Value) -> RequestMetaObject {
    let mut meta = pages::meta("ui", json!({ "resourceUri": CONFIRM }));
    meta.0.insert(FACTS.to_owned(), facts);
    RequestMetaObject(meta)
}
