//! The words a caller reads first: what happened, or what did not.

use serde_json::{Map, Value};

/// Makes the closed vocabulary of statuses.
macro_rules! statuses {
    ($($variant:ident = $word:literal),+ $(,)?) => {
        /// What became of a call, in one word.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        pub enum Status {
            $(
                #[doc = concat!("`", $word, "`")]
                $variant,
            )+
        }

        impl Status {
            /// The word on the wire.
            pub fn as_str(self) -> &'static str {
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
    Ok = "ok",
    Released = "released",
    Purchased = "purchased",
    Imported = "imported",
    Assigned = "assigned",
    Unassigned = "unassigned",
    AlreadyOwned = "already_owned",
    AlreadyAssigned = "already_assigned",
    PriceLimit = "price_limit",
    ConfirmationRequired = "confirmation_required",
    NumberInUse = "number_in_use",
    AssignmentUnknown = "assignment_unknown",
    WouldReassign = "would_reassign",
    NumberMismatch = "number_mismatch",
    StateChanged = "state_changed",
    ConfirmationInvalid = "confirmation_invalid",
    ConfirmationExpired = "confirmation_expired",
    ConfirmationUsed = "confirmation_used",
    HumanDeclined = "human_declined",
    HumanUnavailable = "human_unavailable",
    PolicyDenied = "policy_denied",
    NotFound = "not_found",
    Ambiguous = "ambiguous",
    DuplicateInFlight = "duplicate_in_flight",
    OperationUnresolved = "operation_unresolved",
    JournalUnavailable = "journal_unavailable",
    InProgress = "in_progress",
    NotReleased = "not_released",
    NotAssigned = "not_assigned",
    NotUnassigned = "not_unassigned",
    NotSynced = "not_synced",
    CarrierUnavailable = "carrier_unavailable",
    ProviderNotConfigured = "provider_not_configured",
    OutcomeUnknown = "outcome_unknown",
    InvalidArgument = "invalid_argument",
    RateLimited = "rate_limited",
    UpstreamUnavailable = "upstream_unavailable",
    UpstreamRejected = "upstream_rejected",
    BadUpstreamResponse = "bad_upstream_response",
    AuthFailed = "auth_failed",
    PaymentRequired = "payment_required",
    Forbidden = "forbidden",
    Cancelled = "cancelled",
    InternalError = "internal_error",
}

impl Status {
    /// Whether policy or gate refused with it.
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

/// A call that was not carried out, and what the caller can do about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Refusal {
    /// Why, in one word.
    pub status: Status,
    /// Whether it happened, why, what to do next; our own words only.
    pub summary: String,
    /// Facts, in fields of their own.
    pub details: Map<String, Value>,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// Whether it shows what would be done, so that the caller can go on from there.
    pub is_preview: bool,
}

impl Refusal {
    /// A refusal that the same call cannot get round.
    pub fn new(status: Status, summary: impl Into<String>) -> Self {
        Self { status, summary: summary.into(), details: Map::new(), retryable: false, is_preview: false }
    }

    /// Whether the caller reads it as an error (`isError`).
    ///
    /// What a model must read to go on is a result: several frameworks hide errors from the model, or end the run.
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

    /// Says that it shows what would be done.
    #[must_use]
    pub fn preview(mut self) -> Self {
        self.is_preview = true;
        self
    }

    /// Adds a fact.
    #[must_use]
    pub fn with(mut self, field: &str, value: impl Into<Value>) -> Self {
        self.details.insert(field.to_owned(), value.into());
        self
    }

    /// Says that the same call may succeed later.
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
