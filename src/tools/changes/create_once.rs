//! Sending the one request that makes a number ours, and finding out what became of it.
//!
//! Source: contract §10: never repeated; what is not known is looked up.

use std::time::Duration;

use crate::domain::OwnedNumber;
use crate::tools::changes::verify::{Documented, Found, appears, shows};
use crate::tools::contract::tool::ToolContext;
use crate::truedy::{ApiReply, Error, Request};

/// What is kept back of the time of a change for finding out what became of it.
const AFTERWARDS: Duration = Duration::from_secs(10);
/// How long nothing is heard before the list is looked at all the same: the caller has its answer by then.
const SILENCE: Duration = Duration::from_secs(26);
/// How often after that.
const AGAIN: Duration = Duration::from_secs(15);
/// How long a number that was confirmed is looked for in the list.
const CONFIRMING: Duration = Duration::from_secs(4);

/// What became of it.
pub(crate) enum Made {
    /// Truedy says so; what the list shows of it.
    Confirmed(ApiReply, Found),
    /// The answer was lost or unclear; the list shows it.
    Seen(Box<OwnedNumber>),
    /// It was refused in words that are known to come before the deed, and the list does not show it.
    Refused(Documented, Error),
    /// It is not known.
    Unknown(Error),
}

/// The key under which only one operation that makes this number ours may be open.
pub fn flight(number: &str) -> String {
    format!("make:{number}")
}

/// Sends `request` once and finds out what became of `number`. An error says that it certainly did not happen.
pub(crate) async fn make(
    context: &ToolContext,
    number: &str,
    request: Request,
    documented: impl Fn(&Error) -> Option<Documented>,
) -> Result<Made, Error> {
    let call = context.call.leaving(AFTERWARDS);
    let sent = tokio::select! {
        biased;
        sent = context.truedy.send(request, &call) => sent,
        row = shows_meanwhile(context, number) => return Ok(seen(context, row)),
    };
    match sent {
        Ok(reply) => {
            let found = appears(&context.with(context.call.within(CONFIRMING)), number, true).await;
            Ok(Made::Confirmed(reply, found))
        }
        Err(error) if error.may_have_happened() => {
            let why = documented(&error);
            if why.is_none() {
                context.lost(&error).await;
            }
            match (appears(context, number, why.is_some()).await, why) {
                (Found::Here(row), _) => Ok(seen(context, row)),
                (Found::Absent, Some(why)) => Ok(Made::Refused(why, error)),
                _ => {
                    context.lost(&error).await;
                    Ok(Made::Unknown(error))
                }
            }
        }
        // A conflict with what? Perhaps with this very number being ours already.
        Err(Error::Refused(api_error)) if api_error.status == 409 => match appears(context, number, true).await {
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

/// Waits until the list shows the number although Truedy has not answered. For ever, if it does not.
async fn shows_meanwhile(context: &ToolContext, number: &str) -> Box<OwnedNumber> {
    tokio::time::sleep(SILENCE).await;
    loop {
        if let Some(row) = shows(context, number).await {
            return row;
        }
        tokio::time::sleep(AGAIN).await;
    }
}
