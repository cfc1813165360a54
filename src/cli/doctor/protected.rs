//! `doctor`: which entries of `--protect` match a number of the account.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::OwnedNumber;
use crate::guard::Policy;
use crate::truedy::{CallBudget, Client, Error, Request};

/// Rows a page, the most the API gives.
const PAGE: usize = 100;
/// Pages that are read at most.
const PAGES: usize = 50;
/// How long all of it may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the entries match.
pub(crate) enum Matching {
    /// Each matches a number.
    All,
    /// These match none.
    Not(Vec<String>),
    /// Some match none among what could be read, and that was not all.
    Unknown,
}

/// Holds the protected entries against the account's numbers.
pub(crate) async fn unmatched(client: &Client, policy: &Policy) -> Result<Matching, Error> {
    let call = CallBudget::reading(Instant::now() + PATIENCE, CancellationToken::new());
    let mut rows: Vec<OwnedNumber> = Vec::new();
    let (mut offset, mut is_whole) = (0, true);
    for page in 0..=PAGES {
        if page == PAGES {
            is_whole = false;
            break;
        }
        let request = Request::get(["telephony", "numbers"]).query("limit", PAGE).query("offset", offset).list();
        let reply = client.send(request, &call).await?;
        let shown = reply.data.as_array().map(Vec::as_slice).unwrap_or_default();
        let read: Vec<OwnedNumber> = shown.iter().filter_map(OwnedNumber::read).collect();
        is_whole &= reply.data.is_array() && read.len() == shown.len();
        let is_new = read.iter().any(|row| rows.iter().all(|known| known.id != row.id));
        rows.extend(read);
        offset += shown.len();
        let more = reply.pagination.as_ref().and_then(|told| told.get("has_more")).and_then(serde_json::Value::as_bool);
        if !more.unwrap_or(shown.len() >= PAGE) {
            break;
        }
        // A page that brings nothing new would repeat for ever.
        if !is_new {
            is_whole = false;
            break;
        }
    }
    let left = policy.unmatched(rows.iter().map(|row| (row.id.as_str(), row.number.as_str())));
    Ok(match (left.is_empty(), is_whole) {
        (true, _) => Matching::All,
        (false, true) => Matching::Not(left.into_iter().map(str::to_owned).collect()),
        (false, false) => Matching::Unknown,
    })
}
