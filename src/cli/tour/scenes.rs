//! The scenes of the tour. Each compares what the server answers with what must hold.

use std::time::Duration;

use serde_json::{Value, json};

use crate::cli::tour::guide::{TourGuide, expect, rows, shown, text};
use crate::domain::{Money, Status};
use crate::tools::{
    AssignNumber, GetAgentNumbers, ListAgents, ListNumbers, ListOperations, PurchaseNumber, ReleaseNumber,
    SearchNumbers, Tool, UnassignNumber,
};

/// The agent of the first scene.
const AGENT: &str = "Front desk";
/// A number whose purchase the sandbox answers with an error, after it was bought.
const LOST: &str = "+14155550198";
/// How often it is looked whether a number is active, and how many times.
const LOOK: (Duration, usize) = (Duration::from_millis(500), 40);

/// Scene one: finds a number, buys it and lets an agent answer it. Returns the number, and how many there were before.
pub(crate) async fn get_a_number(guide: &mut TourGuide) -> Result<(String, usize), String> {
    guide.person(&format!("Get us a San Francisco number and let {AGENT} answer it."));
    let agents = guide.call(ListAgents::NAME, json!({ "name": AGENT.to_lowercase() }), Status::Ok).await?;
    expect("the agent", text(rows(&agents, "agents").first().unwrap_or(&Value::Null), "name"), AGENT)?;
    let before = rows(&guide.look(ListNumbers::NAME, json!({})).await?, "numbers").len();
    guide.tool(SearchNumbers::NAME, "area_code 415");
    let wanted = json!({ "area_code": "415", "page_size": 3 });
    let offers = guide.call(SearchNumbers::NAME, wanted, Status::Ok).await?;
    let offer = rows(&offers, "offers").first().ok_or("no number is offered")?;
    let number = text(offer, "number").to_owned();
    guide.fact(&format!(
        "{} of {}: {}   {}, {}   {}",
        rows(&offers, "offers").len(),
        offers.get("total").map(ToString::to_string).unwrap_or_default(),
        shown(&number),
        text(offer, "locality"),
        text(offer, "region"),
        price(offer)
    ));
    guide.tool(PurchaseNumber::NAME, &number);
    guide.ask(PurchaseNumber::NAME, json!({ "phone_number": number }), Status::Purchased, None).await?;
    wait_until_active(guide, &number).await?;
    guide.good("Bought. The carrier has set it up, and it is active.");
    guide.tool(AssignNumber::NAME, &format!("both directions → {AGENT}"));
    let both = json!({ "number_id": number, "agent_id": AGENT, "assignment_type": "both" });
    guide.call(AssignNumber::NAME, both, Status::Assigned).await?;
    let of_agent = guide.call(GetAgentNumbers::NAME, json!({ "agent_id": AGENT }), Status::Ok).await?;
    for direction in ["inbound", "outbound"] {
        let has_it = rows(&of_agent, direction).iter().any(|row| text(row, "number") == number);
        expect(&format!("{direction} of {AGENT}"), has_it, true)?;
    }
    guide.good(&format!("{AGENT} answers it and calls from it. Read back from Truedy."));
    Ok((number, before))
}

/// Scene two: a number in use is not released. After it was unassigned, the person types its last four digits.
pub(crate) async fn keep_it(guide: &mut TourGuide, number: &str, before: usize) -> Result<(), String> {
    guide.person("Release it again.");
    guide.tool(ReleaseNumber::NAME, number);
    let confirmed = json!({ "number_id": number, "confirm": true });
    let refused = guide.call(ReleaseNumber::NAME, confirmed.clone(), Status::NumberInUse).await?;
    let silent = rows(&refused, "in_use_by").first().map(|row| text(row, "agent")).unwrap_or_default();
    expect("the agent that uses the number", silent, AGENT)?;
    guide.refused(&format!("Refused: {AGENT} would fall silent. It must be unassigned first."));
    let both = json!({ "number_id": number, "assignment_type": "both" });
    guide.call(UnassignNumber::NAME, both, Status::Unassigned).await?;
    guide.good("Unassigned in both directions, which can be undone.");
    let preview = json!({ "number_id": number });
    guide.call(ReleaseNumber::NAME, preview, Status::ConfirmationRequired).await?;
    guide.fact("Preview: it goes back to the carrier, and can usually not be had again.");
    let digits = number.get(number.len().saturating_sub(4)..);
    guide.ask(ReleaseNumber::NAME, confirmed, Status::Released, digits).await?;
    let left = guide.call(ListNumbers::NAME, json!({}), Status::Ok).await?;
    let left = rows(&left, "numbers");
    expect("whether the number is still listed", left.iter().any(|row| text(row, "number") == number), false)?;
    expect("the count of numbers", left.len(), before)?;
    guide.good(&format!("Released. {before} numbers are left, as before."));
    Ok(())
}

/// Scene three: the answer to a purchase is lost. The number is found, and not bought twice.
pub(crate) async fn lose_an_answer(guide: &mut TourGuide) -> Result<(), String> {
    guide.person(&format!("Then get us {}.", shown(LOST)));
    let wanted = json!({ "phone_number": LOST });
    let bought = guide.ask(PurchaseNumber::NAME, wanted.clone(), Status::Purchased, None).await?;
    let recorded = operation(guide, &bought).await?;
    // Without a lost answer the journal would know the purchase from the answer itself.
    expect("how the purchase is known", text(&recorded, "known_by"), "look")?;
    guide.unknown("Truedy answered with an error: not known yet whether it was bought.");
    guide.good("Looked it up in the account: it was bought.");
    let again = guide.call(PurchaseNumber::NAME, wanted, Status::AlreadyOwned).await?;
    expect("whether it was bought again", again.get("purchased").unwrap_or(&Value::Null), false)?;
    guide.good("Asked to buy it once more: nothing was sent. It is bought once.");
    Ok(())
}

/// What was spent, and who approved it: read from the journal.
pub(crate) async fn what_it_cost(guide: &mut TourGuide) -> Result<(), String> {
    guide.person("What did that cost, and who approved it?");
    let bought = json!({ "tool": PurchaseNumber::NAME });
    let journal = guide.call(ListOperations::NAME, bought, Status::Ok).await?;
    let purchases = rows(&journal, "operations");
    expect("the count of purchases", purchases.len(), 2)?;
    expect("the count of unresolved operations", journal.get("unresolved").unwrap_or(&Value::Null), 0)?;
    for purchase in purchases {
        expect("who approved a purchase", text(purchase, "approved_by"), "person (form)")?;
        expect("the state of a purchase", text(purchase, "state"), "done")?;
    }
    // The first number was released, so its price ended.
    let all = guide.look(ListOperations::NAME, json!({})).await?;
    let money = all.pointer("/totals/money/0").ok_or("the journal has no totals")?;
    let currency = text(money, "currency");
    let part = |field: &str| Money::of(text(money, field), currency).ok_or_else(|| format!("{field} is no amount"));
    let left = part("added_monthly")?.micros() - part("removed_monthly")?.micros();
    guide.fact(&format!(
        "{} once, {} a month from now on. A person approved both purchases.",
        amount(&part("spent_once")?.amount(), currency),
        amount(&Money::from_micros(left, currency).amount(), currency)
    ));
    Ok(())
}

/// Waits until a bought number is active. It is pending until the carrier has set it up.
async fn wait_until_active(guide: &TourGuide, number: &str) -> Result<(), String> {
    for _ in 0..LOOK.1 {
        tokio::time::sleep(LOOK.0).await;
        let listed = guide.look(ListNumbers::NAME, json!({ "status": "active" })).await?;
        if rows(&listed, "numbers").iter().any(|row| text(row, "number") == number) {
            return Ok(());
        }
    }
    Err(format!("{number} did not become active"))
}

/// Returns what the journal has about the operation of an answer.
async fn operation(guide: &TourGuide, answer: &Value) -> Result<Value, String> {
    let found = guide.look(ListOperations::NAME, json!({ "id": text(answer, "operation_id") })).await?;
    rows(&found, "operations").first().cloned().ok_or_else(|| "the journal does not have the purchase".to_owned())
}

/// Returns the price of an offer: `$1.00/mo + $1.00 setup`.
fn price(offer: &Value) -> String {
    let amount = |field: &str| amount(text(offer, field), text(offer, "currency"));
    format!("{}/mo + {} setup", amount("monthly"), amount("setup"))
}

/// Returns an amount as people write it: `$1.00`, `1.00 EUR`.
fn amount(amount: &str, currency: &str) -> String {
    if currency == "USD" { format!("${amount}") } else { format!("{amount} {currency}") }
}
