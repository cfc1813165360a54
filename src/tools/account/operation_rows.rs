//! An operation of the journal as callers read it, with the names of its agents and how it is undone.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use crate::domain::{CapRule, ChangeClass, ChangeKinds, Money, Slot};
use crate::journal::{Journal, Operation, OperationPhase, OperationQuery, ToolTotal, Unavailable};
use crate::tools::contract::response::Undo;

/// What stands in the place of a price that is not known.
const UNKNOWN_PRICE: &str = "unknown";

/// Returns a time as RFC 3339 in this zone, to the second.
pub fn local_moment(ms: i64, zone: &TimeZone) -> String {
    let at = Timestamp::from_millisecond(ms).unwrap_or(Timestamp::UNIX_EPOCH).to_zoned_datetime(zone.clone());
    let form = if at.offset().is_zero() { "%Y-%m-%dT%H:%M:%SZ" } else { "%Y-%m-%dT%H:%M:%S%:z" };
    at.strftime(form).to_string()
}

/// Returns the name of a time zone: `Europe/Berlin`. A zone without a name is shown by its offset now.
pub fn zone_name(zone: &TimeZone) -> String {
    zone.iana_name().map_or_else(|| zone.to_offset(Timestamp::now()).to_string(), str::to_owned)
}

/// Returns who had the direction before. `None` if that is not known, or if the operation moves no calls.
pub fn displaced(operation: &Operation, name: impl Fn(&str) -> String) -> Option<String> {
    match &operation.object.displaced {
        Slot::Unknown => None,
        Slot::Free => Some("none".to_owned()),
        Slot::Held(agent) => Some(name(agent)),
    }
}

/// Returns the monthly amount, the amount paid once, and the currency. Returns `unknown` in place of the monthly amount
/// if the operation has a price that is not known. `None` if it has no price: nothing is paid for an assignment.
pub fn prices(operation: &Operation, kinds: ChangeKinds) -> Option<[Option<String>; 3]> {
    if let Some(fees) = &operation.fees {
        let setup = fees.setup.as_ref().map(Money::amount);
        return Some([Some(fees.monthly.amount()), setup, Some(fees.monthly.currency().to_owned())]);
    }
    let class = kinds.find(&operation.tool).map(|kind| kind.class);
    let has_price = matches!(class, Some(ChangeClass::Spends | ChangeClass::Destroys));
    (has_price && !operation.is_preview()).then(|| [Some(UNKNOWN_PRICE.to_owned()), None, None])
}

/// What the rows of a list have in common.
pub struct RowStyle<'a> {
    /// The changes that the program makes.
    pub kinds: ChangeKinds,
    /// The zone of the times.
    pub zone: &'a TimeZone,
    /// Returns the name of an agent.
    pub name: &'a dyn Fn(&str) -> String,
    /// Returns how an operation is undone.
    pub undo: &'a dyn Fn(&Operation) -> Option<Undo>,
}

/// Returns an operation as a caller reads it.
pub fn operation_row(operation: &Operation, style: &RowStyle<'_>) -> Map<String, Value> {
    let RowStyle { kinds, zone, name, undo } = style;
    let mut row = operation.to_json();
    if operation.fees.is_some() {
        // What is paid at once follows from the other amounts.
        row.remove("price");
    }
    let mut put = |field: &str, value: Option<Value>| drop(value.map(|value| row.insert(field.to_owned(), value)));
    put("begun_at", Some(json!(local_moment(operation.begun_at, zone))));
    put("ended_at", operation.ended_at.map(|at| json!(local_moment(at, zone))));
    let agent = operation.object.agent_id.as_ref().map(|id| (name(id), id));
    put("agent", agent.filter(|(name, id)| name != *id).map(|(name, _)| json!(name)));
    put("displaced", displaced(operation, name).map(Value::from));
    match prices(operation, *kinds) {
        Some([_, _, None]) => put("price", operation.price.is_none().then(|| json!(UNKNOWN_PRICE))),
        Some([monthly, setup, currency]) => {
            put("monthly", monthly.map(Value::from));
            put("setup", setup.map(Value::from));
            put("currency", currency.map(Value::from));
        }
        None => {}
    }
    put("approved_by", Some(json!(operation.approved_by())));
    put("principal", Some(json!(operation.principal)));
    put("client", operation.origin.client.clone().map(Value::from));
    put("undo_of", operation.origin.undo_of.clone().map(Value::from));
    put("undo", undo(operation).map(|undo| without_flag(undo.to_json())));
    row
}

/// Totals by the rule that counts each change, in the order in which they are told.
pub type Totals = Vec<(CapRule, ToolTotal)>;

/// Returns the totals of all operations that a query selects, on every page. `None` for one operation, and where
/// nothing that happened is selected.
///
/// # Errors
///
/// If the journal cannot be read.
pub async fn totals_of(journal: &Journal, query: &OperationQuery) -> Result<Option<Totals>, Unavailable> {
    let done = query.state.is_none_or(|state| state == OperationPhase::Done);
    if !done || query.previews || query.id.is_some() {
        return Ok(None);
    }
    let mut totals = Totals::new();
    for rule in [CapRule::Purchases, CapRule::Releases, CapRule::Imports] {
        let fits = |tool: &str| query.tool.as_deref().is_none_or(|asked| asked == tool);
        for kind in journal.change_kinds().iter().filter(|kind| kind.cap == Some(rule) && fits(kind.name)) {
            totals.push((rule, journal.total(query.clone(), kind.name).await?));
        }
    }
    Ok((!totals.is_empty()).then_some(totals))
}

/// Returns the totals as a caller reads them. Kinds of which nothing was done are left out.
pub fn totals_json(totals: &Totals) -> Map<String, Value> {
    let mut object = Map::new();
    let mut unknown = Map::new();
    let mut currencies: Vec<&str> = Vec::new();
    for (rule, total) in totals.iter().filter(|(_, total)| total.count > 0) {
        object.insert(rule.counted().to_owned(), json!(total.count));
        if total.unpriced > 0 && *rule != CapRule::Imports {
            unknown.insert(rule.counted().to_owned(), json!(total.unpriced));
        }
        currencies.extend(total.sums.iter().map(|sum| sum.monthly.currency()));
    }
    currencies.sort_unstable();
    currencies.dedup();
    let by_currency: Vec<Value> = currencies.into_iter().map(|currency| in_currency(totals, currency)).collect();
    if !by_currency.is_empty() {
        object.insert("money".to_owned(), json!(by_currency));
    }
    if !unknown.is_empty() {
        object.insert("unknown_price".to_owned(), Value::Object(unknown));
    }
    object
}

fn in_currency(totals: &Totals, currency: &str) -> Value {
    let mut money = Map::from_iter([("currency".to_owned(), json!(currency))]);
    let mut put = |field: &str, amount: &Money| drop(money.insert(field.to_owned(), json!(amount.amount())));
    for (rule, total) in totals {
        let Some(sum) = total.sums.iter().find(|sum| sum.monthly.currency() == currency) else { continue };
        match rule {
            CapRule::Purchases => {
                put("spent_once", &sum.setup);
                put("added_monthly", &sum.monthly);
            }
            CapRule::Releases => put("removed_monthly", &sum.monthly),
            CapRule::Imports => {}
        }
    }
    Value::Object(money)
}

/// Returns the totals in a sentence for people. Empty if nothing was bought, released or imported.
pub fn totals_sentence(totals: &Totals) -> String {
    let mut parts = Vec::new();
    for (rule, total) in totals.iter().filter(|(_, total)| total.count > 0) {
        let (done, direction) = match rule {
            CapRule::Purchases => ("bought", "+"),
            CapRule::Releases => ("released", "-"),
            CapRule::Imports => ("imported", ""),
        };
        let mut money = Vec::new();
        for sum in &total.sums {
            money.push(format!("{direction}{} a month", sum.monthly));
            if sum.setup.micros() > 0 && *rule == CapRule::Purchases {
                money.push(format!("{} once", sum.setup));
            }
        }
        if total.unpriced > 0 && *rule != CapRule::Imports {
            money.push(format!("{} at an unknown price", total.unpriced));
        }
        let money = if money.is_empty() { String::new() } else { format!(" ({})", money.join(", ")) };
        parts.push(format!("{done} {}{money}", total.count));
    }
    let mut sentence = parts.join("; ");
    if let Some(first) = sentence.get_mut(..1) {
        first.make_ascii_uppercase();
        sentence.push('.');
    }
    sentence
}

/// Takes the confirmation out of a call that undoes. By the time it is made, a third agent may have the direction: then
/// the call tells who would lose it.
fn without_flag(mut undo: Value) -> Value {
    if let Some(arguments) = undo.get_mut("arguments").and_then(Value::as_object_mut) {
        arguments.remove("confirm");
    }
    undo
}
