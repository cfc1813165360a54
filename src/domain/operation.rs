//! What a tool does, and the facts about each kind of change that other rooms need.
//!
//! Each tool that changes something declares its [`ChangeKind`] in its own file. Policy, journal, messages and commands
//! take these facts from there, so that none of them needs to know a tool by name.

use std::time::Duration;

use crate::domain::argument::label::ChangeName;
use crate::domain::argument::value::ArgumentProblem;
use crate::domain::nearest::did_you_mean;
use crate::domain::status::Status;

/// What a call of a tool does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// The tool only reads.
    Reads,
    /// The tool makes a change of this kind.
    Changes(&'static ChangeKind),
}

impl Effect {
    /// Whether the tool changes nothing.
    pub fn reads(self) -> bool {
        self == Self::Reads
    }

    /// Returns the kind of change. `None` for a tool that only reads.
    pub fn kind(self) -> Option<&'static ChangeKind> {
        match self {
            Self::Reads => None,
            Self::Changes(kind) => Some(kind),
        }
    }

    /// Whether a second call with the same arguments changes nothing more.
    pub fn idempotent(self) -> bool {
        self.kind().is_none_or(|kind| matches!(kind.class, ChangeClass::Reassigns | ChangeClass::Destroys))
    }

    /// Whether a client should always ask its user, even if the user approved all calls in advance.
    pub fn grave(self) -> bool {
        self.kind().is_some_and(|kind| matches!(kind.class, ChangeClass::Spends | ChangeClass::Destroys))
    }

    /// Returns the sentence that says what certainly did not happen: `Nothing was bought.`
    pub fn nothing(self) -> &'static str {
        self.kind().map_or("Nothing could be read.", |kind| kind.nothing)
    }

    /// Returns the sentence for an outcome that is not known: `It is not known whether the number was bought.`
    pub fn unknown(self) -> String {
        self.not_known("not known")
    }

    /// Returns the same sentence. `known` is `not known` or `not known yet`.
    pub fn not_known(self, known: &str) -> String {
        match self.kind() {
            Some(kind) => format!("It is {known} whether {}.", kind.happened),
            None => "The answer could not be read.".to_owned(),
        }
    }

    /// Returns the word for people: `reads`, `spends`, `registers`, `changes` or `destroys`.
    pub fn as_str(self) -> &'static str {
        self.kind().map_or("reads", |kind| kind.class.as_str())
    }
}

/// What a change does to the account. It decides the hints of the tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeClass {
    /// It spends money.
    Spends,
    /// It registers something with secrets. Live calls may be routed elsewhere.
    Registers,
    /// It changes which agent gets calls. It can be undone.
    Reassigns,
    /// It destroys something. It cannot be undone.
    Destroys,
}

impl ChangeClass {
    fn as_str(self) -> &'static str {
        match self {
            Self::Spends => "spends",
            Self::Registers => "registers",
            Self::Reassigns => "changes",
            Self::Destroys => "destroys",
        }
    }
}

/// A cap of the policy that counts changes in any 24 hours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CapRule {
    /// Counts purchases.
    Purchases,
    /// Counts releases.
    Releases,
    /// Counts imports.
    Imports,
}

impl CapRule {
    /// Returns the name of the rule: `purchases_per_day`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Purchases => "purchases_per_day",
            Self::Releases => "releases_per_day",
            Self::Imports => "imports_per_day",
        }
    }

    /// Returns what is counted: `purchases`.
    pub fn counted(self) -> &'static str {
        match self {
            Self::Purchases => "purchases",
            Self::Releases => "releases",
            Self::Imports => "imports",
        }
    }
}

/// What the list of numbers shows once a change has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// The number is in the account. Truedy cannot tell two such requests apart, so only one may run at a time.
    NumberPresent,
    /// The number is gone. A second request has the same result as one.
    NumberAbsent,
    /// Another agent has the number, or none.
    Assignment,
}

/// The facts about one kind of change. They stand in the file of its tool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChangeKind {
    /// The name of the tool: `purchase_number`. The journal keeps it.
    pub name: &'static str,
    /// What the change does to the account.
    pub class: ChangeClass,
    /// The participle for sentences: `bought`.
    pub done: &'static str,
    /// The sentence that says that it certainly did not happen: `Nothing was bought.`
    pub nothing: &'static str,
    /// What would have happened, as a clause: `the number was bought`.
    pub happened: &'static str,
    /// The outcome in the journal if it happened.
    pub succeeded: Status,
    /// The outcome in the journal if it did not happen: `not_bought`.
    pub not_done: &'static str,
    /// The cap that counts it. `None` if it is not counted.
    pub cap: Option<CapRule>,
    /// What shows that it happened.
    pub proof: Proof,
    /// For how long the same number is not added again after it was added, whatever Truedy's lists show.
    pub repeat_window: Duration,
}

/// All kinds of change of the program.
#[derive(Debug, Clone, Copy)]
pub struct ChangeKinds(&'static [&'static ChangeKind]);

impl ChangeKinds {
    /// Collects the kinds.
    pub const fn new(kinds: &'static [&'static ChangeKind]) -> Self {
        Self(kinds)
    }

    /// Returns the kind of the tool with this name. `None` if no such tool changes anything.
    pub fn find(self, tool: &str) -> Option<&'static ChangeKind> {
        self.0.iter().find(|kind| kind.name == tool).copied()
    }

    /// Checks that a tool of this name changes something. `field` is the argument that the name stands in.
    pub fn check(self, field: &str, name: &ChangeName) -> Result<(), ArgumentProblem> {
        if self.find(name.as_str()).is_some() {
            return Ok(());
        }
        let mut names: Vec<&str> = self.names().collect();
        let nearest = did_you_mean(name.as_str(), names.iter().copied()).map(str::to_owned);
        let last = names.pop().unwrap_or_default();
        Err(ArgumentProblem {
            field: field.to_owned(),
            reason: "no tool of this name changes anything".to_owned(),
            for_people: None,
            received: Some(name.as_str().to_owned()),
            expected: if names.is_empty() { last.to_owned() } else { format!("{} or {last}", names.join(", ")) },
            example: names.first().copied().unwrap_or(last).to_owned(),
            did_you_mean: nearest,
        })
    }

    /// Returns all kinds, in the order of the list of tools.
    pub fn iter(self) -> impl Iterator<Item = &'static ChangeKind> {
        self.0.iter().copied()
    }

    /// Returns the names of the tools, in the order of the list of tools.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        self.0.iter().map(|kind| kind.name)
    }

    /// Returns the names of the tools that spend money.
    pub fn spending(self) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(|kind| kind.class == ChangeClass::Spends).map(|kind| kind.name)
    }

    /// Returns the names of the tools whose changes have this proof.
    pub fn proven_by(self, proof: Proof) -> impl Iterator<Item = &'static str> {
        self.0.iter().filter(move |kind| kind.proof == proof).map(|kind| kind.name)
    }
}

/// Kinds of change for tests. They have the names of real tools, since recorded rows carry those names.
#[cfg(test)]
pub(crate) mod samples {
    use super::{CapRule, ChangeClass, ChangeKind, ChangeKinds, Proof};
    use crate::domain::status::Status;
    use std::time::Duration;

    pub(crate) const PURCHASE: ChangeKind = ChangeKind {
        name: "purchase_number",
        class: ChangeClass::Spends,
        done: "bought",
        nothing: "Nothing was bought.",
        happened: "the number was bought",
        succeeded: Status::Purchased,
        not_done: "not_bought",
        cap: Some(CapRule::Purchases),
        proof: Proof::NumberPresent,
        repeat_window: Duration::from_secs(24 * 60 * 60),
    };
    pub(crate) const IMPORT: ChangeKind = ChangeKind {
        name: "import_number",
        class: ChangeClass::Registers,
        done: "imported",
        nothing: "Nothing was imported.",
        cap: Some(CapRule::Imports),
        repeat_window: Duration::from_secs(15 * 60),
        ..PURCHASE
    };
    pub(crate) const RELEASE: ChangeKind = ChangeKind {
        name: "release_number",
        class: ChangeClass::Destroys,
        done: "released",
        nothing: "Nothing was released.",
        cap: Some(CapRule::Releases),
        proof: Proof::NumberAbsent,
        repeat_window: Duration::ZERO,
        ..PURCHASE
    };
    pub(crate) const ASSIGN: ChangeKind = ChangeKind {
        name: "assign_number",
        class: ChangeClass::Reassigns,
        done: "assigned",
        nothing: "Nothing was changed.",
        cap: None,
        proof: Proof::Assignment,
        ..RELEASE
    };
    pub(crate) const KINDS: ChangeKinds = ChangeKinds::new(&[&PURCHASE, &IMPORT, &ASSIGN, &RELEASE]);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_checked_against_the_tools_that_change_something() {
        let check = |name: &str| samples::KINDS.check("tool", &ChangeName::try_from(name).expect("a name"));
        assert_eq!(check("release_number"), Ok(()));
        let problem = check("purchase_numbr").expect_err("no such tool");
        assert_eq!(problem.expected, "purchase_number, import_number, assign_number or release_number");
        assert_eq!(problem.did_you_mean.as_deref(), Some("purchase_number"));
        assert!(check("list_numbers").is_err(), "it only reads");
    }

    #[test]
    fn the_class_decides_the_hints() {
        let hints = |kind: &'static ChangeKind| {
            let effect = Effect::Changes(kind);
            (effect.reads(), effect.idempotent(), effect.grave())
        };
        assert_eq!(hints(&samples::PURCHASE), (false, false, true));
        assert_eq!(hints(&samples::IMPORT), (false, false, false));
        assert_eq!(hints(&samples::ASSIGN), (false, true, false));
        assert_eq!(hints(&samples::RELEASE), (false, true, true));
        assert!(Effect::Reads.reads() && Effect::Reads.idempotent() && !Effect::Reads.grave());
    }
}
