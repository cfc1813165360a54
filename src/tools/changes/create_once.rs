//! Sends the one request that adds a number to the account, and finds out its outcome.
//!
//! Source: contract §10. The request is never repeated. An outcome that is not known is looked up in the account.

use std::time::Duration;

use crate::domain::OwnedNumber;
use crate::tools::changes::verify::{Documented, Found, WantedNumber, appears, shows};
use crate::tools::contract::context::ToolContext;
use crate::truedy::{ApiReply, Error, Request};

/// Time kept back from the time of a change, in which its outcome is found out.
const AFTERWARDS: Duration = Duration::from_secs(10);
/// Time without a response after which the list of numbers is read all the same. By then the caller has its response.
const SILENCE: Duration = Duration::from_secs(26);
/// Time between two such reads of the list.
const AGAIN: Duration = Duration::from_secs(15);
/// Time in which a confirmed number is looked for in the list.
const CONFIRMING: Duration = Duration::from_secs(4);

/// The outcome of the request.
pub(crate) enum Made {
    /// Truedy confirmed the change. Carries the response and what the list of numbers shows.
    Confirmed(ApiReply, Found),
    /// The response was lost or unclear, but the list of numbers shows the number.
    Seen(Box<OwnedNumber>),
    /// Truedy refused. The reason is one that Truedy gives only before it acts, and the list does not show the number.
    Refused(Documented, Error),
    /// The outcome is not known.
    Unknown(Error),
}

/// Sends `request` once and finds out the outcome for the number that it adds. An error means that the change certainly did not
/// happen.
pub(crate) async fn make(
    context: &ToolContext,
    wanted: WantedNumber<'_>,
    request: Request,
    documented: impl Fn(&Error) -> Option<Documented>,
) -> Result<Made, Error> {
    let call = context.call.leaving(AFTERWARDS);
    let sent = tokio::select! {
        biased;
        sent = context.truedy.send(request, &call) => sent,
        row = shows_meanwhile(context, wanted) => return Ok(seen(context, row)),
    };
    match sent {
        Ok(reply) => {
            let found = appears(&context.with(context.call.within(CONFIRMING)), wanted, true).await;
            Ok(Made::Confirmed(reply, found))
        }
        Err(error) if error.may_have_happened() => {
            let why = documented(&error);
            if why.is_none() {
                context.lost(&error).await;
            }
            match (appears(context, wanted, why.is_some()).await, why) {
                (Found::Here(row), _) => Ok(seen(context, row)),
                (Found::Absent, Some(why)) => Ok(Made::Refused(why, error)),
                _ => {
                    context.lost(&error).await;
                    Ok(Made::Unknown(error))
                }
            }
        }
        // The conflict may be that the account owns this number already.
        Err(Error::Refused(api_error)) if api_error.status == 409 => match appears(context, wanted, true).await {
            Found::Here(row) => Ok(seen(context, row)),
            Found::Absent => Err(Error::Refused(api_error)),
            Found::Unreadable => {
                let error = Error::NoVerdict("Truedy answered with status 409".to_owned(), api_error);
                context.lost(&error).await;
                Ok(Made::Unknown(error))
            }
        },
        Err(error) => Err(error),
    }
}

fn seen(context: &ToolContext, row: Box<OwnedNumber>) -> Made {
    if let Some(record) = &context.record {
        record.seen();
    }
    Made::Seen(row)
}

/// Waits until the list shows the number although Truedy has not responded. Never returns if the list never shows it.
async fn shows_meanwhile(context: &ToolContext, wanted: WantedNumber<'_>) -> Box<OwnedNumber> {
    tokio::time::sleep(SILENCE).await;
    loop {
        if let Some(row) = shows(context, wanted).await {
            return row;
        }
        tokio::time::sleep(AGAIN).await;
    }
}
