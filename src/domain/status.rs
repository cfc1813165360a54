//! Statuses and refusals: what a caller reads first in a response.

use serde_json::{Map, Value};

/// Defines the closed set of statuses.
macro_rules! statuses {
    ($(#[doc = $sentence:literal] $variant:ident = $word:literal),+ $(,)?) => {
        /// What became of a call, in one word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Status {
            $(
                #[doc = concat!("`", $word, "`:", $sentence)]
                $variant,
            )+
        }

        impl Status {
            /// Every status, in the order of the reference page.
            pub const ALL: &'static [Self] = &[$(Self::$variant),+];

            /// What the status says, in one sentence or two.
            pub fn sentence(self) -> &'static str {
                match self { $(Self::$variant => $sentence.trim_ascii(),)+ }
            }

            /// The word on the wire.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)+ }
            }

            /// The status of this word.
            pub fn parse(word: &str) -> Option<Self> {
                match word {
                    $($word => Some(Self::$variant),)+
                    _ => None,
                }
            }
        }
    };
}

statuses! {
    /// The call did what it was asked to do.
    Ok = "ok",
    /// The number was released.
    Released = "released",
    /// The number was bought.
    Purchased = "purchased",
    /// The number was imported.
    Imported = "imported",
    /// The number was assigned to the agent for this direction.
    Assigned = "assigned",
    /// The number was taken from its agent for this direction.
    Unassigned = "unassigned",
    /// Nothing was sent: the account has the number already.
    AlreadyOwned = "already_owned",
    /// Nothing was sent: the agent has the number for this direction already.
    AlreadyAssigned = "already_assigned",
    /// Nothing was bought: the price is above `max_monthly_cost` of the call, or it is not known.
    PriceLimit = "price_limit",
    /// Nothing was changed: this is a preview, and `next` holds the call that makes the change.
    ConfirmationRequired = "confirmation_required",
    /// Nothing was released: an agent uses the number.
    NumberInUse = "number_in_use",
    /// Nothing was changed: it is not known whether an agent uses the number.
    AssignmentUnknown = "assignment_unknown",
    /// Nothing was assigned: another agent has this direction and would lose its calls.
    WouldReassign = "would_reassign",
    /// Nothing was released: `phone_number` and `number_id` name different numbers.
    NumberMismatch = "number_mismatch",
    /// Nothing was changed: the number, its price or its agents have changed since they were shown.
    StateChanged = "state_changed",
    /// Nothing was changed: the `confirmation_token` does not belong to this call.
    ConfirmationInvalid = "confirmation_invalid",
    /// Nothing was changed: the `confirmation_token` is older than five minutes.
    ConfirmationExpired = "confirmation_expired",
    /// Nothing was changed: the `confirmation_token` was used before.
    ConfirmationUsed = "confirmation_used",
    /// Nothing was changed: the user said no, or gave no complete answer.
    HumanDeclined = "human_declined",
    /// Nothing was changed: the user must be asked, and this client cannot ask.
    HumanUnavailable = "human_unavailable",
    /// Nothing was changed: the operator's settings do not allow it. `rule` names the setting.
    PolicyDenied = "policy_denied",
    /// Nothing was changed: the operator has frozen all changes. `frozen` says since when, and why.
    Frozen = "frozen",
    /// There is no such number, agent or operation in this account.
    NotFound = "not_found",
    /// Several numbers or agents match. Nothing was done, and the answer lists them.
    Ambiguous = "ambiguous",
    /// Nothing was sent: the same change is under way, or it is not known how it ended.
    DuplicateInFlight = "duplicate_in_flight",
    /// Nothing was bought: it is not known how an earlier purchase of this caller ended.
    OperationUnresolved = "operation_unresolved",
    /// Nothing was changed: the journal cannot be written, so the change could not be recorded.
    JournalUnavailable = "journal_unavailable",
    /// The change was sent and is not finished. `list_operations` tells how it ended.
    InProgress = "in_progress",
    /// The number was not released. If Truedy's answer was lost, it may still be.
    NotReleased = "not_released",
    /// The number was not assigned. If Truedy's answer was lost, it may still be.
    NotAssigned = "not_assigned",
    /// The number was not unassigned. If Truedy's answer was lost, it may still be.
    NotUnassigned = "not_unassigned",
    /// The agent has no webhook URL: it is not known to the voice engine yet.
    NotSynced = "not_synced",
    /// Nothing was sent: a value of the carrier profile cannot be read.
    CarrierUnavailable = "carrier_unavailable",
    /// Nothing was done: Truedy has no carrier account for this organization.
    ProviderNotConfigured = "provider_not_configured",
    /// It is not known whether the change happened. Do not repeat the call.
    OutcomeUnknown = "outcome_unknown",
    /// Nothing was sent: an argument is missing or wrong. The summary says which and gives an example.
    InvalidArgument = "invalid_argument",
    /// Nothing was done: this needs the whole list of numbers, which is being read. `retry_after_seconds` says when to call again.
    StillReading = "still_reading",
    /// Nothing was done: too many requests. `retry_after_seconds` says when to try again.
    RateLimited = "rate_limited",
    /// Nothing was done: Truedy cannot be reached or does not answer in time.
    UpstreamUnavailable = "upstream_unavailable",
    /// Nothing was done: Truedy refused the request. `truedy_says` holds its reason.
    UpstreamRejected = "upstream_rejected",
    /// Truedy answered, but the answer cannot be read or is incomplete.
    BadUpstreamResponse = "bad_upstream_response",
    /// Nothing was done: the Truedy API key is missing, or Truedy refused it.
    AuthFailed = "auth_failed",
    /// Nothing was done: Truedy asks for payment (trial, subscription or credits).
    PaymentRequired = "payment_required",
    /// Nothing was done: Truedy does not allow this with this key or from this address.
    Forbidden = "forbidden",
    /// The client cancelled the call before anything was sent.
    Cancelled = "cancelled",
    /// A fault of this server. The summary says what is known of the change.
    InternalError = "internal_error",
}

impl Status {
    /// Checks whether the call did what it was asked to do.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Ok | Self::Released | Self::Purchased | Self::Imported | Self::Assigned | Self::Unassigned)
    }

    /// Checks whether the status is one with which the policy or the gate refuses.
    pub fn is_of_the_gate(self) -> bool {
        matches!(
            self,
            Self::ConfirmationRequired
                | Self::ConfirmationInvalid
                | Self::ConfirmationExpired
                | Self::ConfirmationUsed
                | Self::NumberInUse
                | Self::AssignmentUnknown
                | Self::WouldReassign
                | Self::NumberMismatch
                | Self::StateChanged
                | Self::HumanDeclined
                | Self::HumanUnavailable
                | Self::PolicyDenied
                | Self::Frozen
                | Self::PriceLimit
                | Self::DuplicateInFlight
                | Self::OperationUnresolved
        )
    }
}

impl serde::Serialize for Status {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

/// A refusal: a call that was not carried out, and what the caller can do about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// The status: the reason in one term.
    pub status: Status,
    /// Whether the change happened, why, and what to do next. It contains only our own text.
    pub summary: String,
    /// Facts about the refusal, each in its own field.
    pub details: Map<String, Value>,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// Whether the response is a preview that the caller can continue from.
    pub is_preview: bool,
}

impl Refusal {
    /// Returns a refusal of a call that cannot succeed if it is repeated unchanged.
    pub fn new(status: Status, summary: impl Into<String>) -> Self {
        Self { status, summary: summary.into(), details: Map::new(), retryable: false, is_preview: false }
    }

    /// Checks whether the caller receives it as an error (`isError`).
    ///
    /// A response that a model must read to continue is not an error. Several frameworks hide errors from the model, or
    /// end the run.
    pub fn is_error(&self) -> bool {
        let goes_on = matches!(
            self.status,
            Status::ConfirmationRequired
                | Status::WouldReassign
                | Status::InProgress
                | Status::AlreadyOwned
                | Status::AlreadyAssigned
        );
        !(goes_on || self.is_preview)
    }

    /// Marks the refusal as a preview.
    #[must_use]
    pub fn preview(mut self) -> Self {
        self.is_preview = true;
        self
    }

    /// Adds a fact in a field of its own.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.details.insert(field.to_owned(), value.into());
        self
    }

    /// Marks that the same call may succeed later.
    #[must_use]
    pub fn retryable(mut self) -> Self {
        self.retryable = true;
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_model_must_read_to_go_on_is_no_error() {
        for status in ["confirmation_required", "would_reassign", "in_progress", "already_owned", "already_assigned"] {
            let status = Status::parse(status).expect("a status");
            assert!(!Refusal::new(status, "").is_error(), "{status:?}");
        }
        for status in ["confirmation_invalid", "confirmation_expired", "confirmation_used", "state_changed"] {
            let refusal = Refusal::new(Status::parse(status).expect("a status"), "");
            assert!(refusal.is_error(), "{status}: nothing to go on from");
            assert!(!refusal.preview().is_error(), "{status} with a preview");
        }
        for status in ["human_declined", "outcome_unknown", "policy_denied", "number_in_use", "invalid_argument"] {
            assert!(Refusal::new(Status::parse(status).expect("a status"), "").is_error(), "{status}");
        }
    }
}
