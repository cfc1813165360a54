//! Reads one number of the account and its holders freshly, before a change and after it.
//!
//! Source: contract §6.1, §6.8, §7.1. This takes two requests if the sources agree. It takes one more for each agent
//! that must be asked.

use std::sync::Arc;

use futures::future::join_all;
use serde_json::json;
use tokio::time::Instant;

use crate::domain::{AgentId, Direction, NumberId, NumberRef, OwnedNumber, PhoneDigits, Slot, id_key};
use crate::tools::account::agents::{recent_roster, roster};
use crate::tools::account::assignments::Assignments;
use crate::tools::account::evidence::{AgentAnswer, DirectionEvidence, Usage};
use crate::tools::account::lookup;
use crate::tools::account::memory::{AccountMemory, FRESH};
use crate::tools::account::near_rows::{near, rows_with_ids};
use crate::tools::account::number_rows::rows_of;
use crate::tools::account::pages::{ListResult, ListedItem, NumberRows, RowList};
use crate::tools::account::paging::PAGE;
use crate::tools::account::roster::Roster;
use crate::tools::account::whole_reading::wait;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::ToolFailure;
use crate::truedy::{ApiError, ApiReply, Error, NotSent, run_blocking};

/// Most agents that are asked singly.
pub(crate) const ASKED: usize = 50;
/// Most agents that are asked singly for a preview. It leaves requests of the rate limit for what the preview shows.
const ASKED_FOR_A_PREVIEW: usize = 16;
/// Most agents that are asked singly for a list of numbers.
const ASKED_FOR_A_LIST: usize = 8;
/// Most agents that are asked at the same time.
const AT_ONCE: usize = 8;

/// What the reading is used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// A change that can be undone. An agent's own denial counts.
    Look,
    /// The preview of a release. It follows the rules of a release, but asks fewer agents.
    Preview,
    /// A release. Every source that names a holder counts.
    Release,
}

/// A number that the caller named, with its holders.
#[derive(Debug, Clone)]
pub(crate) struct Located {
    /// The row of the number, with each direction as it was judged.
    pub(crate) number: OwnedNumber,
    pub(crate) id: NumberId,
    pub(crate) roster: Roster,
    listing: ListResult<OwnedNumber>,
    assignments: Assignments,
    evidence: [DirectionEvidence; 2],
}

/// Fills in the holders of the listed numbers from everything that was read.
/// If the lists name different holders, the named agents are asked, as long as they are few. Otherwise what any of the
/// sources says is used.
pub(crate) async fn fill(context: &ToolContext, listing: &mut RowList<impl NumberRows>, roster: &Roster) {
    let rows = listing.rows.count();
    let (assignments, Unsettled { mut open, mut silent, named: mut ids }) =
        run_blocking(rows, || weigh(listing, roster, &context.account));
    // If neither rows nor lists name any agent, the agents themselves are asked, as long as they are few.
    if let Some(agents) = roster.agents().filter(|agents| agents.rows.len() <= ASKED_FOR_A_LIST && !silent.is_empty()) {
        ids.extend(agents.rows.iter().map(|agent| agent.id.clone()));
        open.append(&mut silent);
    }
    ids.sort();
    ids.dedup();
    if ids.len() > ASKED_FOR_A_LIST {
        return;
    }
    let replies = ask(context, &ids).await;
    for at in open {
        let Some(number) = listing.rows.view(at).map(OwnedNumber::from) else { continue };
        for direction in Direction::BOTH {
            // The evidence is the same as before. It is collected again because keeping it would take much memory.
            let evidence = assignments.evidence(number.view(), direction, false);
            let asked = told(&assignments, &replies, &number, direction);
            listing.rows.set_slot(at, direction, DirectionEvidence { asked, ..evidence }.slot());
        }
    }
}

/// What the lists do not settle.
#[derive(Default)]
struct Unsettled {
    /// Positions of the numbers on which the lists disagree.
    open: Vec<usize>,
    /// Positions of the numbers of which the lists say nothing.
    silent: Vec<usize>,
    /// The agents that are named for the numbers on which the lists disagree.
    named: Vec<String>,
}

/// Fills in what the lists say.
fn weigh(
    listing: &mut RowList<impl NumberRows>,
    roster: &Roster,
    memory: &Arc<AccountMemory>,
) -> (Assignments, Unsettled) {
    let assignments = Assignments::of_part(listing, roster, memory);
    let mut unsettled = Unsettled::default();
    for at in 0..listing.rows.count() {
        let Some(number) = listing.rows.view(at) else { continue };
        // The usual case, for which no evidence has to be collected.
        if assignments.agree(number) {
            continue;
        }
        let evidence = Direction::BOTH.map(|direction| assignments.evidence(number, direction, false));
        for (direction, one) in Direction::BOTH.into_iter().zip(&evidence) {
            listing.rows.set_slot(at, direction, one.slot());
        }
        // Rows that prove nothing cannot contradict the lists. Then only the lists count, and no agent is asked.
        let disputed = |one: &&DirectionEvidence| one.rows_prove && one.disputed();
        if evidence.iter().any(|one| disputed(&one)) {
            unsettled.open.push(at);
            unsettled.named.extend(evidence.iter().filter(disputed).flat_map(DirectionEvidence::named));
        } else if evidence.iter().any(DirectionEvidence::nothing_named) {
            unsettled.silent.push(at);
        }
    }
    (assignments, unsettled)
}

/// Finds the number that the caller named, and its holders.
pub(crate) async fn locate(context: &ToolContext, named: &NumberRef, purpose: Purpose) -> Result<Located, ToolFailure> {
    let (mut listing, mut roster) = both(context, named, purpose).await?;
    let (mut number, mut id) = lookup::number_among(named, &listing)?;
    let mut assignments = compared(context, &listing, &roster);
    // A number that was added or removed between the two requests looks like an entry that matches no number.
    if assignments.has_unmatched() && listing.complete && listing.rows.len() <= PAGE {
        (listing, roster) = both(context, named, purpose).await?;
        (number, id) = lookup::number_among(named, &listing)?;
        assignments = compared(context, &listing, &roster);
    }
    // Before a release, an id that stands in an agent's list and on no page that was read may be a second id.
    if purpose != Purpose::Look && assignments.has_unmatched() && !listing.complete {
        add_rows(&mut listing, rows_with_ids(context, &assignments.unmatched()).await?);
        assignments = compared(context, &listing, &roster);
        let begun = Instant::now();
        if assignments.has_unmatched() && context.account.readings.latest(FRESH).is_none() {
            wait(context, |reading| reading.ended >= begun, || false).await?;
            assignments = compared(context, &listing, &roster);
        }
    }
    let evidence = judge(context, &assignments, &roster, &number, purpose).await?;
    for (direction, evidence) in Direction::BOTH.into_iter().zip(&evidence) {
        *number.slot_mut(direction) = evidence.slot();
    }
    Ok(Located { number, id, roster, listing, assignments, evidence })
}

/// Adds the rows of another part of the list.
fn add_rows(listing: &mut ListResult<OwnedNumber>, others: ListResult<OwnedNumber>) {
    listing.unreadable |= others.unreadable;
    let fresh = |row: &OwnedNumber| !listing.rows.iter().any(|known| known.key() == row.key());
    let fresh: Vec<OwnedNumber> = others.rows.into_iter().filter(fresh).collect();
    listing.rows.extend(fresh);
}

fn compared(context: &ToolContext, listing: &ListResult<OwnedNumber>, roster: &Roster) -> Assignments {
    run_blocking(listing.rows.len(), || Assignments::of_part(listing, roster, &context.account))
}

/// Reads the rows of the number, and the agents.
///
/// Agents that were read in the last minute do for a change that can be undone, if rows name holders: then the rows,
/// which are read now, decide.
async fn both(
    context: &ToolContext,
    named: &NumberRef,
    purpose: Purpose,
) -> Result<(ListResult<OwnedNumber>, Roster), ToolFailure> {
    let (listing, roster) = tokio::join!(rows_of(context, named), agents_for(context, purpose));
    Ok((listing?, roster))
}

/// Reads the agents, or takes those of the last minute where rows decide.
async fn agents_for(context: &ToolContext, purpose: Purpose) -> Roster {
    let rows_decide = context.account.rows_name() == [true, true];
    if purpose == Purpose::Look && rows_decide { recent_roster(context).await } else { roster(context).await }
}

/// Collects what every source says about a number. Asks the agents singly if the lists do not settle it.
async fn judge(
    context: &ToolContext,
    assignments: &Assignments,
    roster: &Roster,
    number: &OwnedNumber,
    purpose: Purpose,
) -> Result<[DirectionEvidence; 2], ToolFailure> {
    let mut evidence =
        Direction::BOTH.map(|direction| assignments.evidence(number.view(), direction, purpose != Purpose::Look));
    let open = |evidence: &DirectionEvidence| !evidence.doubt && evidence.named().is_empty();
    let (everyone, disputed): (bool, Vec<String>) = match purpose {
        Purpose::Look => (
            evidence.iter().any(|one| open(one) && (one.slot() == Slot::Unknown || one.nothing_named())),
            evidence.iter().filter(|one| one.disputed()).flat_map(DirectionEvidence::named).collect(),
        ),
        // A number with a named holder is in use. A denial by an agent would not change that.
        Purpose::Preview | Purpose::Release => {
            let usage = |one: &DirectionEvidence| one.usage();
            let settled = evidence.iter().any(|one| usage(one) == Usage::InUse);
            let unknown = |one: &DirectionEvidence| open(one) && matches!(usage(one), Usage::Unknown { .. });
            (!settled && evidence.iter().any(unknown), Vec::new())
        }
    };
    let most = if purpose == Purpose::Preview { ASKED_FOR_A_PREVIEW } else { ASKED };
    let all = roster.agents().filter(|_| everyone);
    let agents = all.filter(|agents| agents.rows.len() <= most);
    let mut ids = disputed;
    ids.extend(agents.into_iter().flat_map(|agents| &agents.rows).map(|agent| agent.id.clone()));
    ids.sort();
    ids.dedup();
    ids.truncate(ASKED);
    let replies = ask(context, &ids).await;
    // The server's own rate limit does not mean that Truedy gave no answer. So the caller gets an error that says to
    // wait.
    if purpose == Purpose::Release
        && let Some(error) = replies.iter().find_map(|(_, reply)| reply.as_ref().err().filter(|error| is_limit(error)))
    {
        return Err(error.clone().into());
    }
    for (direction, one) in Direction::BOTH.into_iter().zip(&mut evidence) {
        one.asked = told(assignments, &replies, number, direction);
        one.asked_all = agents.is_some_and(|agents| agents.complete);
        one.unasked = all.is_some() && agents.is_none();
    }
    Ok(evidence)
}

/// Whether a request was stopped by a rate limit, either this server's or Truedy's.
fn is_limit(error: &Error) -> bool {
    matches!(error, Error::Limited(..) | Error::NotSent(NotSent::Queue(_)))
}

/// Returns each agent's own list, or the reason why it cannot be read.
async fn ask(context: &ToolContext, ids: &[String]) -> Vec<(String, Result<ApiReply, Error>)> {
    let mut replies = Vec::new();
    for some in ids.chunks(AT_ONCE) {
        replies.extend(join_all(some.iter().map(|id| ask_one(context, id))).await);
    }
    replies
}

async fn ask_one(context: &ToolContext, id: &str) -> (String, Result<ApiReply, Error>) {
    let reply = match AgentId::try_from(id) {
        Ok(agent) => lookup::agent_numbers(context, &agent, false).await,
        Err(_) => Err(Error::Unreadable("the agent's id is none that can be used".to_owned(), ApiError::default())),
    };
    (id.to_owned(), reply)
}

/// Returns what the agents say about one direction of a number.
fn told(
    assignments: &Assignments,
    replies: &[(String, Result<ApiReply, Error>)],
    number: &OwnedNumber,
    direction: Direction,
) -> Vec<(String, AgentAnswer)> {
    let of = |id: &str, reply: &ApiReply| assignments.told(reply, id, number, direction);
    let heard =
        replies.iter().map(|(id, reply)| (id, reply.as_ref().map_or(AgentAnswer::Silent, |reply| of(id, reply))));
    heard.map(|(id, told)| (id.clone(), told)).collect()
}

impl Located {
    /// Returns what the sources say about a direction.
    pub(crate) fn evidence(&self, direction: Direction) -> &DirectionEvidence {
        direction.of(self.evidence.each_ref())
    }

    /// Whether the number may be released.
    pub(crate) fn usage(&self) -> Usage {
        let [inbound, outbound] = &self.evidence;
        inbound.usage().both(outbound.usage())
    }

    /// Whether asking the agents could still allow a release.
    /// That is so if nothing speaks against it, and the agents were not asked yet but are few enough.
    pub(crate) fn is_askable(&self) -> bool {
        let open =
            |one: &DirectionEvidence| one.usage() == Usage::Free || (one.unasked && one.lists_whole && !one.doubt);
        let few = self.roster.agents().is_some_and(|agents| agents.complete && agents.rows.len() <= ASKED);
        let unasked = self.evidence.iter().any(|one| one.unasked);
        few && unasked && self.evidence.iter().all(open)
    }

    /// Whether the sources name different holders for either direction.
    pub(crate) fn disputed(&self) -> bool {
        self.evidence.iter().any(DirectionEvidence::disputed)
    }

    /// Returns the text that a confirmation is bound to. Two different readings give two different texts.
    pub(crate) fn fingerprint(&self) -> String {
        fingerprint(&self.number, &self.evidence)
    }

    /// Whether an agent holds a direction now. `None` if that cannot be read.
    pub(crate) async fn is_with(&self, context: &ToolContext, agent: &AgentId, direction: Direction) -> Option<bool> {
        let reply = lookup::agent_numbers(context, agent, true).await.ok()?;
        match self.assignments.told(&reply, agent.as_str(), &self.number, direction) {
            AgentAnswer::Yes => Some(true),
            AgentAnswer::No => Some(false),
            AgentAnswer::Doubt | AgentAnswer::Silent => None,
        }
    }

    /// Returns the present holder of a direction, by the same rules as before. `None` if it is not known.
    pub(crate) async fn slot_now(&self, context: &ToolContext, direction: Direction) -> Option<Slot> {
        let (fresh, roster) = tokio::join!(near(context, &self.number.id, true), agents_for(context, Purpose::Look));
        let fresh = fresh.ok()?.listing;
        let number = fresh.rows.iter().find(|row| row.id == self.number.id)?.clone();
        let is_fresh = |row: &OwnedNumber| fresh.rows.iter().any(|new| new.id == row.id);
        let mut listing = self.listing.clone();
        if fresh.complete {
            listing = fresh;
        } else {
            listing.rows.retain(|row| !is_fresh(row));
            listing.rows.extend(fresh.rows);
        }
        let assignments = compared(context, &listing, &roster).remembering(&self.assignments);
        let evidence = judge(context, &assignments, &roster, &number, Purpose::Look).await.ok()?;
        Some(direction.of(evidence).slot()).filter(|slot| *slot != Slot::Unknown)
    }
}

impl Located {
    /// Notes the holder of a direction as this process has just set it, so that later answers show it. `None` if it is
    /// not known.
    pub(crate) fn changed(&self, context: &ToolContext, direction: Direction, slot: Option<Slot>) {
        let Some(slot) = slot else { return context.account.readings.forget() };
        let mut number = self.number.clone();
        *number.slot_mut(direction) = slot;
        context.account.changed(&number);
    }

    /// Returns every id and number of this number in the account: those of its own row, and of each row that may be
    /// about it.
    ///
    /// Rows are linked if they share an id or may share a number. This is for protection, where matching too much is
    /// safe.
    pub(crate) fn all_names(&self) -> Vec<String> {
        let mut linked: Vec<&OwnedNumber> = vec![&self.number];
        let mut others: Vec<&OwnedNumber> = self.listing.rows.iter().collect();
        let mut at = 0;
        while let Some(row) = linked.get(at).copied() {
            at += 1;
            let (same, rest): (Vec<_>, Vec<_>) = others.into_iter().partition(|other| may_be_one(row, other));
            linked.extend(same);
            others = rest;
        }
        linked.into_iter().flat_map(|row| [row.id.clone(), row.number.clone()]).collect()
    }
}

/// Whether two rows may be about the same number.
fn may_be_one(one: &OwnedNumber, other: &OwnedNumber) -> bool {
    let digits = |row: &OwnedNumber| PhoneDigits::read(&row.number);
    id_key(&one.id) == id_key(&other.id)
        || one.number == other.number
        || digits(one).zip(digits(other)).is_some_and(|(one, other)| one.may_equal(&other))
}

/// Writes the facts about a number out by name.
///
/// It leaves out whether the number may be released. That is judged anew at each reading, because a preview asks fewer
/// agents.
fn fingerprint(number: &OwnedNumber, [inbound, outbound]: &[DirectionEvidence; 2]) -> String {
    let named = |evidence: &DirectionEvidence| {
        let mut named = evidence.named();
        named.sort();
        named
    };
    json!({
        "id": number.id,
        "number": number.number,
        "status": number.status,
        "managed": number.managed,
        "inbound": named(inbound),
        "outbound": named(outbound),
    })
    .to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn two_readings_have_two_fingerprints() {
        let number = |id: &str, number: &str, status: &str, managed: Option<bool>| OwnedNumber {
            id: id.to_owned(),
            number: number.to_owned(),
            status: status.to_owned(),
            managed,
            inbound: Slot::Unknown,
            outbound: Slot::Unknown,
            created_at: None,
        };
        let lists = |agents: &[&str]| DirectionEvidence {
            in_lists: agents.iter().map(|&agent| agent.to_owned()).collect(),
            ..DirectionEvidence::default()
        };
        let usual = number("n1", "+14155550111", "active", Some(true));
        let all = [
            fingerprint(&usual, &[lists(&[]), lists(&[])]),
            fingerprint(&usual, &[lists(&["a"]), lists(&[])]),
            fingerprint(&usual, &[lists(&[]), lists(&["a"])]),
            fingerprint(&usual, &[lists(&["a", "b"]), lists(&[])]),
            fingerprint(&usual, &[lists(&["a\", \"b"]), lists(&[])]),
            fingerprint(&number("n2", "+14155550111", "active", Some(true)), &[lists(&[]), lists(&[])]),
            fingerprint(&number("n1", "+14155550112", "active", Some(true)), &[lists(&[]), lists(&[])]),
            fingerprint(&number("n1", "+14155550111", "pending", Some(true)), &[lists(&[]), lists(&[])]),
            fingerprint(&number("n1", "+14155550111", "active", Some(false)), &[lists(&[]), lists(&[])]),
            fingerprint(&number("n1", "+14155550111", "active", None), &[lists(&[]), lists(&[])]),
        ];
        assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
        let order = |agents: &[&str]| fingerprint(&usual, &[lists(agents), lists(&[])]);
        assert_eq!(order(&["a", "b"]), order(&["b", "a"]), "the order of the sources is no fact");
    }
}
