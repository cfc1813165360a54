//! Asks a person for a carrier's keys by URL elicitation, in both eras. Only the principal that made the call can fill
//! in its page.

use std::sync::Arc;
use std::time::Duration;

use rmcp::model::{
    CustomNotification, ElicitRequestParams, ElicitResult, ElicitationAction, InputRequiredResult, ServerNotification,
};
use rmcp::{Peer, RoleServer};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::domain::{CarrierAccess, Refusal, Status};
use crate::guard::CredentialRequest;
use crate::mcp::consent::credential_forms::{CredentialForms, FormOutcome};
use crate::mcp::consent::elicitation::{
    Consent, ConsentSubject, ElicitationMode, ElicitationReply, ElicitationState, Elicitor, PriorRequest, open_question,
};
use crate::redact::RedactionGuard;

/// How long an open call waits for its page.
const PAGE_LIFE: Duration = Duration::from_secs(300);
/// How long a second call waits for a page that the person still has open.
const ENTERING: Duration = Duration::from_secs(15);
/// The key of a call's only page, among its input requests and responses.
pub(crate) const PAGE: &str = "keys";

/// The result of showing a page.
pub(crate) enum Entered {
    /// The page was filled in. The fields are the values, their redaction guards, and the earlier call that showed the
    /// page, if any.
    Yes(CarrierAccess, Vec<RedactionGuard>, Option<PriorRequest>),
    /// Nothing was entered on the page of an earlier call, or not in time.
    No {
        /// The refusal for the caller.
        refusal: Refusal,
        /// The nonce of the state.
        nonce: String,
    },
    /// The client shows the address to its user and calls again.
    Pending(Box<InputRequiredResult>),
}

/// Returns the refusal when the user did not open the page.
pub(crate) fn not_opened(nothing: &str) -> Refusal {
    Nothing(nothing).not_opened()
}

/// Builds the refusals when nothing was entered. Each says first that nothing was done, then why.
struct Nothing<'a>(&'a str);

impl Nothing<'_> {
    fn because(&self, status: Status, why: &str) -> Refusal {
        Refusal::new(status, format!("{} {why}", self.0))
    }

    fn cancelled(&self) -> Refusal {
        self.because(Status::Cancelled, "The call was cancelled.")
    }

    /// Returns the refusal when nobody could enter anything.
    fn unavailable(&self, why: &str) -> Refusal {
        let instead = "A carrier profile needs no page: name it in carrier.";
        self.because(Status::HumanUnavailable, &format!("{why} {instead}"))
    }

    fn no_page(&self) -> Refusal {
        self.unavailable("No page can be opened now on which the user could enter the keys.")
    }

    fn not_in_time(&self) -> Refusal {
        self.unavailable("Nothing was entered on the page in time, or it was used already.")
    }

    /// Returns the refusal when a person did not want it.
    fn declined(&self, why: &str) -> Refusal {
        self.because(Status::HumanDeclined, &format!("{why} Do not ask again unless the user wishes it."))
    }

    fn not_opened(&self) -> Refusal {
        self.declined(
            "The client reported that the user did not open the page. A carrier profile needs no page: name it in carrier, if there is one.",
        )
    }
}

impl Consent {
    /// Shows a page for a carrier's keys, or takes those that were entered on the page of an earlier call. The page
    /// says what they are for, so filling it in is the consent. `nothing` begins each refusal: what was not done.
    pub(crate) async fn collect(
        &self,
        (elicitor, pages): (&Elicitor, &Arc<CredentialForms>),
        stop: &CancellationToken,
        (wanted, nothing): (&CredentialRequest, &str),
        subject: &ConsentSubject<'_>,
    ) -> Result<Entered, Refusal> {
        let (nothing, came_in) = (Nothing(nothing), elicitor.came_in.as_deref());
        let open = async || pages.open(subject.caller, wanted, came_in).await.ok_or_else(|| nothing.no_page());
        let binding = subject.binding();
        let put = |id: String, url: String| {
            let asked = self.required(PAGE, to_page(wanted, url, String::new()), Some(id), subject, &binding);
            asked.map(Entered::Pending).ok_or_else(|| nothing.no_page())
        };
        let (state, responses) = match &elicitor.way {
            ElicitationMode::Nobody => return Err(nothing.no_page()),
            ElicitationMode::Open { peer, call } => {
                let (id, url) = open().await?;
                let asked = open_question(peer, call, stop, to_page(wanted, url, id.clone()));
                let waited = pages.wait(&id, subject.caller, wanted, Instant::now() + PAGE_LIFE);
                let entered = entered_meanwhile(asked, waited, stop, &nothing).await;
                pages.close(&id);
                if entered.is_ok() {
                    notify_complete(peer, &id).await;
                }
                return entered;
            }
            ElicitationMode::SecondCall { state, responses } => (state, responses),
        };
        let opened = state.as_deref().and_then(|sealed| self.open(sealed, &binding));
        let Some((page, then)) = opened.and_then(page_of) else {
            // There is no state yet, or it is forged, stale or from another call.
            let (id, url) = open().await?;
            return put(id, url);
        };
        let answer = responses.as_ref().and_then(|responses| responses.get(PAGE));
        if answer.is_some_and(|answer| !is_acceptance(answer)) {
            pages.close(&page);
            return Ok(Entered::No { refusal: nothing.not_opened(), nonce: then.nonce });
        }
        let waited = pages.wait(&page, subject.caller, wanted, Instant::now() + ENTERING);
        let refusal = match unless_stopped(waited, stop, &nothing).await? {
            FormOutcome::Waiting => {
                let url = pages.address(&page, came_in).await.ok_or_else(|| nothing.no_page())?;
                return put(page, url);
            }
            FormOutcome::Filled(access, held) if self.first_use(&then.nonce) => {
                pages.close(&page);
                return Ok(Entered::Yes(access, held, Some(then)));
            }
            FormOutcome::Refused => nothing.declined("The user did not want it."),
            // The second call ends here. Otherwise a client that always reports a yes would repeat it without end.
            FormOutcome::Filled(..) | FormOutcome::Gone => nothing.not_in_time(),
        };
        pages.close(&page);
        Ok(Entered::No { refusal, nonce: then.nonce })
    }
}

/// Returns the page that an earlier call showed, and what that call recorded.
fn page_of(state: ElicitationState) -> Option<(String, PriorRequest)> {
    Some((state.page?, PriorRequest { seen: state.seen, nonce: state.nonce }))
}

/// Waits for the page, or refuses if the call is cancelled first.
async fn unless_stopped(
    waited: impl Future<Output = FormOutcome>,
    stop: &CancellationToken,
    nothing: &Nothing<'_>,
) -> Result<FormOutcome, Refusal> {
    tokio::select! {
        outcome = waited => Ok(outcome),
        () = stop.cancelled() => Err(nothing.cancelled()),
    }
}

/// Tells the client that its user has filled in the page.
async fn notify_complete(peer: &Peer<RoleServer>, id: &str) {
    let complete = CustomNotification::new("notifications/elicitation/complete", Some(json!({ "elicitationId": id })));
    drop(peer.send_notification(ServerNotification::CustomNotification(complete)).await);
}

/// Checks whether the client's response says that its user opened the page.
fn is_acceptance(answer: &Value) -> bool {
    serde_json::from_value::<ElicitResult>(answer.clone()).is_ok_and(|said| said.action == ElicitationAction::Accept)
}

/// Waits for the page while the call is open. The client reports whether its user opens the page. The page reports
/// everything else.
async fn entered_meanwhile(
    asked: impl Future<Output = ElicitationReply>,
    waited: impl Future<Output = FormOutcome>,
    stop: &CancellationToken,
    nothing: &Nothing<'_>,
) -> Result<Entered, Refusal> {
    tokio::pin!(asked, waited);
    let mut agreed = false;
    loop {
        tokio::select! {
            biased;
            outcome = &mut waited => return match outcome {
                FormOutcome::Filled(access, held) => Ok(Entered::Yes(access, held, None)),
                FormOutcome::Refused => Err(nothing.declined("The user did not want it.")),
                FormOutcome::Waiting | FormOutcome::Gone => Err(nothing.not_in_time()),
            },
            () = stop.cancelled(), if agreed => return Err(nothing.cancelled()),
            answer = &mut asked, if !agreed => match answer {
                ElicitationReply::Yes(answer) if answer.action == ElicitationAction::Accept => agreed = true,
                ElicitationReply::Yes(_) => return Err(nothing.not_opened()),
                ElicitationReply::Unwanted => return Err(nothing.cancelled()),
                ElicitationReply::No => {
                    return Err(nothing.unavailable("The client said that it can show its user a page, but it did not."));
                }
            },
        }
    }
}

/// Builds the request to show a person a page. Only the address identifies the page. The message has constant text, the
/// number and the carrier.
fn to_page(wanted: &CredentialRequest, url: String, elicitation_id: String) -> ElicitRequestParams {
    let (number, provider) = (wanted.number.for_people(), wanted.provider.title());
    let message = format!(
        "To import {number}, open this page of the Truedy server and enter the keys of {provider} there. They go to Truedy alone, not through this conversation. The page is good for five minutes."
    );
    ElicitRequestParams::UrlElicitationParams { meta: None, message, url, elicitation_id }
}
