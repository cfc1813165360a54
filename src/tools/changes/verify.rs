//! Finds the outcome of a change whose response was lost or says too little.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use crate::domain::{OwnedNumber, Refusal, Status};
use crate::tools::account::near_rows::{leaving, near_and_newest};
use crate::tools::account::whole_reading::wait;
use crate::tools::contract::context::ToolContext;
use crate::truedy::{ApiError, Error};

/// When the list is read after an unknown outcome, in seconds after the first read.
const LOOKS: [u64; 8] = [0, 2, 5, 10, 20, 40, 80, 150];
/// The same after a refusal whose reason is a `Documented` one.
const SHORT_LOOKS: [u64; 2] = [0, 2];
/// Time kept back for building the response.
const SPARE: Duration = Duration::from_millis(400);

/// What repeated reads of the list of numbers found.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Found {
    /// The number is in the list.
    Here(Box<OwnedNumber>),
    /// The number is not in the list, and the last readable list was whole.
    Absent,
    /// The list could not be read as a whole.
    Unreadable,
}

/// A number that a change adds to the account.
#[derive(Debug, Clone, Copy)]
pub(crate) struct WantedNumber<'a> {
    pub(crate) number: &'a str,
    /// The earliest creation of a row that the change can have added.
    pub(crate) created_after: Option<i64>,
}

impl WantedNumber<'_> {
    /// Whether the change can have added this row.
    fn fits(&self, row: &OwnedNumber) -> bool {
        row.number == self.number && row.is_created_after(self.created_after)
    }

    /// Looks once. A number that was added stands on the newest page, or where the index saw it since.
    async fn look(&self, context: &ToolContext) -> Result<Found, Error> {
        let near = near_and_newest(context, self.number, true).await?;
        let older = near.listing.rows.iter().any(|row| row.number == self.number);
        Ok(match near.listing.rows.into_iter().find(|row| self.fits(row)) {
            Some(row) => {
                context.account.changed(&row);
                Found::Here(Box::new(row))
            }
            // An older row of the number proves nothing about the change.
            None if older || near.listing.unreadable || (near.whole && !near.listing.complete) => Found::Unreadable,
            None => Found::Absent,
        })
    }
}

/// Looks at the given times, until `settles` holds or the time of the call is over.
async fn look<F: Future<Output = Result<Found, Error>>>(
    context: &ToolContext,
    times: &[u64],
    once: impl Fn(ToolContext) -> F,
    settles: impl Fn(&Found) -> bool,
) -> Found {
    let start = Instant::now();
    let context = context.with(context.call.unstoppable().leaving(SPARE));
    let mut last = Found::Unreadable;
    for seconds in times {
        let at = start + Duration::from_secs(*seconds);
        if at >= context.call.deadline {
            break;
        }
        tokio::time::sleep_until(at).await;
        match once(context.clone()).await {
            Ok(found) => last = found,
            Err(error) => tracing::debug!(%error, "could not look up what a change did"),
        }
        if settles(&last) {
            break;
        }
    }
    last
}

/// Looks once, and returns the number if the account shows it.
pub(crate) async fn shows(context: &ToolContext, wanted: WantedNumber<'_>) -> Option<Box<OwnedNumber>> {
    match wanted.look(&context.with(context.call.unstoppable())).await {
        Ok(Found::Here(row)) => Some(row),
        _ => None,
    }
}

/// Waits for a number to appear in the list.
pub(crate) async fn appears(context: &ToolContext, wanted: WantedNumber<'_>, documented: bool) -> Found {
    let times: &[u64] = if documented { &SHORT_LOOKS } else { &LOOKS };
    let once = async |context: ToolContext| wanted.look(&context).await;
    look(context, times, once, |found| matches!(found, Found::Here(_))).await
}

/// Waits for a number to leave the list. Returns also whether the whole list was read.
///
/// If Truedy confirmed the release, the page on which the number stood and its neighbours are enough. Otherwise only the
/// whole list shows that it is gone. `patient` looks several times.
pub(crate) async fn vanishes(context: &ToolContext, id: &str, confirmed: bool, patient: bool) -> (Found, bool) {
    let times: &[u64] = if patient { LOOKS.get(..4).unwrap_or(&LOOKS) } else { &[0] };
    let whole = AtomicBool::new(false);
    let begun = Instant::now();
    let once = async |context: ToolContext| {
        let near = leaving(&context, id).await?;
        whole.store(near.whole, Ordering::Relaxed);
        let row = near.listing.rows.into_iter().find(|row| row.id == id);
        Ok(match row {
            Some(row) => Found::Here(Box::new(row)),
            None if near.listing.unreadable || (near.whole && !near.listing.complete) => Found::Unreadable,
            None if near.whole || confirmed => Found::Absent,
            None => match wait(&context, |reading| reading.begun >= begun, || false).await {
                Ok(Some(reading)) if reading.is_complete() => {
                    whole.store(true, Ordering::Relaxed);
                    reading.row(id).map_or(Found::Absent, |row| Found::Here(Box::new(row)))
                }
                _ => Found::Unreadable,
            },
        })
    };
    let found = look(context, times, once, |found| *found == Found::Absent).await;
    if found == Found::Absent {
        context.account.forget(id);
    }
    (found, whole.into_inner())
}

/// A reason for a refusal that Truedy is known to give only before it acts. It proves that the change did not happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Documented {
    /// The provider is not configured for the organisation.
    NotConfigured,
    /// A field was missing.
    MissingField,
    /// The number exists in Truedy already, in this workspace or in another.
    Duplicate,
    /// The carrier itself refused.
    Carrier,
}

/// The phrases by which Truedy says that a provider is not configured.
const NO_PROVIDER: [&str; 3] = ["key is not configured", "provider is not configured", "provider not configured"];

/// Reads a 422 to a purchase (contract §3.4, §6.3).
/// Truedy orders the number first and writes to its database afterwards. So only two kinds of message prove that
/// nothing was bought. The first is given before the order: a field of the request is wrong, or no provider is
/// configured. The second is the carrier's own refusal of the order.
pub(crate) fn documented_purchase(error: &Error) -> Option<Documented> {
    let fields = error.api_error().map(|api_error| api_error.fields.as_slice()).unwrap_or_default();
    let ours =
        !fields.is_empty() && fields.iter().all(|(field, _)| matches!(field.as_str(), "phone_number" | "api_key"));
    documented(error).filter(|why| match why {
        // After the order, something else may turn out not to be configured.
        Documented::NotConfigured => error.api_error().is_some_and(|api_error| api_error.mentions(&NO_PROVIDER)),
        Documented::Carrier => true,
        Documented::MissingField => ours,
        Documented::Duplicate => false,
    })
}

/// Reads a 422 to an import (contract §3.4, §6.4). A message about a failed request or a time-out proves nothing.
pub(crate) fn documented(error: &Error) -> Option<Documented> {
    let Error::NoVerdict(_, api_error) = error else {
        return None;
    };
    if api_error.status != 422 {
        return None;
    }
    let unclear = ["timed out", "timeout", "time-out", "request failed", "connection", "unreachable", "disconnected"];
    if api_error.mentions(&["not configured"]) {
        Some(Documented::NotConfigured)
    } else if api_error.mentions(&unclear) {
        None
    } else if api_error.mentions(&["duplicate key", "23505", "already exists"]) {
        Some(Documented::Duplicate)
    } else if carrier_said_no(api_error) {
        Some(Documented::Carrier)
    } else if !api_error.fields.is_empty() || api_error.mentions(&["required"]) {
        Some(Documented::MissingField)
    } else {
        None
    }
}

/// Matches `… API error: 4xx …`. Excludes the statuses by which a carrier says that the outcome is unclear.
fn carrier_said_no(api_error: &ApiError) -> bool {
    let message = api_error.message.as_deref().unwrap_or_default();
    let Some((_, after)) = message.split_once("API error: ") else {
        return false;
    };
    let digits: String = after.chars().take_while(char::is_ascii_digit).collect();
    matches!(digits.parse::<u16>(), Ok(400..=499)) && !matches!(digits.as_str(), "408" | "409" | "425" | "429" | "499")
}

/// Builds the refusal for a provider that is not configured. It says who can set one up.
pub fn not_configured(what: &str) -> Refusal {
    let summary = format!(
        "{what} No telephony provider is configured for this organisation at Truedy. The owner can set one up in Truedy's dashboard or through its support, or give an own Telnyx key in api_key."
    );
    Refusal::new(Status::ProviderNotConfigured, summary)
}

/// Adds Truedy's message and request id to a refusal, each in its own field.
pub fn said(mut refusal: Refusal, error: &Error) -> Refusal {
    if let Some(api_error) = error.api_error() {
        if let Some(message) = &api_error.message {
            refusal = refusal.with("truedy_says", message.as_str());
        }
        if let Some(id) = &api_error.request_id {
            refusal = refusal.with("request_id", id.as_str());
        }
    }
    refusal
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(message: &str) -> Error {
        let mut api_error = ApiError::default();
        (api_error.status, api_error.message) = (422, Some(message.to_owned()));
        Error::NoVerdict(String::new(), api_error)
    }

    #[test]
    fn only_known_refusals_are_taken_for_a_no() {
        assert_eq!(
            documented(&said("Failed to purchase number: Telnyx API key is not configured")),
            Some(Documented::NotConfigured)
        );
        assert_eq!(
            documented(&said("Failed to purchase number: Telnyx API error: 422 - no longer available.")),
            Some(Documented::Carrier)
        );
        assert_eq!(documented(&said("Failed to import number: {'code': '23505'}")), Some(Documented::Duplicate));
        assert_eq!(documented(&said("Account SID is required for Twilio")), Some(Documented::MissingField));
        for after_the_order in ["{'code': '23505', 'message': 'duplicate key'}", "organization_id is required"] {
            assert_eq!(documented_purchase(&said(after_the_order)), None, "{after_the_order}");
        }
        let configured =
            |what: &str| documented_purchase(&said(&format!("Failed to purchase number: {what} not configured")));
        assert_eq!(configured("Telnyx API key is"), Some(Documented::NotConfigured));
        assert_eq!(configured("messaging profile"), None);
        let carrier = said("Failed to purchase number: Telnyx API error: 422 - no longer available.");
        assert_eq!(documented_purchase(&carrier), Some(Documented::Carrier));
        for unclear in [
            "Failed to purchase number: Telnyx API request failed: timed out",
            "Failed to purchase number: Telnyx API error: 503 - x",
            "Failed to purchase number: Telnyx API error: 408 - x",
            "Failed to purchase number: database error",
            "",
        ] {
            assert_eq!(documented(&said(unclear)), None, "{unclear}");
        }
    }
}
