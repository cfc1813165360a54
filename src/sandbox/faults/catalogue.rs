//! The catalogue of all faults that the sandbox can be told to show.
//!
//! Source: the points on which the published pages contradict each other or say nothing. Further, the failures that the
//! structure of the backend makes possible. The backend orders before it inserts, and writes before it tells the voice
//! engine.

use crate::sandbox::routes::ApiOperation;

/// One fault switch, which is used by its name.
#[derive(Debug)]
pub struct FaultSwitch {
    /// The name before the `=`.
    pub name: &'static str,
    /// What the switch does, in one sentence.
    pub about: &'static str,
    pub(crate) takes: Takes,
}

impl FaultSwitch {
    /// Returns the values that may follow the `=`. `N` stands for a whole number.
    #[must_use]
    pub fn values(&self) -> Vec<&'static str> {
        match self.takes {
            Takes::Choice(choices) => choices.iter().map(|(value, _)| *value).collect(),
            Takes::Flag { .. } => vec!["true", "false"],
            Takes::Number(_) => vec!["N"],
            Takes::Operations(_) => {
                std::iter::once(ALL).chain(ApiOperation::EVERY.iter().map(|operation| operation.name())).collect()
            }
        }
    }
}

/// The value that stands for every operation.
pub(crate) const ALL: &str = "all";

/// The kind of value that a switch takes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Takes {
    /// One of these words. A word without a fault names the normal behaviour.
    Choice(&'static [(&'static str, Option<Fault>)]),
    /// True or false. The fault is on if the given value equals `when`.
    Flag { when: bool, fault: Fault },
    /// A whole number.
    Number(Amount),
    /// Names of operations, or all.
    Operations(Moment),
}

/// A single fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Fault {
    ProviderNotConfigured,
    PurchaseUnavailable,
    PurchaseTimeoutAfterCommit,
    PurchaseCommitThen422,
    PurchaseChargedThen422,
    Purchase500AfterCommit,
    PurchaseRegulatoryPending,
    PurchaseNumberBody,
    PendingInstant,
    PendingStuck,
    PendingFails,
    ImportDuplicateForeign,
    ImportSipRefused,
    ImportEchoBody,
    ImportRejectBadCredentials,
    ImportNeedsProvider,
    ImportAccountSidOptional,
    AssignUltravoxDown,
    AssignNotFound404,
    UnassignUltravoxDown,
    UnassignNotFound404,
    UnassignGeneratedShape,
    ReleaseRefuseAssigned,
    ReleaseCarrierRefuses,
    Release204,
    ReleaseNotFound422,
    ReleaseBackToFree,
    ListOmitAssignmentFields,
    ListLegacyAgentId,
    ListTruedySpelling,
    SearchCarrierRaw,
    SearchPageSize50,
    SearchRace,
    SearchRejectHyphen,
    AgentsRedirect,
    AgentsOmitNumbers,
    CallsOlderShape,
    CallsNoNumber400,
    IdsPrefixed,
    IdsStrict,
    ErrorsB,
    ErrorsC,
    ErrorsD,
    ErrorsE,
    ErrorsHtml,
    ErrorsEmpty,
    Limits429,
    Limits429WithHeaders,
    Limits500,
    ResetAtNaive,
    ResetAtOffset,
    ResetAtEpoch,
    ResetAtIn60s,
    ResetAtFar,
    ResetAtAbsent,
    ResetAtGarbage,
    Auth401,
    Auth403Ip,
    Auth402TrialNotStarted,
    Auth402TrialExpired,
    Auth402Inactive,
    Auth402NoCredits,
    PaymentGateAll,
    SuccessStatus201,
    ExtraUnknownFields,
    UnenvelopedBody,
    MetaTimestampKey,
    EchoKey,
}

/// A quantity that can be set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Amount {
    LatencyMs,
    PendingMs,
    AgingMs,
    RaceNth,
    RateLimit,
    Times,
}

/// A point at which the exchange of a chosen operation can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Moment {
    Drop,
    DropBefore,
    Hang,
    ServerError,
    InternalError,
}

/// Other spellings that are accepted, each with the listed one.
pub(crate) const OTHER_SPELLINGS: &[(&str, &str)] = &[
    ("server_error_after_commit", "500_after_commit"),
    ("ultravox_down", "ultravox_down_after_write"),
    ("carrier_raw", "carrier_raw_shapes"),
    ("import_needs_provider", "needs_provider"),
];

/// All switches, in the order of their documentation.
pub(crate) const CATALOGUE: &[FaultSwitch] = &[
    FaultSwitch {
        name: "provider_configured",
        about: "false: no carrier account is set up, so search and purchase are refused unless they bring a \
            carrier key.",
        takes: Takes::Flag { when: false, fault: Fault::ProviderNotConfigured },
    },
    FaultSwitch {
        name: "purchase",
        about: "How a purchase goes wrong; the ones named after_commit or commit_then have bought the number, \
            charged_then_422 has paid for it and left no row.",
        takes: Takes::Choice(&[
            ("unavailable", Some(Fault::PurchaseUnavailable)),
            ("timeout_after_commit", Some(Fault::PurchaseTimeoutAfterCommit)),
            ("commit_then_422", Some(Fault::PurchaseCommitThen422)),
            ("charged_then_422", Some(Fault::PurchaseChargedThen422)),
            ("500_after_commit", Some(Fault::Purchase500AfterCommit)),
            ("regulatory_pending", Some(Fault::PurchaseRegulatoryPending)),
            ("number_body", Some(Fault::PurchaseNumberBody)),
        ]),
    },
    FaultSwitch {
        name: "pending",
        about: "What becomes of a number bought from now on: active at once, after a delay, never, or inactive \
            after the delay.",
        takes: Takes::Choice(&[
            ("instant", Some(Fault::PendingInstant)),
            ("delay", None),
            ("stuck", Some(Fault::PendingStuck)),
            ("fails", Some(Fault::PendingFails)),
        ]),
    },
    FaultSwitch {
        name: "pending_ms",
        about: "How long a number bought from now on stays pending; 2000 unless set.",
        takes: Takes::Number(Amount::PendingMs),
    },
    FaultSwitch {
        name: "import",
        about: "How an import goes wrong; echo_body_in_detail repeats the whole body, secrets and all, in a \
            validation error.",
        takes: Takes::Choice(&[
            ("duplicate_foreign", Some(Fault::ImportDuplicateForeign)),
            ("sip_refused", Some(Fault::ImportSipRefused)),
            ("echo_body_in_detail", Some(Fault::ImportEchoBody)),
            ("reject_bad_credentials", Some(Fault::ImportRejectBadCredentials)),
            ("needs_provider", Some(Fault::ImportNeedsProvider)),
            ("account_sid_optional", Some(Fault::ImportAccountSidOptional)),
        ]),
    },
    FaultSwitch {
        name: "assign",
        about: "The voice engine fails after the assignment was written, or what is unknown is answered 404 and \
            not 422.",
        takes: Takes::Choice(&[
            ("ultravox_down_after_write", Some(Fault::AssignUltravoxDown)),
            ("not_found_404", Some(Fault::AssignNotFound404)),
        ]),
    },
    FaultSwitch {
        name: "unassign",
        about: "The same for unassigning, and the other documented shape of its answer.",
        takes: Takes::Choice(&[
            ("ultravox_down_after_write", Some(Fault::UnassignUltravoxDown)),
            ("not_found_404", Some(Fault::UnassignNotFound404)),
            ("generated_shape", Some(Fault::UnassignGeneratedShape)),
        ]),
    },
    FaultSwitch {
        name: "release",
        about: "Releasing is refused (while assigned, or by the carrier), or answered in another documented way; \
            back_to_free offers the number again after aging_ms.",
        takes: Takes::Choice(&[
            ("refuse_assigned", Some(Fault::ReleaseRefuseAssigned)),
            ("carrier_refuses", Some(Fault::ReleaseCarrierRefuses)),
            ("204", Some(Fault::Release204)),
            ("not_found_422", Some(Fault::ReleaseNotFound422)),
            ("back_to_free", Some(Fault::ReleaseBackToFree)),
        ]),
    },
    FaultSwitch {
        name: "aging_ms",
        about: "With release=back_to_free, how long a released number is withheld; 5000 unless set.",
        takes: Takes::Number(Amount::AgingMs),
    },
    FaultSwitch {
        name: "list",
        about: "The list leaves out who a number is assigned to, fills the dead agent_id column, or spells \
            is_truedy_managed with its e.",
        takes: Takes::Choice(&[
            ("omit_assignment_fields", Some(Fault::ListOmitAssignmentFields)),
            ("legacy_agent_id", Some(Fault::ListLegacyAgentId)),
            ("truedy_spelling", Some(Fault::ListTruedySpelling)),
        ]),
    },
    FaultSwitch {
        name: "search",
        about: "Results in the carrier's own shape, at most 50 a page, a rival who buys what was just shown, or no \
            toll-free with a hyphen.",
        takes: Takes::Choice(&[
            ("carrier_raw_shapes", Some(Fault::SearchCarrierRaw)),
            ("page_size_50", Some(Fault::SearchPageSize50)),
            ("race", Some(Fault::SearchRace)),
            ("reject_hyphen", Some(Fault::SearchRejectHyphen)),
        ]),
    },
    FaultSwitch {
        name: "race_nth",
        about: "With search=race, which of the numbers shown the rival takes, counted from 1; 1 unless set.",
        takes: Takes::Number(Amount::RaceNth),
    },
    FaultSwitch {
        name: "agents",
        about: "/agents redirects to /agents/ with 307, or agents are shown without their numbers.",
        takes: Takes::Choice(&[
            ("redirect", Some(Fault::AgentsRedirect)),
            ("omit_numbers", Some(Fault::AgentsOmitNumbers)),
        ]),
    },
    FaultSwitch {
        name: "calls",
        about: "Calls are answered in the older shape, or an agent without a number is answered 400 and not 422.",
        takes: Takes::Choice(&[
            ("older_shape", Some(Fault::CallsOlderShape)),
            ("no_number_400", Some(Fault::CallsNoNumber400)),
        ]),
    },
    FaultSwitch {
        name: "ids",
        about: "Ids look like num_… and agt_…, or an id that is no UUID is answered in the database's own words.",
        takes: Takes::Choice(&[
            ("uuid", None),
            ("prefixed", Some(Fault::IdsPrefixed)),
            ("strict", Some(Fault::IdsStrict)),
        ]),
    },
    FaultSwitch {
        name: "errors",
        about: "The shape of errors: A documented, B ids inside error, C the framework's list for schema errors, D \
            a bare detail, E error inside detail, an HTML page, or nothing; C may be combined with another.",
        takes: Takes::Choice(&[
            ("A", None),
            ("B", Some(Fault::ErrorsB)),
            ("C", Some(Fault::ErrorsC)),
            ("D", Some(Fault::ErrorsD)),
            ("E", Some(Fault::ErrorsE)),
            ("html", Some(Fault::ErrorsHtml)),
            ("empty", Some(Fault::ErrorsEmpty)),
        ]),
    },
    FaultSwitch {
        name: "limits",
        about: "Every request is answered as over the rate limit, in this form; together with rate_limit only \
            those that are.",
        takes: Takes::Choice(&[
            ("429", Some(Fault::Limits429)),
            ("429_with_headers", Some(Fault::Limits429WithHeaders)),
            ("500", Some(Fault::Limits500)),
        ]),
    },
    FaultSwitch {
        name: "rate_limit",
        about: "Requests an organization may make in a clock minute; 100 unless set, 0 for no limit.",
        takes: Takes::Number(Amount::RateLimit),
    },
    FaultSwitch {
        name: "reset_at",
        about: "How details.reset_at of a 429 is written: with Z, without a zone, with +00:00, in seconds since \
            1970, a minute from now without a zone, an hour from now, left out, or nonsense.",
        takes: Takes::Choice(&[
            ("zulu", None),
            ("naive", Some(Fault::ResetAtNaive)),
            ("offset", Some(Fault::ResetAtOffset)),
            ("epoch", Some(Fault::ResetAtEpoch)),
            ("in_60s", Some(Fault::ResetAtIn60s)),
            ("far", Some(Fault::ResetAtFar)),
            ("absent", Some(Fault::ResetAtAbsent)),
            ("garbage", Some(Fault::ResetAtGarbage)),
        ]),
    },
    FaultSwitch {
        name: "auth",
        about: "Every key is refused, every address is off the allow-list, or the subscription does not pay for \
            purchases and calls.",
        takes: Takes::Choice(&[
            ("401", Some(Fault::Auth401)),
            ("403_ip", Some(Fault::Auth403Ip)),
            ("402_trial_not_started", Some(Fault::Auth402TrialNotStarted)),
            ("402_trial_expired", Some(Fault::Auth402TrialExpired)),
            ("402_inactive", Some(Fault::Auth402Inactive)),
            ("402_no_credits", Some(Fault::Auth402NoCredits)),
        ]),
    },
    FaultSwitch {
        name: "payment_gate",
        about: "Which operations need a paying subscription: purchases and calls, or all.",
        takes: Takes::Choice(&[("purchase_and_call", None), ("all", Some(Fault::PaymentGateAll))]),
    },
    FaultSwitch {
        name: "success_status",
        about: "The status with which purchase, import and call creation succeed.",
        takes: Takes::Choice(&[("200", None), ("201", Some(Fault::SuccessStatus201))]),
    },
    FaultSwitch {
        name: "latency_ms",
        about: "Every API request waits this long before it is handled.",
        takes: Takes::Number(Amount::LatencyMs),
    },
    FaultSwitch {
        name: "drop_connection",
        about: "The named operations are carried out and the connection is then closed without an answer.",
        takes: Takes::Operations(Moment::Drop),
    },
    FaultSwitch {
        name: "drop_connection_before",
        about: "The connection is closed without an answer and the named operations are not carried out.",
        takes: Takes::Operations(Moment::DropBefore),
    },
    FaultSwitch {
        name: "hang",
        about: "The named operations are carried out and never answered; the connection stays open.",
        takes: Takes::Operations(Moment::Hang),
    },
    FaultSwitch {
        name: "server_error",
        about: "The named operations are not carried out and answered 500 in the words of the proxy.",
        takes: Takes::Operations(Moment::ServerError),
    },
    FaultSwitch {
        name: "internal_error",
        about: "The named operations are not carried out and answered 500 in the words of the application.",
        takes: Takes::Operations(Moment::InternalError),
    },
    FaultSwitch {
        name: "times",
        about: "limits, drop_connection, drop_connection_before, hang, server_error and internal_error strike only \
            this many times; 0 for always.",
        takes: Takes::Number(Amount::Times),
    },
    FaultSwitch {
        name: "extra_unknown_fields",
        about: "Answers contain members that no documentation knows.",
        takes: Takes::Flag { when: true, fault: Fault::ExtraUnknownFields },
    },
    FaultSwitch {
        name: "unenveloped_body",
        about: "Answers are the bare data, without data, meta and pagination around it.",
        takes: Takes::Flag { when: true, fault: Fault::UnenvelopedBody },
    },
    FaultSwitch {
        name: "meta_timestamp_key",
        about: "meta names its time timestamp and not ts.",
        takes: Takes::Flag { when: true, fault: Fault::MetaTimestampKey },
    },
    FaultSwitch {
        name: "echo_key",
        about: "Every error message repeats the API key and the secret fields of the body, plain and in base64.",
        takes: Takes::Flag { when: true, fault: Fault::EchoKey },
    },
];
