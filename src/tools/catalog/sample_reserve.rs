//! A sample of a tool that changes something. The feature `sample-tools` builds it; no release has it.
//!
//! It adds a number to the account by the request of a purchase, so that the sandbox can answer it.

use std::time::Duration;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::json;

use crate::domain::{
    CapRule, ChangeClass, ChangeKind, E164, Effect, OperationTarget, OwnedNumber, Proof, Refusal, Status,
};
use crate::guard::{ChangeImpact, RequestedChange, Scope};
use crate::journal::{Operation, Outcome, key_of_added};
use crate::tools::account::view::AccountView;
use crate::tools::changes::create_once::{Made, make};
use crate::tools::changes::verify::{Found, WantedNumber, documented_purchase, said};
use crate::tools::contract::arguments::arguments;
use crate::tools::contract::context::ToolContext;
use crate::tools::contract::response::{ToolFailure, ToolResponse, Undo};
use crate::tools::contract::tool::{Change, Planned, Tool};
use crate::truedy::{Request, RequestKind};

arguments! {
    /// Reserve a phone number for this account.
    SampleReserve {
        /// The number, "+14155550123".
        phone_number: E164,
        /// true: the user agreed.
        confirm: Option<bool>,
    }
}

/// The reserved number.
#[derive(Debug, Clone, Serialize, JsonSchema)]
pub(crate) struct Reserved {
    number: String,
}

const KIND: ChangeKind = ChangeKind {
    name: "sample_reserve",
    class: ChangeClass::Registers,
    done: "reserved",
    nothing: "Nothing was reserved.",
    happened: "the number was reserved",
    succeeded: Status::Imported,
    not_done: "not_reserved",
    cap: Some(CapRule::Imports),
    proof: Proof::NumberPresent,
    repeat_window: Duration::from_secs(15 * 60),
};

impl Tool for SampleReserve {
    const NAME: &'static str = KIND.name;
    const TITLE: &'static str = "Reserve a number";
    const SEARCH_HINT: &'static str = "reserve a number";
    const EFFECT: Effect = Effect::Changes(&KIND);
    const SCOPE: Scope = Scope::NumbersImport;
    type Output = Reserved;
}

impl Change for SampleReserve {
    const KIND: &'static ChangeKind = &KIND;
    type Plan = ();

    fn claims(&self) -> RequestedChange {
        let number = self.phone_number.as_str().to_owned();
        let about = OperationTarget { number: Some(number.clone()), ..OperationTarget::default() };
        RequestedChange {
            confirm: self.confirm == Some(true),
            makes: Some(number),
            about,
            ..RequestedChange::default()
        }
    }

    async fn plan(&self, _: &ToolContext) -> Result<Planned<(), Reserved>, ToolFailure> {
        let number = self.phone_number.as_str();
        let asks = format!("Nothing was reserved. Ask the user about {number}, then call again with confirm: true.");
        let next = json!({ "tool": Self::NAME, "arguments": { "phone_number": number, "confirm": true } });
        Ok(Planned::Ready(
            (),
            Box::new(ChangeImpact {
                object: OperationTarget { number: Some(number.to_owned()), ..OperationTarget::default() },
                without_flag: Some(Refusal::new(Status::ConfirmationRequired, asks).with("next", next)),
                flight: Some(key_of_added(number)),
                ..ChangeImpact::default()
            }),
        ))
    }

    async fn act(self, (): (), context: ToolContext) -> Result<ToolResponse<Reserved>, ToolFailure> {
        let number = self.phone_number.as_str();
        let body = json!({ "phone_number": number });
        let request = Request::post(["telephony", "numbers", "purchase"], RequestKind::Create, body);
        match make(&context, WantedNumber { number, created_after: None }, request, documented_purchase).await? {
            Made::Confirmed(_, Found::Here(row)) | Made::Seen(row) => Ok(reserved(&row)),
            Made::Confirmed(..) => Err(self.unknown().into()),
            Made::Refused(_, error) => {
                Err(said(Refusal::new(Status::UpstreamRejected, "Nothing was reserved."), &error).into())
            }
            Made::Unknown(error) => Err(said(self.unknown(), &error).into()),
        }
    }

    async fn reconcile(operation: &Operation, account: &AccountView<'_>) -> Option<Outcome> {
        account.added(operation, Self::KIND).await
    }

    fn undo(_: &Operation) -> Undo {
        Undo::Never
    }

    fn unknown(&self) -> Refusal {
        let summary =
            format!("It is not known whether {} was reserved. Do not repeat the call.", self.phone_number.as_str());
        Refusal::new(Status::OutcomeUnknown, summary).with("number", self.phone_number.as_str())
    }
}

fn reserved(row: &OwnedNumber) -> ToolResponse<Reserved> {
    let number = row.number.clone();
    ToolResponse::new(Status::Imported, format!("Reserved {number}."), Reserved { number })
}
