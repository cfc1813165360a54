//! The gate: what a change puts at stake, and what it takes to pass.
//!
//! Order: protected, flag, interlock, person. The policy has been passed before anything was read.

use crate::domain::Refusal;

use super::policy::{Ask, Policy, denied};

/// What a change is about.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Object {
    /// Truedy's id of the number, where it has one yet.
    pub id: Option<String>,
    /// The number in E.164.
    pub number: String,
}

/// A question for a person. Its words are constants, checked numbers, prices and counts: never upstream text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What is asked.
    pub message: String,
    /// What the person fills in.
    pub form: Form,
    /// What the caller is told when the person does not say yes.
    pub declined: String,
}

/// The form of a question. Neither has a default that says yes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Form {
    /// A tick and the last four digits of the number, which only somebody who read the question can type.
    Last4 {
        /// The name of the tick.
        field: &'static str,
        /// What must be typed.
        digits: String,
    },
    /// A tick.
    Yes {
        /// Its name.
        field: &'static str,
    },
}

/// What a change puts at stake, found out by reading before anything is sent.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Stakes {
    /// What it is about.
    pub object: Object,
    /// Whether it destroys the object, so that protection applies.
    pub destroys: bool,
    /// What is answered unless `confirm: true` is given; `None` where no flag is needed.
    pub without_flag: Option<Refusal>,
    /// What is answered because something uses the object, whatever the flag says; only the operator relaxes it.
    pub in_use: Option<Refusal>,
    /// What a person is asked, where one can be.
    pub question: Option<Question>,
    /// What was seen, to be compared after a person has thought.
    pub seen: String,
}

/// What the gate says.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// It is not done.
    Refuse(Refusal),
    /// A person is asked first.
    Ask(Question),
    /// It is done.
    Go,
}

/// Weighs a change. `can_ask` says whether the client can carry a question to a person.
pub fn weigh(stakes: &Stakes, confirm: bool, can_ask: bool, policy: &Policy) -> Verdict {
    if stakes.destroys && policy.protects(stakes.object.id.as_deref(), Some(&stakes.object.number)) {
        let summary = format!(
            "Nothing was released. {} is protected by the operator of this server (rule protect).",
            stakes.object.number
        );
        return Verdict::Refuse(denied("protect", &summary).with("number", stakes.object.number.as_str()));
    }
    if let (Some(preview), false) = (&stakes.without_flag, confirm) {
        return Verdict::Refuse(preview.clone());
    }
    if let (Some(refusal), false) = (&stakes.in_use, policy.release_in_use) {
        return Verdict::Refuse(refusal.clone());
    }
    match &stakes.question {
        Some(question) if can_ask && policy.ask == Ask::Auto => Verdict::Ask(question.clone()),
        _ => Verdict::Go,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Status;

    fn stakes(in_use: bool) -> Stakes {
        Stakes {
            object: Object { id: Some("n1".to_owned()), number: "+14155550123".to_owned() },
            destroys: true,
            without_flag: Some(Refusal::new(Status::ConfirmationRequired, "preview")),
            in_use: in_use.then(|| Refusal::new(Status::NumberInUse, "in use")),
            question: Some(Question {
                message: "?".to_owned(),
                form: Form::Yes { field: "release" },
                declined: String::new(),
            }),
            seen: String::new(),
        }
    }

    fn refused(verdict: &Verdict) -> Option<Status> {
        match verdict {
            Verdict::Refuse(refusal) => Some(refusal.status),
            _ => None,
        }
    }

    #[test]
    fn each_step_refuses_in_its_turn() {
        let open = Policy::default();
        assert_eq!(refused(&weigh(&stakes(false), false, true, &open)), Some(Status::ConfirmationRequired));
        assert_eq!(refused(&weigh(&stakes(true), false, true, &open)), Some(Status::ConfirmationRequired));
        assert_eq!(refused(&weigh(&stakes(true), true, true, &open)), Some(Status::NumberInUse));
        assert!(matches!(weigh(&stakes(false), true, true, &open), Verdict::Ask(_)));
        assert_eq!(weigh(&stakes(false), true, false, &open), Verdict::Go);
        let quiet = Policy { ask: Ask::Off, release_in_use: true, ..Policy::default() };
        assert_eq!(weigh(&stakes(true), true, true, &quiet), Verdict::Go);
    }

    #[test]
    fn protection_comes_first_by_id_or_number() {
        for name in ["n1", "+14155550123"] {
            let policy = Policy { protected: [name.to_owned()].into(), release_in_use: true, ..Policy::default() };
            assert_eq!(refused(&weigh(&stakes(false), true, false, &policy)), Some(Status::PolicyDenied));
        }
    }
}
