//! The gate: decides from the impact of a change which confirmations it needs.
//!
//! It checks in this order:
//!
//! 1. protected numbers
//! 2. the flag `confirm: true` (for a purchase, the yes of a person can replace it)
//! 3. the interlock for objects in use
//! 4. whether a person can be asked, where one must be
//! 5. the token
//! 6. the question to a person
//!
//! The policy has already been checked before anything was read.

use crate::domain::{AccessField, E164, Fees, Money, OperationTarget, ProviderType, Refusal, Status};

use crate::guard::policy::{AskMode, Level, Policy, denied};

/// A question for a person. It contains only constants, checked numbers, prices and counts, never text from upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The text of the question.
    pub message: String,
    /// The form that the person fills in.
    pub form: QuestionForm,
    /// What the caller receives if the person does not agree.
    pub declined: String,
}

/// The form of a question. No form has a default that agrees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum QuestionForm {
    /// A checkbox and the last four characters of the number or id.
    ///
    /// Only a person who has read the question can type them.
    Last4 {
        /// The name of the checkbox.
        field: &'static str,
        /// What must be typed: the last digits of the number, or the last characters of its id.
        digits: String,
        /// Whether they are characters of the id, because the number cannot be shown in a question.
        of_id: bool,
    },
    /// A checkbox.
    Yes {
        /// The name of the checkbox.
        field: &'static str,
    },
}

/// The credentials that a person enters on a page of this server. They pass through neither the client nor the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialRequest {
    /// The number to be imported.
    pub number: E164,
    /// The carrier of the account.
    pub provider: ProviderType,
    /// The values that are already known. None of them is a secret.
    pub known: Vec<(AccessField, String)>,
}

/// The impact of a change, found out by reading before anything is sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ChangeImpact {
    /// The number, agent or carrier that the change is about.
    pub object: OperationTarget,
    /// Whether the change destroys the object. Then protected numbers are refused.
    pub destroys: bool,
    /// All ids and numbers of the object in the account, as Truedy writes them. Protection covers each of them.
    pub also_known_as: Vec<String>,
    /// Whether the level of the policy applies. It applies to a release and a purchase.
    pub grave: bool,
    /// The refusal if `confirm: true` is missing. `None` if no flag is needed.
    pub without_flag: Option<Refusal>,
    /// What that refusal says after the sentence that nothing was done. Set if it is a preview.
    pub shows: String,
    /// Whether the yes of a person replaces the flag at level `flag`.
    pub yes_is_enough: bool,
    /// The refusal because something uses the object. The flag does not change it. Only the operator can allow it.
    pub in_use: Option<Refusal>,
    /// The question for a person, asked if the client can ask.
    pub question: Option<Question>,
    /// The credentials that the person enters on a page. The page then replaces the form.
    pub wanted: Option<CredentialRequest>,
    /// Whether the agent that gets the object is missing from the whole list of agents.
    pub agent_is_gone: bool,
    /// What was read of the object. It is compared again after the person has answered, and when a token is used.
    pub seen: String,
    /// The key of the operation. While an operation with this key is open, no other one may begin.
    pub flight: Option<String>,
    /// The price: the first month plus what is paid once.
    pub price: Option<Money>,
    /// What the number costs a month and once. `None` if it is not known.
    pub fees: Option<Fees>,
    /// The ids of all numbers of the account. `None` if its list was not read whole.
    pub account_ids: Option<Vec<String>>,
}

/// The result of checking the token of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TokenCheck {
    /// The call has no token.
    Absent,
    /// The token is valid for this call and for what was read now.
    Holds,
    /// The token is invalid. The status is the reason.
    Fails(Status),
}

/// What a call gives to the gate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GateInput {
    /// Whether `confirm: true` was given.
    pub confirm: bool,
    /// The result of checking the token of a preview.
    pub token: TokenCheck,
    /// Whether a token is needed at every level.
    pub token_needed: bool,
    /// Whether the client can put a question to a person.
    pub can_ask: bool,
}

/// The decision of the gate.
#[derive(Debug, Clone, PartialEq)]
pub enum GateDecision {
    /// The change is refused.
    Refuse(Refusal),
    /// The change is not made. The response is a preview with a token.
    Preview(Refusal),
    /// A person is asked first.
    Ask(Question),
    /// The change is made.
    Go,
}

/// Decides about a change, in the order that the module documentation lists.
pub fn evaluate(impact: &ChangeImpact, given: GateInput, policy: &Policy) -> GateDecision {
    let names = [&impact.object.number_id, &impact.object.number].into_iter().flatten().chain(&impact.also_known_as);
    if impact.destroys && names.into_iter().any(|name| policy.protects(None, Some(name))) {
        let name = impact.object.name();
        let summary =
            format!("Nothing was released. {name} is protected by the operator of this server (rule protect).");
        return GateDecision::Refuse(denied("protect", &summary).with("number", name));
    }
    // The number is not E.164, so it cannot be compared. It may be any of the protected numbers.
    if impact.destroys && impact.object.number.is_none() && policy.protects_numbers() {
        let name = impact.object.name();
        let summary = format!(
            "Nothing was released. The number of {name} is no E.164, and the operator of this server protects numbers by number (rule protect): whether it is one of them is not known."
        );
        return GateDecision::Refuse(denied("protect", &summary).with("number", name));
    }
    let preview = |refusal: &Refusal| {
        if impact.grave { GateDecision::Preview(refusal.clone()) } else { GateDecision::Refuse(refusal.clone()) }
    };
    let asks = given.can_ask && policy.ask == AskMode::Auto;
    let nobody_asked = impact.grave && policy.level == Level::Human && !asks;
    let flag_needed = policy.level > Level::Flag || !(impact.yes_is_enough && asks);
    if let (Some(refusal), true, false) = (&impact.without_flag, flag_needed, given.confirm) {
        // If nobody can be asked, a preview and its token would be useless.
        return if nobody_asked { GateDecision::Refuse(no_human(impact)) } else { preview(refusal) };
    }
    if let (Some(refusal), false) = (&impact.in_use, policy.release_in_use) {
        return GateDecision::Refuse(refusal.clone());
    }
    if nobody_asked {
        return GateDecision::Refuse(no_human(impact));
    }
    if let (Some(shown), true) = (&impact.without_flag, impact.grave) {
        let token_needed = given.token_needed || policy.level >= Level::Token;
        match given.token {
            TokenCheck::Fails(status) => return preview(&again((shown, impact), status, token_needed)),
            TokenCheck::Absent if token_needed => return preview(shown),
            TokenCheck::Absent | TokenCheck::Holds => {}
        }
    }
    match &impact.question {
        Some(question) if asks => GateDecision::Ask(question.clone()),
        _ => GateDecision::Go,
    }
}

/// Returns the sentence that says what was not done.
fn not_done(impact: &ChangeImpact) -> &str {
    impact.question.as_ref().map_or("Nothing was done.", |question| question.declined.as_str())
}

fn no_human(impact: &ChangeImpact) -> Refusal {
    let nothing = not_done(impact);
    let summary = format!(
        "{nothing} The operator of this server wants a person to be asked, and this client cannot put a question to its user. Use a client that supports MCP elicitation."
    );
    Refusal::new(Status::HumanUnavailable, summary)
}

/// Returns the preview with the reason why the token is invalid. `fresh` says that it contains a new token.
fn again((shown, impact): (&Refusal, &ChangeImpact), status: Status, fresh: bool) -> Refusal {
    let why = match status {
        Status::ConfirmationExpired => "The confirmation_token has expired; it is good for five minutes.",
        Status::ConfirmationUsed => "The confirmation_token was used already.",
        Status::StateChanged => "What the confirmation_token was given for has changed meanwhile.",
        _ => "The confirmation_token is not one for this call, or the server that gave it has ended.",
    };
    let then = if fresh { "A fresh one:" } else { "None is needed here:" };
    Refusal { status, summary: format!("{} {why} {then} {}", not_done(impact), impact.shows), ..shown.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Status;

    fn impact(in_use: bool) -> ChangeImpact {
        ChangeImpact {
            object: OperationTarget { number_id: Some("n1".to_owned()), ..OperationTarget::number("+14155550123") },
            destroys: true,
            grave: true,
            without_flag: Some(Refusal::new(Status::ConfirmationRequired, "preview")),
            in_use: in_use.then(|| Refusal::new(Status::NumberInUse, "in use")),
            question: Some(Question {
                message: "?".to_owned(),
                form: QuestionForm::Yes { field: "release" },
                declined: String::new(),
            }),
            ..ChangeImpact::default()
        }
    }

    fn given(confirm: bool, token: TokenCheck, can_ask: bool) -> GateInput {
        GateInput { confirm, token, token_needed: false, can_ask }
    }

    fn refused(decision: &GateDecision) -> Option<Status> {
        match decision {
            GateDecision::Refuse(refusal) | GateDecision::Preview(refusal) => Some(refusal.status),
            _ => None,
        }
    }

    #[test]
    fn a_preview_after_a_wrong_token_says_what_did_not_happen_why_and_what_it_shows() {
        let mut impact = ChangeImpact { shows: "this is a preview.".to_owned(), ..impact(false) };
        impact.question.as_mut().unwrap().declined = "Nothing was released.".to_owned();
        for (level, then) in [(Level::Token, "A fresh one:"), (Level::Flag, "None is needed here:")] {
            let policy = Policy { level, ..Policy::default() };
            let given = given(true, TokenCheck::Fails(Status::ConfirmationUsed), false);
            let GateDecision::Preview(shown) = evaluate(&impact, given, &policy) else { panic!("no preview") };
            let said =
                format!("Nothing was released. The confirmation_token was used already. {then} this is a preview.");
            assert_eq!((shown.status, shown.summary), (Status::ConfirmationUsed, said));
        }
    }

    #[test]
    fn each_step_refuses_in_its_turn() {
        let open = Policy::default();
        let evaluate = |in_use, confirm, token, can_ask, policy: &Policy| {
            evaluate(&impact(in_use), given(confirm, token, can_ask), policy)
        };
        let none = TokenCheck::Absent;
        assert_eq!(refused(&evaluate(false, false, none, true, &open)), Some(Status::ConfirmationRequired));
        assert_eq!(refused(&evaluate(true, false, none, true, &open)), Some(Status::ConfirmationRequired));
        assert_eq!(refused(&evaluate(true, true, none, true, &open)), Some(Status::NumberInUse));
        assert!(matches!(evaluate(false, true, none, true, &open), GateDecision::Ask(_)));
        assert_eq!(evaluate(false, true, none, false, &open), GateDecision::Go);
        let quiet = Policy { ask: AskMode::Off, release_in_use: true, ..Policy::default() };
        assert_eq!(evaluate(true, true, none, true, &quiet), GateDecision::Go);
    }

    #[test]
    fn a_level_asks_for_what_it_is_named_after() {
        let at = |level| Policy { level, ..Policy::default() };
        let weigh_at = |token, can_ask, level| evaluate(&impact(false), given(true, token, can_ask), &at(level));
        let bare = |can_ask| evaluate(&impact(false), given(false, TokenCheck::Absent, can_ask), &at(Level::Human));
        assert_eq!(refused(&bare(false)), Some(Status::HumanUnavailable), "no preview that leads nowhere");
        assert!(matches!(bare(true), GateDecision::Preview(_)));
        for level in [Level::Token, Level::Human] {
            assert!(matches!(weigh_at(TokenCheck::Absent, true, level), GateDecision::Preview(_)), "{level:?}");
            for status in [Status::ConfirmationInvalid, Status::ConfirmationExpired, Status::StateChanged] {
                assert_eq!(refused(&weigh_at(TokenCheck::Fails(status), true, level)), Some(status), "{level:?}");
            }
            assert!(matches!(weigh_at(TokenCheck::Holds, true, level), GateDecision::Ask(_)), "{level:?}");
        }
        assert_eq!(weigh_at(TokenCheck::Holds, false, Level::Token), GateDecision::Go);
        assert_eq!(refused(&weigh_at(TokenCheck::Holds, false, Level::Human)), Some(Status::HumanUnavailable));
        // An invalid token is refused even if no token is needed.
        let status = Status::ConfirmationInvalid;
        assert_eq!(refused(&weigh_at(TokenCheck::Fails(status), false, Level::Flag)), Some(status));
        // A token does not allow the release of a number in use either.
        let used = evaluate(&impact(true), given(true, TokenCheck::Holds, true), &at(Level::Token));
        assert_eq!(refused(&used), Some(Status::NumberInUse));
    }

    #[test]
    fn a_purchase_needs_the_flag_or_the_yes_of_a_person() {
        let purchase = ChangeImpact { yes_is_enough: true, destroys: false, ..impact(false) };
        let evaluate = |confirm, token, can_ask, level, ask| {
            evaluate(&purchase, given(confirm, token, can_ask), &Policy { level, ask, ..Policy::default() })
        };
        let none = TokenCheck::Absent;
        for ask in [AskMode::Auto, AskMode::Off] {
            for can_ask in [false, true] {
                let asks = can_ask && ask == AskMode::Auto;
                let bare = evaluate(false, none, can_ask, Level::Flag, ask);
                let flagged = evaluate(true, none, can_ask, Level::Flag, ask);
                if asks {
                    assert!(matches!(bare, GateDecision::Ask(_)) && matches!(flagged, GateDecision::Ask(_)));
                } else {
                    assert!(matches!(bare, GateDecision::Preview(_)), "{can_ask} {ask:?}");
                    assert_eq!(flagged, GateDecision::Go);
                }
                // A token does not replace the flag.
                assert_eq!(
                    matches!(evaluate(false, TokenCheck::Holds, can_ask, Level::Flag, ask), GateDecision::Ask(_)),
                    asks
                );
                assert_ne!(evaluate(false, TokenCheck::Holds, can_ask, Level::Flag, ask), GateDecision::Go);
            }
        }
        let evaluate = |confirm, token, level| evaluate(confirm, token, false, level, AskMode::Auto);
        assert!(matches!(evaluate(false, TokenCheck::Holds, Level::Token), GateDecision::Preview(_)));
        assert!(matches!(evaluate(true, none, Level::Token), GateDecision::Preview(_)));
        assert_eq!(evaluate(true, TokenCheck::Holds, Level::Token), GateDecision::Go);
    }

    #[test]
    fn a_way_that_needs_a_token_needs_it_at_every_level() {
        let purchase = ChangeImpact { yes_is_enough: true, destroys: false, ..impact(false) };
        for level in [Level::Flag, Level::Token, Level::Human] {
            let policy = Policy { level, ..Policy::default() };
            let evaluate =
                |token| evaluate(&purchase, GateInput { token_needed: true, ..given(true, token, true) }, &policy);
            assert!(matches!(evaluate(TokenCheck::Absent), GateDecision::Preview(_)), "{level:?}");
            assert!(
                matches!(evaluate(TokenCheck::Fails(Status::ConfirmationUsed)), GateDecision::Preview(_)),
                "{level:?}"
            );
            assert!(
                matches!(evaluate(TokenCheck::Holds), GateDecision::Ask(_)),
                "a person is asked all the same, {level:?}"
            );
        }
    }

    #[test]
    fn a_number_that_cannot_be_compared_is_not_released_while_numbers_are_protected_by_number() {
        let object = OperationTarget { number_id: Some("n7".to_owned()), ..OperationTarget::default() };
        let impact = ChangeImpact { object, ..impact(false) };
        for (protected, refused_by) in [("+14155550199", Some(Status::PolicyDenied)), ("n9", None)] {
            let policy = Policy { protected: [protected.to_owned()].into(), ..Policy::default() };
            assert_eq!(
                refused(&evaluate(&impact, given(true, TokenCheck::Absent, false), &policy)),
                refused_by,
                "{protected}"
            );
        }
    }

    #[test]
    fn protection_comes_first_by_id_or_number() {
        for name in ["n1", "+14155550123"] {
            let policy = Policy { protected: [name.to_owned()].into(), release_in_use: true, ..Policy::default() };
            let decision = evaluate(&impact(false), given(true, TokenCheck::Absent, false), &policy);
            assert_eq!(refused(&decision), Some(Status::PolicyDenied));
        }
    }

    #[test]
    fn protection_covers_every_name_of_the_number() {
        let impact =
            ChangeImpact { also_known_as: vec!["n2".to_owned(), "tel:+14155550199".to_owned()], ..impact(false) };
        for (name, protected) in [("n1", true), ("n2", true), ("+14155550199", true), ("n3", false)] {
            let policy = Policy { protected: [name.to_owned()].into(), ..Policy::default() };
            let decision = evaluate(&impact, given(true, TokenCheck::Absent, false), &policy);
            assert_eq!(refused(&decision) == Some(Status::PolicyDenied), protected, "{name}");
        }
    }
}
