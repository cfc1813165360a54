//! Questions to the client: by a second call (2026-07-28) and, for older clients, while the call is open.

use std::time::Duration;

use rmcp::model::{
    ClientCapabilities, CreateMessageResult, ElicitResult, ElicitationAction, ErrorData, InputRequest, InputRequests,
    InputRequiredResult, InputResponses, ListRootsResult, RequestStateCodec, SealOptions,
};
use rmcp::{Peer, RoleServer};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::table::{Rounds, Table, Words, text};

/// How long a client may take for an answer.
const PATIENCE: Duration = Duration::from_secs(300);

/// How far the questions of one fixture have come; goes out sealed and comes back with the answers.
#[derive(Default, Serialize, Deserialize)]
struct Progress {
    round: usize,
    words: Words,
}

/// A call as the rounds see it.
pub(crate) struct Call<'a> {
    pub(crate) table: &'a Table,
    pub(crate) codec: &'a RequestStateCodec,
    /// Method and fixture: what a state is good for.
    pub(crate) bound_to: String,
    pub(crate) state: Option<&'a str>,
    pub(crate) responses: Option<&'a InputResponses>,
    pub(crate) client: ClientCapabilities,
}

impl Rounds {
    /// Takes the answers that a call brings: what to ask next or, if everything was asked, nothing but words.
    pub(crate) fn step(&self, call: &Call<'_>, words: &mut Words) -> Result<Option<InputRequiredResult>, ErrorData> {
        let bound_to = call.bound_to.as_bytes();
        let mut progress: Progress = match call.state {
            // One answer for every failure, as the codec asks for: nobody learns what was wrong.
            Some(state) => call
                .codec
                .open_json_with(state, bound_to)
                .map_err(|_| ErrorData::invalid_params("requestState is invalid or has expired", None))?,
            None => Progress::default(),
        };
        // Without the state nothing was asked, so nothing can be answered.
        if let Some(responses) = call.responses.filter(|_| call.state.is_some() || !self.sealed) {
            let answers = self
                .questions(call, progress.round)?
                .iter()
                .map(|(key, question)| responses.get(key).map(|answer| Ok((key.clone(), word(question, answer)?))))
                .collect::<Option<Result<Words, ErrorData>>>();
            // A missing answer is no error: the same is asked again.
            if let Some(answers) = answers {
                progress.words.append(&mut answers?);
                progress.round += 1;
            }
        }
        let questions = self.questions(call, progress.round)?;
        if questions.is_empty() {
            words.append(&mut progress.words);
            return Ok(None);
        }
        let options = SealOptions::new().associated_data(bound_to).ttl(PATIENCE);
        let state = call
            .codec
            .seal_json_with(&progress, &options)
            .map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
        Ok(Some(InputRequiredResult::new(Some(questions), self.sealed.then_some(state))))
    }

    /// What a round asks of this client: no more than it can do, and an error if it can do none of it.
    fn questions(&self, call: &Call<'_>, round: usize) -> Result<InputRequests, ErrorData> {
        let Some(asked) = self.asked.get(round) else { return Ok(InputRequests::new()) };
        let (mut possible, mut lacking) = (InputRequests::new(), ClientCapabilities::default());
        for (key, name) in asked {
            let question = call.table.questions.get(name).ok_or_else(|| {
                ErrorData::internal_error(format!("fixtures.json: there is no question \"{name}\""), None)
            })?;
            match lacks(question, &call.client) {
                None => _ = possible.insert(key.clone(), question.clone()),
                Some(capability) => lacking = capability,
            }
        }
        if possible.is_empty() {
            return Err(ErrorData::missing_required_client_capability(lacking));
        }
        Ok(possible)
    }
}

/// The capability for a request, if the client did not declare it.
pub(crate) fn lacks(request: &InputRequest, client: &ClientCapabilities) -> Option<ClientCapabilities> {
    let all = ClientCapabilities::builder();
    match request {
        InputRequest::Elicitation(_) if client.elicitation.is_none() => Some(all.enable_elicitation().build()),
        InputRequest::CreateMessage(_) if client.sampling.is_none() => Some(all.enable_sampling().build()),
        InputRequest::ListRoots(_) if client.roots.is_none() => Some(all.enable_roots().build()),
        _ => None,
    }
}

/// An answer as a word, or what is wrong with it.
fn word(question: &InputRequest, answer: &Value) -> Result<String, ErrorData> {
    let read = match question {
        InputRequest::Elicitation(_) => ElicitResult::deserialize(answer).map(|given| match given.action {
            ElicitationAction::Accept => {
                let fields = given.content.as_ref().and_then(Value::as_object).into_iter().flatten();
                fields.map(|(_, value)| text(value)).collect::<Vec<_>>().join(", ")
            }
            _ => "nobody".to_owned(),
        }),
        InputRequest::CreateMessage(_) => {
            CreateMessageResult::deserialize(answer).map(|_| text(&answer["content"]["text"]))
        }
        _ => ListRootsResult::deserialize(answer)
            .map(|given| given.roots.into_iter().map(|root| root.uri).collect::<Vec<_>>().join(", ")),
    };
    read.map_err(|error| ErrorData::invalid_params(format!("inputResponses: {error}"), None))
}

/// Has an older client answer while the call is open.
pub(crate) async fn ask_now(peer: &Peer<RoleServer>, request: InputRequest) -> Result<String, String> {
    match request {
        InputRequest::Elicitation(asked) => {
            let given = peer.create_elicitation_with_timeout(asked.params, Some(PATIENCE)).await;
            let given = given.map_err(|error| error.to_string())?;
            let (action, content) = (json!(given.action), json!(given.content));
            Ok(format!("action={}, content={content}", text(&action)))
        }
        InputRequest::CreateMessage(asked) => {
            let given = peer.create_message(asked.params).await.map_err(|error| error.to_string())?;
            Ok(text(&json!(given)["content"]["text"]))
        }
        _ => Err("nothing asks for this while the call is open".to_owned()),
    }
}
