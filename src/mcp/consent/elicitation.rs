//! The person's word, carried by elicitation: one question, two carriers.
//!
//! From 2026-07-28 on the question is an `InputRequiredResult` and the answer comes with a second call; before that it
//! is a request of our own while the call is open. A decline, a failure, silence or a malformed answer refuses.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{
    ClientResult, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction, ElicitationSchema, InputRequest,
    InputRequests, InputRequiredResult, InputResponses, RequestId, RequestMetaObject, SealOptions, ServerRequest,
};
use rmcp::service::{OriginatingRequestId, PeerRequestOptions};
use rmcp::{Peer, RoleServer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::domain::{Caller, Refusal, Status, digest_of, numbers_for_people};
use crate::guard::{Question, QuestionForm};
use crate::mcp::consent::credential_forms::CredentialForms;
use crate::mcp::consent::signed_state::{IssueTime, Sealer, SealingKeys};

/// How long a person may think where the call waits.
const THINKING: Duration = Duration::from_secs(120);
/// How long an answer to a second call is good for.
const STATE_LIFE: Duration = Duration::from_secs(600);
/// The key of the one question of a call.
pub(crate) const QUESTION: &str = "confirm";

/// How a person can be asked during this call, and with what.
#[derive(Clone)]
pub struct Elicitor {
    /// How the question travels.
    pub way: ElicitationMode,
    /// Whether the client shows forms.
    pub form: bool,
    /// Whether the client shows its user the address of a page.
    pub url: bool,
    /// The origin on which this call came in, where it came over a network.
    pub came_in: Option<String>,
}

/// How a question travels.
#[derive(Clone)]
pub enum ElicitationMode {
    /// Not at all.
    Nobody,
    /// By a request to the client while the call is open (2025-06-18, 2025-11-25).
    Open {
        /// The client.
        peer: Box<Peer<RoleServer>>,
        /// The id of the call: the question goes out on its stream, where a transport has several.
        call: RequestId,
    },
    /// By a second call (2026-07-28): what came with this one, if it is the second.
    SecondCall {
        /// The state we sealed.
        state: Option<String>,
        /// The answers.
        responses: Option<InputResponses>,
    },
}

impl Elicitor {
    /// Nobody is there.
    pub fn nobody() -> Self {
        Self { way: ElicitationMode::Nobody, form: false, url: false, came_in: None }
    }

    /// Whether a person can be asked by form.
    pub fn can_ask(&self) -> bool {
        self.form && !matches!(self.way, ElicitationMode::Nobody)
    }

    /// Whether a person can be shown a page of this server.
    pub(crate) fn can_show_page(&self, pages: &CredentialForms) -> bool {
        self.url && !matches!(self.way, ElicitationMode::Nobody) && pages.can_show(self.came_in.as_deref())
    }
}

/// What came of asking.
pub(crate) enum ConsentOutcome {
    /// Yes, to what was seen then.
    Yes {
        /// What had been seen when the question was put, and the nonce of the state, where that was another call.
        then: Option<PriorRequest>,
    },
    /// No, or nothing that can be taken for a yes, in answer to a question of another call.
    No {
        /// What is said of it.
        refusal: Refusal,
        /// The nonce of the state: no other answer to the same question counts any more.
        nonce: String,
    },
    /// The client carries the question and calls again.
    Pending(Box<InputRequiredResult>),
}

/// The call in which a question was put.
pub(crate) struct PriorRequest {
    /// A digest of what had been seen.
    pub(crate) seen: String,
    /// Good for one answer.
    pub(crate) nonce: String,
}

/// Asks, and remembers which answers were used.
pub(crate) struct Consent {
    sealer: Sealer,
    used: Mutex<HashMap<String, Instant>>,
}

/// What is sealed between two calls.
#[derive(Serialize, Deserialize)]
pub(crate) struct ElicitationState {
    pub(crate) nonce: String,
    pub(crate) seen: String,
    /// When it was sealed.
    issued: IssueTime,
    /// The page that was shown, if it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) page: Option<String>,
}

/// The text of a question. Numbers are shown in groups, but not where a person types the last digits of one: groups would
/// part them.
fn as_asked(question: &Question) -> String {
    match question.form {
        QuestionForm::Yes { .. } => numbers_for_people(&question.message),
        // An id is typed as it is written.
        QuestionForm::Last4 { of_id: true, .. } => question.message.clone(),
        // The digits that are typed stay together, however the number is grouped.
        QuestionForm::Last4 { ref digits, .. } => {
            let run_blocking = (1..digits.len()).filter_map(|at| digits.split_at_checked(at));
            run_blocking.fold(numbers_for_people(&question.message), |shown, (front, back)| {
                shown.replace(&format!("{front} {back}"), digits)
            })
        }
    }
}

/// What a question is about: the answer is good for this and nothing else.
#[derive(Clone, Copy)]
pub(crate) struct ConsentSubject<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) tool: &'a str,
    pub(crate) arguments: &'a Value,
    pub(crate) seen: &'a str,
}

impl ConsentSubject<'_> {
    /// Tenant, principal, tool and arguments.
    pub(crate) fn binding(&self) -> Vec<u8> {
        // Maps are sorted by key, so equal arguments give equal texts.
        let arguments = digest(&self.arguments.to_string());
        json!([self.caller.tenant, self.caller.principal, self.tool, arguments]).to_string().into_bytes()
    }
}

fn digest(text: &str) -> String {
    digest_of(text.as_bytes())
}

impl Consent {
    pub(crate) fn new(keys: &SealingKeys) -> Self {
        Self { sealer: keys.sealer("truedy-mcp question"), used: Mutex::default() }
    }

    /// Whether this call brings an answer to a question of ours about this very subject.
    pub(crate) fn is_answered(&self, elicitor: &Elicitor, subject: &ConsentSubject<'_>) -> bool {
        match &elicitor.way {
            ElicitationMode::SecondCall { state, responses } => {
                let opened = state.as_deref().and_then(|sealed| self.open(sealed, &subject.binding()));
                opened.is_some() && responses.as_ref().is_some_and(|responses| responses.contains_key(QUESTION))
            }
            ElicitationMode::Nobody | ElicitationMode::Open { .. } => false,
        }
    }

    /// A state of ours about this, that is neither old nor from the future.
    pub(crate) fn open(&self, sealed: &str, binding: &[u8]) -> Option<ElicitationState> {
        let state = self.sealer.codec().ok()?.open_json_with::<ElicitationState>(sealed, binding).ok()?;
        state.issued.holds(STATE_LIFE).is_ok().then_some(state)
    }

    /// Asks a person, or reads the answer that came with this call. `card` is for a client that shows the form on a page; the
    /// form and what is made of the answer are the same for all.
    pub(crate) async fn ask(
        &self,
        elicitor: &Elicitor,
        stop: &CancellationToken,
        (question, card): (&Question, Option<RequestMetaObject>),
        subject: &ConsentSubject<'_>,
    ) -> Result<ConsentOutcome, Refusal> {
        let fault = || {
            Refusal::new(
                Status::HumanUnavailable,
                format!("{} The question could not be put to the user.", question.declined),
            )
        };
        let Some(schema) = schema(&question.form) else {
            return Err(fault());
        };
        let form = ElicitRequestParams::FormElicitationParams {
            meta: card,
            message: as_asked(question),
            requested_schema: schema,
        };
        match &elicitor.way {
            ElicitationMode::Nobody => Err(fault()),
            ElicitationMode::Open { peer, call } => match open_question(peer, call, stop, form).await {
                ElicitationReply::Yes(answer) => judge(&answer, question).map(|()| ConsentOutcome::Yes { then: None }),
                ElicitationReply::Unwanted => {
                    Err(Refusal::new(Status::Cancelled, format!("{} The call was cancelled.", question.declined)))
                }
                ElicitationReply::No => {
                    let why = "The client said that it can ask the user, but it did not bring back an answer.";
                    Err(Refusal::new(Status::HumanUnavailable, format!("{} {why}", question.declined)))
                }
            },
            ElicitationMode::SecondCall { state, responses } => {
                let binding = subject.binding();
                let opened = state.as_deref().and_then(|sealed| self.open(sealed, &binding));
                let answer = responses.as_ref().and_then(|responses| responses.get(QUESTION));
                // A forged, foreign or stale state, or no answer yet: the question is put (again), nothing is done.
                let (Some(opened), Some(answer)) = (opened, answer) else {
                    return self.put(form, subject, &binding).ok_or_else(fault);
                };
                if opened.page.is_some() || !self.first_use(&opened.nonce) {
                    return self.put(form, subject, &binding).ok_or_else(fault);
                }
                let answer = serde_json::from_value::<ElicitResult>(answer.clone());
                let answer = answer.map_err(|_| unreadable(&question.declined));
                let ElicitationState { nonce, seen, .. } = opened;
                Ok(match answer.and_then(|answer| judge(&answer, question)) {
                    Ok(()) => ConsentOutcome::Yes { then: Some(PriorRequest { seen, nonce }) },
                    Err(refusal) => ConsentOutcome::No { refusal, nonce },
                })
            }
        }
    }

    fn put(&self, form: ElicitRequestParams, subject: &ConsentSubject<'_>, binding: &[u8]) -> Option<ConsentOutcome> {
        self.required(QUESTION, form, None, subject, binding).map(ConsentOutcome::Pending)
    }

    /// What a client is told that must put a question and call again.
    pub(crate) fn required(
        &self,
        key: &str,
        question: ElicitRequestParams,
        page: Option<String>,
        subject: &ConsentSubject<'_>,
        binding: &[u8],
    ) -> Option<Box<InputRequiredResult>> {
        let (nonce, issued) = (Uuid::new_v4().simple().to_string(), IssueTime::now());
        let state = ElicitationState { nonce, seen: digest(subject.seen), issued, page };
        let options = SealOptions::new().associated_data(binding).ttl(STATE_LIFE);
        let sealed = self.sealer.codec().ok()?.seal_json_with(&state, &options).ok()?;
        let mut requests = InputRequests::new();
        requests.insert(key.to_owned(), InputRequest::Elicitation(ElicitRequest::new(question)));
        Some(Box::new(InputRequiredResult::new(Some(requests), Some(sealed))))
    }

    /// Whether a state answers its question for the first time.
    pub(crate) fn first_use(&self, nonce: &str) -> bool {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        used.retain(|_, until| *until > now);
        used.insert(nonce.to_owned(), now + STATE_LIFE + Duration::from_secs(60)).is_none()
    }
}

/// What came back from a question that was put while the call is open.
pub(crate) enum ElicitationReply {
    /// An answer, whatever it says.
    Yes(ElicitResult),
    /// Nothing in time, or a failure.
    No,
    /// The call is no longer wanted.
    Unwanted,
}

/// Puts a question and waits. A question that nobody waits for any more is taken back, so that no dialog stays open.
pub(crate) async fn open_question(
    peer: &Peer<RoleServer>,
    call: &RequestId,
    stop: &CancellationToken,
    form: ElicitRequestParams,
) -> ElicitationReply {
    let mut request = ElicitRequest::new(form);
    // rmcp knows by itself only in the task in which it called us, and a call runs in one of its own.
    request.extensions.insert(OriginatingRequestId(call.clone()));
    let request = ServerRequest::ElicitRequest(request);
    let Ok(mut asked) = peer.send_cancellable_request(request, PeerRequestOptions::no_options()).await else {
        return ElicitationReply::No;
    };
    let outcome = tokio::select! {
        biased;
        () = stop.cancelled() => ElicitationReply::Unwanted,
        answer = tokio::time::timeout(THINKING, &mut asked.rx) => match answer {
            Ok(Ok(Ok(ClientResult::ElicitResult(answer)))) => return ElicitationReply::Yes(answer),
            Ok(_) => return ElicitationReply::No,
            Err(_) => ElicitationReply::No,
        },
    };
    drop(asked.cancel(Some("the question is no longer open".to_owned())).await);
    outcome
}

/// Whether what was seen when the question was put is what is seen now.
pub(crate) fn same(seen_then: &str, seen_now: &str) -> bool {
    seen_then == digest(seen_now)
}

/// What is said of an answer that cannot be read.
pub(crate) fn unreadable(nothing: &str) -> Refusal {
    Refusal::new(Status::HumanUnavailable, format!("{nothing} The client's answer to the question could not be read."))
}

/// What is said of an answer that is no yes by its action.
pub(crate) fn no_yes(action: &ElicitationAction, nothing: &str) -> Refusal {
    declined(
        nothing,
        match action {
            ElicitationAction::Decline => "The client reported that the user declined.",
            _ => "The client reported that the question was dismissed.",
        },
    )
}

fn declined(nothing: &str, why: &str) -> Refusal {
    Refusal::new(Status::HumanDeclined, format!("{nothing} {why} Do not ask again unless the user wishes it."))
}

/// Only a complete yes is a yes.
pub(crate) fn judge(answer: &ElicitResult, question: &Question) -> Result<(), Refusal> {
    let declined = |why: &str| Err(declined(&question.declined, why));
    if answer.action != ElicitationAction::Accept {
        return Err(no_yes(&answer.action, &question.declined));
    }
    let content = answer.content.as_ref().unwrap_or(&Value::Null);
    let ticked = |field: &str| content.get(field) == Some(&Value::Bool(true));
    match &question.form {
        QuestionForm::Yes { field } if ticked(field) => Ok(()),
        QuestionForm::Last4 { field, digits, of_id } if ticked(field) => {
            match content.get("last4").and_then(Value::as_str) {
                Some(typed) if typed == digits => Ok(()),
                _ if *of_id => declined("The last four characters that were typed are not those of the id."),
                _ => declined("The last four digits that were typed are not those of the number."),
            }
        }
        _ => declined("The form came back without a yes."),
    }
}

fn schema(form: &QuestionForm) -> Option<ElicitationSchema> {
    let schema = match form {
        QuestionForm::Yes { field } => json!({
            "type": "object",
            "properties": { *field: { "type": "boolean", "title": "Yes", "description": "Tick to go ahead." } },
            "required": [field]
        }),
        QuestionForm::Last4 { field, digits, of_id: true } => json!({
            "type": "object",
            "properties": {
                *field: { "type": "boolean", "title": "Yes, release it", "description": "Tick to give the number up for good.", "default": false },
                "last4": { "type": "string", "title": "Last four characters", "description": "Type the last four characters of the id, as it is written.", "minLength": digits.chars().count(), "maxLength": digits.chars().count() }
            },
            "required": [field, "last4"]
        }),
        QuestionForm::Last4 { field, .. } => json!({
            "type": "object",
            "properties": {
                *field: { "type": "boolean", "title": "Yes, release it", "description": "Tick to give the number up for good.", "default": false },
                "last4": { "type": "string", "title": "Last four digits", "description": "Type the last four digits of the number: 4 digits, 0 to 9.", "minLength": 4, "maxLength": 4 }
            },
            "required": [field, "last4"]
        }),
    };
    serde_json::from_value(schema).ok()
}

#[cfg(test)]
#[path = "elicitation_tests.rs"]
mod tests;
