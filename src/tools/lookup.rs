//! Finding numbers and agents by what people call them, and who holds what.
//!
//! Source: contract §6.1, §6.8, §7.1. The API has no "get one number": list and filter.

use serde_json::{Map, Value, json};

use super::answer::Failure;
use super::names;
use super::tool::Desk;
use crate::domain::{
    Agent, AgentId, AgentRef, Direction, HeldNumber, NumberId, NumberRef, OwnedNumber, Refusal, Slot, Status,
    may_be_id, text_at,
};
use crate::truedy::{Error, Reply, Request, Saying};

/// Rows a page, the most the API gives.
const PAGE: usize = 100;
/// Pages that are read at most.
const PAGES: usize = 50;
/// Pages of what is shown whole, in one piece.
const SHOWN_PAGES: usize = 5;
/// Numbers that are shown whole, in one piece.
pub(super) const SHOWN: usize = SHOWN_PAGES * PAGE;
/// Rows of one answer that are looked at at most: an older API answers with all agents at once.
const ROWS: usize = 5_000;
/// Agents whose numbers are asked for one by one at most.
const ASKED: usize = 50;
/// Candidates that are offered when a name fits none or several.
const CANDIDATES: usize = 5;

/// The rows of a list answer; an answer of another shape is not readable.
pub(super) fn rows(reply: &Reply) -> Result<&[Value], Error> {
    let rows = reply
        .data
        .as_array()
        .ok_or_else(|| Error::Unreadable("the list is not an array".to_owned(), Saying::default()))?;
    Ok(rows.get(..ROWS).unwrap_or(rows))
}

/// One page of the account's numbers.
pub(super) async fn numbers_page(desk: &Desk, limit: usize, offset: usize, verifying: bool) -> Result<Reply, Error> {
    let request = Request::get(["telephony", "numbers"])
        .query("limit", limit)
        .query("offset", offset)
        .list()
        .verifying(verifying);
    let reply = desk.truedy.send(request, &desk.call).await?;
    if let Some(organization) = organization(rows(&reply)?) {
        desk.journal.note_organization(&organization);
    }
    if desk.journal.awaits_any() {
        desk.sighted(rows(&reply)?.iter().filter_map(OwnedNumber::read)).await;
    }
    Ok(reply)
}

/// The organization that every row names; `None` where one names none, or they differ.
fn organization(rows: &[Value]) -> Option<String> {
    let mut named = rows.iter().map(|row| text_at(row, "organization_id").filter(|id| may_be_id(id)));
    let first = named.next()??;
    named.all(|other| other.as_ref() == Some(&first)).then_some(first)
}

/// Reads as little as can be read: its answer states the time by Truedy's clock. A failure is no failure of the call.
pub async fn ask_the_time(desk: &Desk) {
    let request = Request::get(["telephony", "numbers"]).query("limit", 1).query("offset", 0).list();
    if let Err(error) = desk.truedy.send(request, &desk.call).await {
        tracing::debug!(%error, "Truedy's time is not known");
    }
}

/// What a list held, and whether that was all of it. From a part of a list nothing follows about what it does not show.
#[derive(Debug, Clone)]
pub(super) struct Listing<T> {
    pub(super) rows: Vec<T>,
    pub(super) complete: bool,
}

impl<T> Listing<T> {
    fn new() -> Self {
        Self { rows: Vec::new(), complete: true }
    }

    /// Adds a page, each thing once. Says whether another page is worth asking for.
    fn add(
        &mut self,
        reply: &Reply,
        offset: usize,
        read: impl Fn(&Value) -> Option<T>,
        id: impl Fn(&T) -> &str,
    ) -> Result<bool, Error> {
        let shown = rows(reply)?;
        let before = self.rows.len();
        for row in shown {
            match read(row) {
                Some(thing) if !self.rows.iter().any(|known| id(known) == id(&thing)) => self.rows.push(thing),
                Some(_) => {}
                None => self.complete = false,
            }
        }
        self.complete &= reply.data.as_array().map(Vec::len) == Some(shown.len());
        let told = |field: &str| reply.pagination.as_ref().and_then(|pagination| pagination.get(field));
        let total = told("total").and_then(Value::as_u64).and_then(|total| usize::try_from(total).ok());
        let more = told("has_more").and_then(Value::as_bool).unwrap_or(shown.len() >= PAGE)
            || total.is_some_and(|total| offset + shown.len() < total);
        // A page that brings nothing new would repeat for ever.
        let stuck = more && self.rows.len() == before;
        self.complete &= !stuck;
        Ok(more && !stuck)
    }
}

/// All numbers of the account, each once. `verifying` says that this finds out what a change did.
pub(super) async fn numbers(desk: &Desk, verifying: bool) -> Result<Listing<OwnedNumber>, Error> {
    numbers_until(desk, verifying, |_| false).await
}

/// The first [`SHOWN`] numbers of the account at most, each once.
pub(super) async fn first_numbers(desk: &Desk) -> Result<Listing<OwnedNumber>, Error> {
    numbers_within(desk, false, SHOWN_PAGES, |_| false).await
}

/// Like [`numbers`], stopping after the page on which `enough` holds for some number.
pub(super) async fn numbers_until(
    desk: &Desk,
    verifying: bool,
    enough: impl Fn(&OwnedNumber) -> bool,
) -> Result<Listing<OwnedNumber>, Error> {
    numbers_within(desk, verifying, PAGES, enough).await
}

async fn numbers_within(
    desk: &Desk,
    verifying: bool,
    pages: usize,
    enough: impl Fn(&OwnedNumber) -> bool,
) -> Result<Listing<OwnedNumber>, Error> {
    let mut listing = Listing::new();
    let mut offset = 0;
    for _ in 0..pages {
        let reply = numbers_page(desk, PAGE, offset, verifying).await?;
        let more = listing.add(&reply, offset, OwnedNumber::read, |number| &number.id)?;
        offset += rows(&reply)?.len();
        if !more {
            return Ok(listing);
        }
        if listing.rows.iter().any(&enough) {
            break;
        }
    }
    listing.complete = false;
    Ok(listing)
}

/// All agents of the account, each once.
pub(super) async fn agents(desk: &Desk) -> Result<Listing<Agent>, Error> {
    let mut listing = Listing::new();
    let mut offset = 0;
    for _ in 0..PAGES {
        let request = Request::get(["agents"]).query("limit", PAGE).query("offset", offset).list();
        let reply = desk.truedy.send(request, &desk.call).await?;
        let more = listing.add(&reply, offset, Agent::read, |agent| &agent.id)?;
        offset += rows(&reply)?.len();
        if !more {
            return Ok(listing);
        }
    }
    listing.complete = false;
    Ok(listing)
}

/// The numbers one agent holds in a direction: ids and rows.
pub(super) async fn agent_numbers(desk: &Desk, agent: &AgentId, verifying: bool) -> Result<Reply, Error> {
    let request = Request::get(["telephony", "agents", agent.as_str(), "numbers"]).list().verifying(verifying);
    desk.truedy.send(request, &desk.call).await
}

/// Whether an agent holds a number in a direction; `None` if the answer does not say.
pub(super) fn holds(reply: &Reply, number: &OwnedNumber, direction: Direction) -> Option<bool> {
    let held = HeldNumber::read_all(reply.data.get(direction.as_str())?)?;
    Some(held.iter().any(|held| held.is(number)))
}

/// The credentials that are stored: their rows.
async fn credentials(desk: &Desk, verifying: bool) -> Result<Vec<Value>, Error> {
    let request = Request::get(["telephony", "credentials"]).list().verifying(verifying);
    let reply = desk.truedy.send(request, &desk.call).await?;
    Ok(rows(&reply)?.to_vec())
}

/// The ids of the credentials that are stored.
pub(super) async fn credential_ids(desk: &Desk) -> Result<Vec<String>, Error> {
    Ok(credentials(desk, false).await?.iter().filter_map(|row| text_at(row, "id")).collect())
}

/// The one credential of a carrier that was not there before; `None` if there is none, or more than one.
pub(super) async fn new_credential(desk: &Desk, before: &[String], provider: &str) -> Option<String> {
    let rows = credentials(desk, true).await.ok()?;
    let is_new = |row: &&Value| text_at(row, "provider_type").as_deref() == Some(provider);
    let mut ids = rows.iter().filter(is_new).filter_map(|row| text_at(row, "id")).filter(|id| !before.contains(id));
    let first = ids.next()?;
    ids.next().is_none().then_some(first)
}

/// The agents of the account, for their names and what they hold. `None` where they cannot be read.
#[derive(Debug, Clone, Default)]
pub(super) struct Roster(pub(super) Option<Listing<Agent>>);

impl Roster {
    /// Reads them; a failure is no failure of the call.
    pub(super) async fn read(desk: &Desk) -> Self {
        Self(agents(desk).await.ok())
    }

    pub(super) fn agent(&self, id: &str) -> Option<&Agent> {
        self.0.as_ref()?.rows.iter().find(|agent| agent.id == id)
    }

    /// How an agent is shown: its name, with the id only where the name is not unique, by id alone where it is not known.
    pub(super) fn label(&self, id: &str) -> String {
        let Some(agent) = self.agent(id) else {
            return id.to_owned();
        };
        let lower = agent.name.to_lowercase();
        let agents = || self.0.iter().flat_map(|agents| &agents.rows);
        let same = agents().filter(|other| other.name.to_lowercase() == lower).count();
        // These words mean something else in the same place; a name that reads as an id would lead to another agent.
        let taken = ["unknown", "none"].contains(&lower.as_str());
        let as_id = AgentRef::try_from(agent.name.as_str()).is_ok_and(|named| named.certain_id().is_some());
        if same > 1 || taken || as_id || agents().any(|other| other.id == agent.name) {
            format!("{} ({id})", agent.name)
        } else {
            agent.name.clone()
        }
    }

    /// How a slot is shown: an agent, `unknown`, or nothing.
    pub(super) fn slot(&self, slot: &Slot) -> Option<String> {
        match slot {
            Slot::Free => None,
            Slot::Unknown => Some("unknown".to_owned()),
            Slot::Held(id) => Some(self.label(id)),
        }
    }

    /// Fills in assignments that the list did not carry, from the agents' own lists.
    pub(super) fn fill(&self, number: &mut OwnedNumber) {
        let Some(agents) = &self.0 else {
            return;
        };
        for direction in Direction::BOTH {
            if *number.slot(direction) != Slot::Unknown {
                continue;
            }
            let holds = |agent: &&Agent| agent.held(direction).into_iter().flatten().any(|held| held.is(number));
            if let Some(holder) = agents.rows.iter().find(holds) {
                *number.slot_mut(direction) = Slot::Held(holder.id.clone());
            } else if agents.complete && agents.rows.iter().all(|agent| agent.held(direction).is_some()) {
                *number.slot_mut(direction) = Slot::Free;
            }
        }
    }

    /// The last resort: asks for each agent's numbers. Leaves it unknown if any cannot be read.
    pub(super) async fn fill_one_by_one(&self, desk: &Desk, number: &mut OwnedNumber) {
        let Some(agents) = self.0.as_ref().filter(|agents| agents.rows.len() <= ASKED) else {
            return;
        };
        if number.inbound != Slot::Unknown && number.outbound != Slot::Unknown {
            return;
        }
        let mut told = [agents.complete; 2];
        let mut holders = [None, None];
        for agent in &agents.rows {
            let reply = match AgentId::try_from(agent.id.as_str()) {
                Ok(id) => agent_numbers(desk, &id, false).await.ok(),
                Err(_) => None,
            };
            for ((direction, told), holder) in Direction::BOTH.into_iter().zip(&mut told).zip(&mut holders) {
                match reply.as_ref().and_then(|reply| holds(reply, number, direction)) {
                    Some(true) => *holder = Some(agent.id.clone()),
                    Some(false) => {}
                    None => *told = false,
                }
            }
        }
        for ((direction, told), holder) in Direction::BOTH.into_iter().zip(told).zip(holders) {
            if *number.slot(direction) == Slot::Unknown {
                *number.slot_mut(direction) = match holder {
                    Some(id) => Slot::Held(id),
                    None if told => Slot::Free,
                    None => Slot::Unknown,
                };
            }
        }
    }
}

/// A number the caller named, freshly read, with who holds it.
pub(super) async fn number(desk: &Desk, named: &NumberRef) -> Result<(OwnedNumber, NumberId, Roster), Failure> {
    let (numbers, roster) = tokio::join!(numbers(desk, false), Roster::read(desk));
    let (mut number, id) = number_among(named, &numbers?.rows)?;
    roster.fill(&mut number);
    roster.fill_one_by_one(desk, &mut number).await;
    Ok((number, id, roster))
}

/// Picks the number a caller named out of those listed.
pub(super) fn number_among(named: &NumberRef, numbers: &[OwnedNumber]) -> Result<(OwnedNumber, NumberId), Failure> {
    let name = named.as_str();
    let mut fitting = numbers.iter().filter(|number| number.id == name || number.number == name);
    let (Some(number), None) = (fitting.next(), fitting.next()) else {
        return Err(no_such_number(named, numbers).into());
    };
    let id = NumberId::try_from(number.id.as_str())
        .map_err(|_| Error::Unreadable("the number's id is none that can be used".to_owned(), Saying::default()))?;
    Ok((number.clone(), id))
}

fn no_such_number(named: &NumberRef, numbers: &[OwnedNumber]) -> Refusal {
    let name = named.as_str();
    let fits = numbers.iter().filter(|number| number.id == name || number.number == name).count();
    let tail = name.get(name.len().saturating_sub(4)..).unwrap_or(name);
    let mut near: Vec<&OwnedNumber> = numbers.iter().collect();
    near.sort_by_key(|number| !(number.number.ends_with(tail) || number.id == name || number.number == name));
    let candidates: Vec<Value> =
        near.iter().take(CANDIDATES).map(|number| json!({ "id": number.id, "number": number.number })).collect();
    let (status, what) = if fits > 1 {
        (Status::Ambiguous, "Several numbers of this account fit")
    } else {
        (Status::NotFound, "No number of this account has")
    };
    let summary = format!(
        "Nothing was done. {what} the number or id given. {} shows them all; some are in candidates.",
        names::LIST_NUMBERS
    );
    Refusal::new(status, summary)
        .with("candidates", candidates)
        .with("next", json!({ "tool": names::LIST_NUMBERS, "arguments": {} }))
}

/// An agent the caller named: its id, and what is known of it.
pub(super) async fn agent(desk: &Desk, named: &AgentRef) -> Result<AgentId, Failure> {
    if let Some(id) = named.certain_id() {
        return Ok(id);
    }
    let listed = agents(desk).await.map(|agents| agents.rows);
    agent_among(named, listed)
}

/// Picks the agent a caller named out of those listed.
pub(super) fn agent_among(named: &AgentRef, listed: Result<Vec<Agent>, Error>) -> Result<AgentId, Failure> {
    if let Some(id) = named.certain_id() {
        return Ok(id);
    }
    let name = named.as_str().trim();
    let agents = match (listed, AgentId::try_from(name)) {
        (Ok(agents), _) => agents,
        // Where agents may not be read, what may be an id is taken for one.
        (Err(Error::Refused(saying)), Ok(id)) if saying.status == 403 => return Ok(id),
        (Err(error), _) => return Err(error.into()),
    };
    let lower = name.to_lowercase();
    let fitting: Vec<&Agent> = match agents.iter().find(|agent| agent.id == name) {
        Some(agent) => vec![agent],
        None => agents.iter().filter(|agent| agent.name.to_lowercase() == lower).collect(),
    };
    if let [agent] = fitting.as_slice() {
        return AgentId::try_from(agent.id.as_str()).map_err(|_| {
            Error::Unreadable("the agent's id is none that can be used".to_owned(), Saying::default()).into()
        });
    }
    let several = !fitting.is_empty();
    let mut near: Vec<&Agent> = if several { fitting } else { agents.iter().collect() };
    near.sort_by_key(|agent| !lower.split_whitespace().any(|word| agent.name.to_lowercase().contains(word)));
    let candidates: Vec<Value> = near
        .iter()
        .take(CANDIDATES)
        .map(|agent| json!({ "id": agent.id, "name": agent.name, "status": agent.status }))
        .collect();
    let refusal = if several {
        Refusal::new(
            Status::Ambiguous,
            "Nothing was done. Several agents have this name; call again with the id of the one that is meant, from candidates.",
        )
    } else {
        Refusal::new(
            Status::NotFound,
            format!(
                "Nothing was done. No agent has this name or id. {} shows them all; some are in candidates.",
                names::LIST_AGENTS
            ),
        )
        .with("next", json!({ "tool": names::LIST_AGENTS, "arguments": {} }))
    };
    Err(refusal.with("candidates", candidates).into())
}

/// A number and who holds it, as every answer shows them.
pub(super) fn facts(number: &OwnedNumber, roster: &Roster) -> Map<String, Value> {
    let mut facts = Map::new();
    facts.insert("id".to_owned(), json!(number.id));
    facts.insert("number".to_owned(), json!(number.number));
    facts.insert("number_status".to_owned(), json!(number.status));
    facts.insert("kind".to_owned(), json!(number.kind()));
    for direction in Direction::BOTH {
        facts.insert(direction.as_str().to_owned(), json!(roster.slot(number.slot(direction))));
    }
    facts
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(rows: Vec<Value>, pagination: Option<Value>) -> Reply {
        Reply { data: Value::Array(rows), pagination, request_id: None, date: None }
    }

    fn row(n: usize) -> Value {
        json!({ "id": format!("n{n}"), "phone_number": format!("+1415555{n:04}") })
    }

    /// Adds pages to a listing; whether another is worth asking for, and whether all is known.
    fn after(pages: &[Reply]) -> (bool, bool) {
        let (mut listing, mut offset, mut more) = (Listing::new(), 0, true);
        for reply in pages {
            more = listing.add(reply, offset, OwnedNumber::read, |number| &number.id).expect("a list");
            offset += rows(reply).expect("a list").len();
        }
        (more, listing.complete)
    }

    #[test]
    fn a_list_is_complete_only_if_everything_in_it_was_read() {
        let all = || (0..3).map(row).collect::<Vec<_>>();
        let told = |total: usize, more: bool| Some(json!({ "total": total, "has_more": more }));
        assert_eq!(after(&[page(all(), told(3, false))]), (false, true));
        assert_eq!(after(&[page(all(), None)]), (false, true));
        assert_eq!(after(&[page(all(), told(9, false))]), (true, true), "the total says that there is more");
        assert_eq!(
            after(&[page(all(), Some(json!({ "total": 9 })))]),
            (true, true),
            "a page may be shorter than asked for"
        );
        let same = || page(all(), told(9, true));
        assert_eq!(after(&[same(), same()]), (false, false), "a page that repeats ends it, incomplete");
        let mut odd = all();
        odd.push(json!({ "id": [] }));
        assert_eq!(after(&[page(odd, None)]), (false, false), "a row that cannot be read might be the one");
        let many = (0..ROWS + 1).map(row).collect();
        assert!(!after(&[page(many, told(ROWS + 1, false))]).1, "cut");
    }

    #[test]
    fn nobody_is_only_said_where_every_agent_was_heard() {
        let number = || OwnedNumber::read(&row(1)).expect("a number");
        let agent = |held: Value| {
            Agent::read(&json!({ "id": "a", "inbound_phone_numbers": held, "outbound_phone_numbers": [] }))
        };
        let slot = |held: Value, complete: bool| {
            let rows = agent(held).into_iter().collect();
            let mut number = number();
            Roster(Some(Listing { rows, complete })).fill(&mut number);
            number.inbound
        };
        assert_eq!(slot(json!([]), true), Slot::Free);
        assert_eq!(slot(json!([]), false), Slot::Unknown);
        assert_eq!(slot(json!([{ "other": 1 }]), true), Slot::Unknown);
        assert_eq!(slot(json!(["+14155550001"]), false), Slot::Held("a".to_owned()));
    }
}
