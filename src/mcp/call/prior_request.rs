//! Checks the answer that a second call carries, whatever capabilities that call declares.
//!
//! A state that this server sealed proves that a question was put. So a no counts from every client. A yes counts only
//! from a request that declares elicitation. Without that, nothing shows that a person gave it.

use rmcp::model::{ElicitResult, ElicitationAction};

use crate::domain::{Refusal, Status};
use crate::guard::Question;
use crate::mcp::consent::credential_elicitation::{PAGE, not_opened};
use crate::mcp::consent::elicitation::{
    Consent, ConsentSubject, ElicitationMode, Elicitor, QUESTION, judge, no_yes, unreadable,
};

/// A no to a question of an earlier call.
pub(crate) struct SaidNo {
    /// The refusal for the caller.
    pub(crate) refusal: Refusal,
    /// The nonce of the state. Once it is recorded, no other answer to the same question counts.
    pub(crate) nonce: String,
    /// The id of the page that was shown. `None` if the question was a form.
    pub(crate) page: Option<String>,
}

impl Elicitor {
    /// Returns whether the call carries a state or answers, as a second call does.
    pub(crate) fn is_second_call(&self) -> bool {
        match &self.way {
            ElicitationMode::SecondCall { state, responses } => {
                state.is_some() || responses.as_ref().is_some_and(|responses| !responses.is_empty())
            }
            ElicitationMode::Nobody | ElicitationMode::Open { .. } => false,
        }
    }
}

impl Consent {
    /// Returns the no that this call carries, or `None`. A decline, a dismissal and an unreadable answer count as a no.
    /// This needs no data of the account. `nothing` says what was not done, and begins the refusal.
    pub(crate) fn refusal_in(
        &self,
        elicitor: &Elicitor,
        subject: &ConsentSubject<'_>,
        nothing: &str,
    ) -> Option<SaidNo> {
        let ElicitationMode::SecondCall { state: Some(state), responses: Some(responses) } = &elicitor.way else {
            return None;
        };
        let opened = self.open(state, &subject.binding())?;
        let answer = responses.get(if opened.page.is_some() { PAGE } else { QUESTION })?;
        let action = serde_json::from_value::<ElicitResult>(answer.clone()).map(|said| said.action);
        let refusal = match (action, &opened.page) {
            (Ok(ElicitationAction::Accept), _) => return None,
            (_, Some(_)) => not_opened(nothing),
            (Ok(action), None) => no_yes(&action, nothing),
            (Err(_), None) => unreadable(nothing),
        };
        // A state that was used before does not count.
        let first = self.first_use(&opened.nonce);
        first.then_some(SaidNo { refusal, nonce: opened.nonce, page: opened.page })
    }

    /// Checks a second call where nobody can be asked again. It passes only with a complete yes, from a client that
    /// declares forms. A call without state and answers is a first call and passes. A second call is never treated as
    /// one, because the flag alone might let a first call pass. The error holds the nonce of a question that was
    /// answered with no.
    pub(crate) fn admit_second_call(
        &self,
        elicitor: &Elicitor,
        (question, nothing): (Option<&Question>, &str),
        subject: &ConsentSubject<'_>,
    ) -> Result<(), (Refusal, Option<String>)> {
        let ElicitationMode::SecondCall { state, responses } = &elicitor.way else {
            return Ok(());
        };
        if !elicitor.is_second_call() {
            return Ok(());
        }
        let opened = state.as_deref().and_then(|state| self.open(state, &subject.binding()));
        if question.is_none() && opened.is_none() {
            // This change needs no question, and the call answers no question of this server.
            return Ok(());
        }
        let answer = responses.as_ref().and_then(|responses| responses.get(QUESTION));
        let answer = answer.and_then(|answer| serde_json::from_value::<ElicitResult>(answer.clone()).ok());
        let (Some(opened), Some(answer), Some(question)) = (opened, answer, question) else {
            return Err((no_answer(nothing), None));
        };
        match judge(&answer, question) {
            Err(refusal) if opened.page.is_none() && self.first_use(&opened.nonce) => {
                Err((refusal, Some(opened.nonce)))
            }
            Ok(()) if elicitor.form && opened.page.is_none() && self.first_use(&opened.nonce) => Ok(()),
            _ => Err((no_answer(nothing), None)),
        }
    }
}

fn no_answer(nothing: &str) -> Refusal {
    let why = "The call comes as the second round of a question, and brings no yes that counts: a yes counts once, for the very call that was asked about, from a request that declares elicitation.";
    Refusal::new(Status::HumanUnavailable, format!("{nothing} {why}"))
}
