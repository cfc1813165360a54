//! Reads numbers, agents and credentials from Truedy, and finds a number by its id or number.
//!
//! Source: contract §6.1, §6.8, §7.1. The API has no request for one number, so the list is read and filtered.

use serde_json::{Value, json};

use crate::domain::{
    AgentId, Direction, HeldNumber, ListedRows, NumberId, NumberLocation, NumberRef, OrganizationRow, OwnedNumber,
    Refusal, Slot, Status, id_key, number_unlikeness, text_at, unlikeness,
};
use crate::tools::account::list_chain::told_total;
use crate::tools::account::pages::{ListResult, ListedItem, NumberRows, PagedRead, rows};
use crate::tools::account::paging::{PAGE, has_more};
use crate::tools::account::protected::heed_protected;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::ToolFailure;
use crate::truedy::{ApiError, ApiReply, Error, Request, run_blocking};

/// Most pages of a list that is shown in one piece.
const SHOWN_PAGES: usize = 5;
/// Most numbers that are shown in one piece.
pub(crate) const SHOWN: usize = SHOWN_PAGES * PAGE;

/// Reads one page of the account's numbers.
pub(crate) async fn numbers_page(
    context: &ToolContext,
    limit: usize,
    offset: usize,
    verifying: bool,
) -> Result<ApiReply<ListedRows<OwnedNumber>>, Error> {
    let request = Request::get(["telephony", "numbers"])
        .query("limit", limit)
        .query("offset", offset)
        .list()
        .verifying(verifying);
    let reply = context.truedy.list::<OrganizationRow>(request, &context.call).await?;
    if let Some(organization) = organization(&reply.data) {
        context.journal.note_organization(organization);
    }
    let reply = reply.map(|rows| rows.filter_map(|row| row.number));
    let partial = offset > 0 || has_more(reply.pagination.as_ref(), offset, reply.data.shown, limit);
    // A list of one page needs no index.
    if partial {
        context.account.observe(reply.data.read.views(), offset, told_total(reply.pagination.as_ref()));
    }
    if partial || context.journal.awaits_any() {
        context.sighted(&reply.data.read).await;
    }
    Ok(reply)
}

/// Returns the organization that every row names. `None` if a row names none, or if they differ.
fn organization(rows: &ListedRows<OrganizationRow>) -> Option<&str> {
    let first = rows.read.first()?.organization.as_deref()?;
    let all = rows.read.len() == rows.shown && rows.read.iter().all(|row| row.organization.as_deref() == Some(first));
    all.then_some(first)
}

/// Sends the smallest possible request, because its response states the time by Truedy's clock.
/// A failure is only logged and does not fail the call.
pub async fn ask_the_time(context: &ToolContext) {
    let request = Request::get(["telephony", "numbers"]).query("limit", 1).query("offset", 0).list();
    if let Err(error) = context.truedy.send(request, &context.call).await {
        tracing::debug!(%error, "Truedy's time is not known");
    }
}

impl ListedItem for OwnedNumber {
    // One id with two numbers stays two entries, so that the conflict is visible.
    fn key(&self) -> (&str, &str) {
        (&self.id, &self.number)
    }

    /// A direction is in use if either row says so. It is free only if both rows say so.
    fn merge(&mut self, other: Self) {
        for direction in Direction::BOTH {
            match (self.slot(direction), other.slot(direction)) {
                (Slot::Held(_), _) | (_, Slot::Free) => {}
                (_, slot) => *self.slot_mut(direction) = slot.clone(),
            }
        }
    }
}

/// Reads at most the first [`SHOWN`] numbers of the account, each once.
pub(crate) async fn first_numbers(context: &ToolContext) -> Result<ListResult<OwnedNumber>, Error> {
    let mut gathering = PagedRead::new();
    let mut offset = 0;
    for _ in 0..SHOWN_PAGES {
        let reply = numbers_page(context, PAGE, offset, false).await?;
        let shown = reply.data.shown;
        let more = run_blocking(shown, || gathering.add(reply, offset));
        offset += shown;
        if !more {
            if gathering.listing.complete {
                heed_protected(context, gathering.listing.rows.views());
            }
            return Ok(gathering.listing);
        }
    }
    Ok(ListResult { complete: false, ..gathering.listing })
}

/// Reads the numbers that one agent holds, as ids and rows for each direction.
pub(crate) async fn agent_numbers(context: &ToolContext, agent: &AgentId, verifying: bool) -> Result<ApiReply, Error> {
    let request = Request::get(["telephony", "agents", agent.as_str(), "numbers"]).list().verifying(verifying);
    context.truedy.send(request, &context.call).await
}

/// Whether an agent holds a number in a direction. `None` if the response does not say.
pub(crate) fn holds(reply: &ApiReply, number: &OwnedNumber, direction: Direction) -> Option<bool> {
    let held = HeldNumber::read_all(reply.data.get(direction.as_str())?)?;
    let named = held.iter().all(|held| !held.names().is_empty());
    Some(held.iter().any(|held| held.is(number))).filter(|holds| *holds || named)
}

/// Reads the rows of the stored credentials.
async fn credentials(context: &ToolContext, verifying: bool) -> Result<Vec<Value>, Error> {
    let request = Request::get(["telephony", "credentials"]).list().verifying(verifying);
    let reply = context.truedy.send(request, &context.call).await?;
    Ok(rows(&reply)?.to_vec())
}

/// Reads the ids of the stored credentials.
pub(crate) async fn credential_ids(context: &ToolContext) -> Result<Vec<String>, Error> {
    Ok(credentials(context, false).await?.iter().filter_map(|row| text_at(row, "id")).collect())
}

/// Returns the one credential of a carrier that is not in `before`. `None` if there is no such credential, or more than
/// one.
pub(crate) async fn new_credential(context: &ToolContext, before: &[String], provider: &str) -> Option<String> {
    let rows = credentials(context, true).await.ok()?;
    let is_new = |row: &&Value| text_at(row, "provider_type").as_deref() == Some(provider);
    let mut ids = rows.iter().filter(is_new).filter_map(|row| text_at(row, "id")).filter(|id| !before.contains(id));
    let first = ids.next()?;
    ids.next().is_none().then_some(first)
}

/// Picks the number that the caller named from the listed ones.
pub(crate) fn number_among(
    named: &NumberRef,
    numbers: &ListResult<OwnedNumber>,
) -> Result<(OwnedNumber, NumberId), ToolFailure> {
    let name = named.as_str();
    let fits = |number: &&OwnedNumber| id_key(&number.id) == id_key(name) || number.number == name;
    let fitting: Vec<&OwnedNumber> = numbers.rows.iter().filter(fits).collect();
    let [number] = fitting.as_slice() else {
        return Err(no_such_number(named, numbers, &fitting).into());
    };
    // A change sends only the id, so the id must not stand for a second number as well.
    let same: Vec<&OwnedNumber> = numbers.rows.iter().filter(|row| id_key(&row.id) == id_key(&number.id)).collect();
    if same.len() > 1 {
        return Err(no_such_number(named, numbers, &same).into());
    }
    let id = NumberId::try_from(number.id.as_str())
        .map_err(|_| Error::Unreadable("the number's id is none that can be used".to_owned(), ApiError::default()))?;
    Ok(((*number).clone(), id))
}

fn no_such_number(named: &NumberRef, numbers: &ListResult<OwnedNumber>, fitting: &[&OwnedNumber]) -> Refusal {
    let name = named.as_str();
    let mut near: Vec<(usize, &OwnedNumber)> = numbers
        .rows
        .iter()
        .map(|number| (if fitting.contains(&number) { 0 } else { 1 + difference(name, number) }, number))
        .filter(|(difference, _)| *difference <= DISTANT)
        .collect();
    near.sort_by_key(|(difference, _)| *difference);
    let candidates: Vec<Value> = near.iter().take(CANDIDATES).map(|(_, number)| candidate(number)).collect();
    let shown = if candidates.is_empty() { "none of them is like it" } else { "the nearest are in candidates" };
    let refusal = if !fitting.is_empty() {
        let summary = "Nothing was done. Several numbers of this account fit the number or id given. list_numbers shows them all; some are in candidates.".to_owned();
        Refusal::new(Status::Ambiguous, summary)
    } else if numbers.complete {
        let summary = format!(
            "Nothing was done. No number of this account has the number or id given. list_numbers shows them all; {shown}."
        );
        Refusal::new(Status::NotFound, summary)
    } else {
        unread("The number could not be found in the part of the list of numbers that could be read.")
    };
    refusal.with("candidates", candidates).with("next", json!({ "tool": "list_numbers", "arguments": {} }))
}

/// A difference from which on a number is not suggested.
const DISTANT: usize = 450;

/// Returns how much a number differs from what the caller wrote, by its digits, its id or the place it is from.
fn difference(name: &str, number: &OwnedNumber) -> usize {
    let place = || NumberLocation::of(&number.number).map_or(1000, |place| place.unlikeness(name));
    match number_unlikeness(name, &number.number) {
        1000 => unlikeness(name, &number.id).min(place()),
        digits => digits,
    }
}

/// Returns a number that may be meant. Its place is what people call it by.
fn candidate(number: &OwnedNumber) -> Value {
    let mut shown = json!({ "id": number.id, "number": number.number });
    if let (Some(place), Some(fields)) = (NumberLocation::of(&number.number), shown.as_object_mut()) {
        fields.insert("place".to_owned(), json!(place.to_string()));
    }
    shown
}

/// Builds the refusal for a list that could be read only in part. What such a list does not show may still exist.
pub(crate) fn unread(what: &str) -> Refusal {
    let summary = format!(
        "Nothing was done. {what} Whether it is in the part that could not be read is not known: Truedy's answer was not whole, or the list is too long. Try again later."
    );
    Refusal::new(Status::BadUpstreamResponse, summary).retryable()
}

/// Most candidates that are offered if a name fits none or several.
pub(crate) const CANDIDATES: usize = 5;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AgentRef, MOST_ROWS};
    use crate::tools::account::agent_lookup::agent_among;

    fn page(rows: Vec<Value>, pagination: Option<Value>) -> ApiReply<ListedRows<OwnedNumber>> {
        let rows = ListedRows::<OrganizationRow>::of(&Value::Array(rows)).expect("a list");
        ApiReply { data: rows.filter_map(|row| row.number), pagination, request_id: None, date: None }
    }

    fn row(n: usize) -> Value {
        json!({ "id": format!("n{n}"), "phone_number": format!("+1415555{n:04}") })
    }

    /// Adds pages to a listing. Returns whether another page should be requested, and whether the list is complete.
    fn after<const N: usize>(pages: [ApiReply<ListedRows<OwnedNumber>>; N]) -> (bool, bool) {
        let (mut gathering, mut offset, mut more) = (PagedRead::<OwnedNumber>::new(), 0, true);
        for reply in pages {
            let shown = reply.data.shown;
            more = gathering.add(reply, offset);
            offset += shown;
        }
        (more, gathering.listing.complete)
    }

    #[test]
    fn a_list_is_complete_only_if_everything_in_it_was_read() {
        let all = || (0..3).map(row).collect::<Vec<_>>();
        let told = |total: usize, more: bool| Some(json!({ "total": total, "has_more": more }));
        assert_eq!(after([page(all(), told(3, false))]), (false, true));
        assert_eq!(after([page(all(), None)]), (false, true));
        assert_eq!(after([page(all(), told(9, false))]), (true, true), "the total says that there is more");
        assert_eq!(
            after([page(all(), Some(json!({ "total": 9 })))]),
            (true, true),
            "a page may be shorter than asked for"
        );
        let same = || page(all(), told(9, true));
        assert_eq!(after([same(), same()]), (false, false), "a page that repeats ends it, incomplete");
        let mut odd = all();
        odd.push(json!({ "id": [] }));
        assert_eq!(after([page(odd, None)]), (false, false), "a row that cannot be read might be the one");
        let many = (0..MOST_ROWS + 1).map(row).collect();
        assert!(!after([page(many, told(MOST_ROWS + 1, false))]).1, "cut");
    }

    #[test]
    fn a_number_that_is_listed_twice_is_in_use_if_either_row_says_so() {
        let with = |inbound: Value| {
            let mut row = row(1);
            row["inbound_agent_id"] = inbound;
            row
        };
        for (first, second, slot) in [
            (json!(null), json!("a"), Slot::Held("a".to_owned())),
            (json!("a"), json!(null), Slot::Held("a".to_owned())),
            (json!(null), json!([]), Slot::Unknown),
            (json!(null), json!(null), Slot::Free),
        ] {
            let mut gathering = PagedRead::<OwnedNumber>::new();
            gathering.add(page(vec![with(first), with(second)], None), 0);
            assert_eq!((gathering.listing.rows.len(), &gathering.listing.rows[0].inbound), (1, &slot));
        }
    }

    #[test]
    fn an_id_that_means_two_numbers_means_neither() {
        let two = json!({ "id": "n1", "phone_number": "+14155559999" });
        let rows: Vec<OwnedNumber> = [row(1), two].iter().filter_map(OwnedNumber::read).collect();
        let listing = ListResult { rows, complete: true, unreadable: false };
        for name in ["n1", "+14155550001", "+14155559999"] {
            let named = NumberRef::try_from(name).expect("a number");
            let Err(ToolFailure::Refused(refusal)) = number_among(&named, &listing) else { panic!("{name}") };
            assert_eq!(refusal.status, Status::Ambiguous, "{name}");
        }
    }

    #[test]
    fn from_a_part_of_a_list_no_absence_follows() {
        let listing = |complete| ListResult {
            rows: OwnedNumber::read(&row(1)).into_iter().collect(),
            complete,
            unreadable: false,
        };
        let agents = |complete| ListResult { rows: Vec::new(), complete, unreadable: false };
        let (number, agent) = (NumberRef::try_from("+19995550123").unwrap(), AgentRef::try_from("Nobody").unwrap());
        for (complete, status) in [(true, Status::NotFound), (false, Status::BadUpstreamResponse)] {
            let refused = |failure| match failure {
                Err(ToolFailure::Refused(refusal)) => refusal.status,
                _ => panic!("found"),
            };
            assert_eq!(refused(number_among(&number, &listing(complete)).map(drop)), status);
            assert_eq!(refused(agent_among(&agent, Ok(&agents(complete))).map(drop)), status);
        }
    }
}
