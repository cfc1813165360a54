//! `doctor`: finds which entries of `--protect` match a number of the account.

use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::OwnedNumber;
use crate::guard::Policy;
use crate::truedy::{CallBudget, Client, Error, Request};

/// Rows for each page, the most that the API gives.
const PAGE: usize = 100;
/// Most pages that are read.
const PAGES: usize = 50;
/// How long the whole check may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// How the entries match.
pub(crate) enum Matching {
    /// Each entry matches a number.
    All,
    /// These entries match no number.
    Not(Vec<String>),
    /// Some entries match none of the numbers that could be read, but not all numbers could be read.
    Unknown,
}

/// Compares the protected entries with the account's numbers.
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
        // If a page brings nothing new, reading on would never end.
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
