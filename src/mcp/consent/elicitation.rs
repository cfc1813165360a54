//! Asks a person for consent by elicitation, in both eras of the protocol.
//!
//! From 2026-07-28 on, the question is an `InputRequiredResult`, and the answer comes with a second call. Before that,
//! the question is a request of this server while the call is open. A decline, a failure, silence or a malformed answer
//! refuses the change.

use std::collections::HashMap;
use std::time::Duration;

use http::request::Parts;
use parking_lot::Mutex;
use rmcp::model::{
    CallToolRequestParams, ClientResult, ElicitRequest, ElicitRequestParams, ElicitResult, ElicitationAction,
    ElicitationSchema, InputRequest, InputRequests, InputRequiredResult, InputResponses, ProtocolVersion, RequestId,
    RequestMetaObject, SealOptions, ServerRequest,
};
use rmcp::service::{OriginatingRequestId, PeerRequestOptions, RequestContext};
use rmcp::{Peer, RoleServer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::domain::{Caller, Refusal, Status, digest_of, numbers_for_people};
use crate::guard::{Question, QuestionForm};
use crate::mcp::consent::credential_forms::{CredentialForms, RequestOrigin};
use crate::mcp::consent::signed_state::{IssueTime, Sealer, SealingKeys};

/// How long a person may think while the call is open.
const THINKING: Duration = Duration::from_secs(120);
/// How long the state of a question is valid for an answer in a second call.
const STATE_LIFE: Duration = Duration::from_secs(600);
/// The key of a call's only question, among its input requests and responses.
pub(crate) const QUESTION: &str = "confirm";

/// How a person can be asked during a call.
#[derive(Clone)]
pub struct Elicitor {
    /// How the question reaches the client.
    pub way: ElicitationMode,
    /// Whether the client shows forms.
    pub form: bool,
    /// Whether the client shows its user the address of a page.
    pub url: bool,
    /// The origin at which this call arrived. `None` if it did not come over a network.
    pub came_in: Option<String>,
}

impl Elicitor {
    /// Returns how a person can be asked during this call. Only the modes that the client declared for this request are
    /// used. The answers in a second call are kept in any case.
    pub(crate) fn of(context: &RequestContext<RoleServer>, params: &CallToolRequestParams) -> Self {
        let declared = context.client_capabilities().and_then(|capabilities| capabilities.elicitation);
        let form = declared.as_ref().is_some_and(|elicitation| elicitation.form.is_some() || elicitation.url.is_none());
        let version = context.protocol_version();
        // The URL mode was added in revision 2025-11-25.
        let url = declared.is_some_and(|elicitation| elicitation.url.is_some())
            && version.as_ref().is_some_and(|version| *version >= ProtocolVersion::V_2025_11_25);
        let way = match version {
            Some(version) if version >= ProtocolVersion::V_2026_07_28 => ElicitationMode::SecondCall {
                state: params.request_state.clone(),
                responses: params.input_responses.clone(),
            },
            Some(version) if (form || url) && version >= ProtocolVersion::V_2025_06_18 => {
                ElicitationMode::Open { peer: Box::new(context.peer.clone()), call: context.id.clone() }
            }
            _ => ElicitationMode::Nobody,
        };
        let head = context.extensions.get::<Parts>();
        let came_in = head.and_then(|head| head.extensions.get::<RequestOrigin>()).map(|origin| origin.0.clone());
        Self { way, form, url, came_in }
    }
}

/// How a question reaches the client.
#[derive(Clone)]
pub enum ElicitationMode {
    /// No question can be put.
    Nobody,
    /// By a request to the client while the call is open (2025-06-18, 2025-11-25).
    Open {
        /// The client.
        peer: Box<Peer<RoleServer>>,
        /// The id of the call. If a transport has several streams, the question goes out on the stream of this call.
        call: RequestId,
    },
    /// By a second call (2026-07-28). The fields are what this call carries, if it is the second.
    SecondCall {
        /// The state that this server sealed.
        state: Option<String>,
        /// The client's answers.
        responses: Option<InputResponses>,
    },
}

impl Elicitor {
    /// Returns an elicitor that can ask nobody.
    pub fn nobody() -> Self {
        Self { way: ElicitationMode::Nobody, form: false, url: false, came_in: None }
    }

    /// Returns whether a person can be asked by form.
    pub fn can_ask(&self) -> bool {
        self.form && !matches!(self.way, ElicitationMode::Nobody)
    }

    /// Returns whether a person can be shown a page of this server.
    pub(crate) fn can_show_page(&self, pages: &CredentialForms) -> bool {
        self.url && !matches!(self.way, ElicitationMode::Nobody) && pages.can_show(self.came_in.as_deref())
    }
}

/// The result of asking a person.
pub(crate) enum ConsentOutcome {
    /// The person agreed to what was seen when the question was put.
    Yes {
        /// The earlier call in which the question was put. `None` if it was put in this call.
        then: Option<PriorRequest>,
    },
    /// The answer to a question of an earlier call was a no, or was not a complete yes.
    No {
        /// The refusal for the caller.
        refusal: Refusal,
        /// The nonce of the state. Once it is recorded, no other answer to the same question counts.
        nonce: String,
    },
    /// The client puts the question and calls again.
    Pending(Box<InputRequiredResult>),
}

/// The earlier call in which a question was put.
pub(crate) struct PriorRequest {
    /// The digest of what was seen then.
    pub(crate) seen: String,
    /// The nonce of the state. It is good for one answer.
    pub(crate) nonce: String,
}

/// Puts questions to a person and remembers which answers were used.
pub(crate) struct Consent {
    sealer: Sealer,
    used: Mutex<HashMap<String, Instant>>,
}

/// The state that is sealed between two calls.
#[derive(Serialize, Deserialize)]
pub(crate) struct ElicitationState {
    pub(crate) nonce: String,
    pub(crate) seen: String,
    /// When it was sealed.
    issued: IssueTime,
    /// The id of the page that was shown. `None` if the question is a form.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) page: Option<String>,
}

/// Returns the text of a question. Numbers are shown in groups. The last digits that a person must type are not
/// separated by a group.
fn as_asked(question: &Question) -> String {
    match question.form {
        QuestionForm::Yes { .. } => numbers_for_people(&question.message),
        // A person types an id as it is written, so nothing in it is grouped.
        QuestionForm::Last4 { of_id: true, .. } => question.message.clone(),
        // The digits that a person types stay together, however the number is grouped.
        QuestionForm::Last4 { ref digits, .. } => {
            let halves = (1..digits.len()).filter_map(|at| digits.split_at_checked(at));
            halves.fold(numbers_for_people(&question.message), |shown, (front, back)| {
                shown.replace(&format!("{front} {back}"), digits)
            })
        }
    }
}

/// What a question is about. The answer is valid for this and nothing else.
#[derive(Clone, Copy)]
pub(crate) struct ConsentSubject<'a> {
    pub(crate) caller: &'a Caller,
    pub(crate) tool: &'a str,
    pub(crate) arguments: &'a Value,
    pub(crate) seen: &'a str,
}

impl ConsentSubject<'_> {
    /// Returns the bytes that bind a state to tenant, principal, tool and arguments.
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

    /// Returns whether this call carries an answer to a question of this server about this subject.
    pub(crate) fn is_answered(&self, elicitor: &Elicitor, subject: &ConsentSubject<'_>) -> bool {
        match &elicitor.way {
            ElicitationMode::SecondCall { state, responses } => {
                let opened = state.as_deref().and_then(|sealed| self.open(sealed, &subject.binding()));
                opened.is_some() && responses.as_ref().is_some_and(|responses| responses.contains_key(QUESTION))
            }
            ElicitationMode::Nobody | ElicitationMode::Open { .. } => false,
        }
    }

    /// Opens a state of this server for this binding. `None` if it is forged, is bound to something else, is too old,
    /// or is from the future.
    pub(crate) fn open(&self, sealed: &str, binding: &[u8]) -> Option<ElicitationState> {
        let state = self.sealer.codec().ok()?.open_json_with::<ElicitationState>(sealed, binding).ok()?;
        state.issued.holds(STATE_LIFE).is_ok().then_some(state)
    }

    /// Asks a person, or reads the answer that came with this call. `card` is for a client that shows the form on a
    /// page. The form and the check of the answer are the same for all clients.
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
                // The state is forged, foreign or stale, or there is no answer yet. The question is put, and nothing is
                // done.
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

    /// Builds the result that asks a client to put a question and call again. `None` if the state cannot be sealed.
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

    /// Records the use of a nonce. Returns whether its state answers the question for the first time.
    pub(crate) fn first_use(&self, nonce: &str) -> bool {
        let mut used = self.used.lock();
        let now = Instant::now();
        used.retain(|_, until| *until > now);
        used.insert(nonce.to_owned(), now + STATE_LIFE + Duration::from_secs(60)).is_none()
    }
}

/// The reply to a question that was put while the call is open.
pub(crate) enum ElicitationReply {
    /// An answer, whatever it says.
    Yes(ElicitResult),
    /// No answer in time, or a failure.
    No,
    /// The call is no longer wanted.
    Unwanted,
}

/// Puts a question and waits for the answer. If nobody waits any more, the question is cancelled so that no dialog
/// stays open.
pub(crate) async fn open_question(
    peer: &Peer<RoleServer>,
    call: &RequestId,
    stop: &CancellationToken,
    form: ElicitRequestParams,
) -> ElicitationReply {
    let mut request = ElicitRequest::new(form);
    // rmcp finds the call's id by itself only in the task that it started. The call runs in another task.
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

/// Returns whether what was seen when the question was put is what is seen now. `seen_then` is a digest.
pub(crate) fn same(seen_then: &str, seen_now: &str) -> bool {
    seen_then == digest(seen_now)
}

/// Returns the refusal for an answer that cannot be read.
pub(crate) fn unreadable(nothing: &str) -> Refusal {
    Refusal::new(Status::HumanUnavailable, format!("{nothing} The client's answer to the question could not be read."))
}

/// Returns the refusal for an answer whose action is no yes.
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

/// Checks an answer. Only a complete yes passes: accepted, ticked, and with the right last digits where they are asked.
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
