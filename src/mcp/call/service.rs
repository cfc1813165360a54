//! The service that runs every call, in one order: parse, policy, plan, gate, consent, journal, act.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::future::BoxFuture;
use parking_lot::Mutex;
use rmcp::model::InputRequiredResult;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::domain::{Caller, CarrierProfiles, Effect, Refusal, Status};
use crate::guard::{AskMode, Policy, Rights};
use crate::journal::Journal;
use crate::mcp::call::client_call::ClientCall;
use crate::mcp::call::concurrency::{CallTurn, ConcurrencyLimiter};
use crate::mcp::call::context::{CallContext, patience};
use crate::mcp::call::messages::{self, Stage};
use crate::mcp::consent::credential_forms::CredentialForms;
use crate::mcp::consent::elicitation::Consent;
use crate::mcp::consent::signed_state::{ConfirmationTokens, SealingKeys};
use crate::redact::{RedactionGuard, Redactor, Secret, without_keys};
use crate::tools::{AccountMemory, Offered, Prices, Reconciler, Tool, ToolContext, ToolFailure, ToolResponse};
use crate::truedy::{CallBudget, Client, Error, NotSent, run_blocking};

/// The time of one call. Every call answers within 25 s, and the difference is for building the response.
pub(crate) const TIME: Duration = Duration::from_millis(24_500);
/// When operations that an earlier process left open are looked for, in seconds after the start.
pub(crate) const SWEEPS: [u64; 8] = [0, 2, 5, 10, 20, 40, 80, 150];
/// How often they are looked for after that.
pub(crate) const SWEEP: Duration = Duration::from_secs(60);
/// How long a lost operation is looked for each minute, in milliseconds. Later, only reads for other purposes can
/// resolve it.
pub(crate) const SOUGHT_MS: i64 = 60 * 60 * 1000;
/// The most secrets from pages that stay in the redactor. Each of them is searched for in every text.
const REMEMBERED: usize = 32;

/// The lock on a number that a running call buys or imports. Dropping it releases the lock.
pub(crate) struct SingleFlight<'a> {
    flying: &'a Mutex<HashSet<String>>,
    number: String,
}

impl Drop for SingleFlight<'_> {
    fn drop(&mut self) {
        self.flying.lock().remove(&self.number);
    }
}

/// How Truedy's API is reached. The first call that needs the client builds it.
pub enum Upstream {
    /// No key is set.
    NoKey,
    /// The client, built on first use.
    Lazy(Box<dyn Fn() -> BoxFuture<'static, Result<Arc<Client>, Refusal>> + Send + Sync>, OnceCell<Arc<Client>>),
}

impl Upstream {
    /// Returns an upstream whose client is built on first use.
    pub fn lazy(make: impl Fn() -> BoxFuture<'static, Result<Arc<Client>, Refusal>> + Send + Sync + 'static) -> Self {
        Self::Lazy(Box::new(make), OnceCell::new())
    }

    /// Returns the client, if a call has needed it.
    pub(crate) fn made(&self) -> Option<&Arc<Client>> {
        match self {
            Self::NoKey => None,
            Self::Lazy(_, made) => made.get(),
        }
    }

    async fn client(&self) -> Result<Arc<Client>, Refusal> {
        match self {
            Self::NoKey => Err(messages::on_missing_key()),
            Self::Lazy(make, made) => made.get_or_try_init(make).await.cloned(),
        }
    }
}

/// The function that runs one tool, from its arguments to its result.
pub(crate) type Handler = fn(Arc<Service>, Map<String, Value>, CallContext) -> BoxFuture<'static, CallResult>;

/// The parts of a service.
pub struct ServiceConfig {
    /// The operator's policy: what is allowed.
    pub policy: Policy,
    /// How Truedy is reached.
    pub upstream: Upstream,
    /// The journal of changes.
    pub journal: Arc<Journal>,
    /// The keys that seal questions and confirmation tokens.
    pub keys: SealingKeys,
    /// The redactor that removes secrets from texts.
    pub redactor: Arc<Redactor>,
    /// The limiter of calls, shared by all services of one server.
    pub limiter: Arc<ConcurrencyLimiter>,
    /// The operator's carrier profiles.
    pub carriers: CarrierProfiles,
    /// The pages on which a person enters a carrier's keys, shared by all services of one server.
    pub pages: Arc<CredentialForms>,
}

/// Runs the calls of one tenant, and holds what they share.
pub struct Service {
    /// The operator's policy: what is allowed.
    pub policy: Arc<Policy>,
    pub(crate) upstream: Upstream,
    pub(crate) journal: Arc<Journal>,
    redactor: Arc<Redactor>,
    account: Arc<AccountMemory>,
    prices: Arc<Prices>,
    offered: Arc<Offered>,
    pub(crate) consent: Consent,
    pub(crate) tokens: ConfirmationTokens,
    flying: Mutex<HashSet<String>>,
    limiter: Arc<ConcurrencyLimiter>,
    pub(crate) carriers: Arc<CarrierProfiles>,
    /// Guards for secrets that were entered on pages lately. They outlast the call, because Truedy has these secrets
    /// now and may show them anywhere.
    entered: Mutex<VecDeque<RedactionGuard>>,
    pub(crate) pages: Arc<CredentialForms>,
    pub(crate) tasks: TaskTracker,
    pub(crate) ending: CancellationToken,
    /// Cancelled when the only client has gone.
    pub(crate) left: CancellationToken,
}

/// A call that was answered or refused.
#[derive(Debug)]
pub struct FinishedCall {
    /// What became of the call. The body says it, too.
    pub status: Status,
    /// The object for the caller.
    pub body: Map<String, Value>,
    /// Whether the caller sees an error.
    pub is_error: bool,
}

/// The result of a call.
#[derive(Debug)]
pub enum CallResult {
    /// A response or a refusal.
    Done(FinishedCall),
    /// A person must be asked first. The client puts the question and calls again.
    Ask(Box<InputRequiredResult>),
}

impl CallResult {
    /// Returns the status of a finished call. `None` if a person must be asked first.
    pub fn status(&self) -> Option<Status> {
        match self {
            Self::Done(finished) => Some(finished.status),
            Self::Ask(_) => None,
        }
    }
}

impl Service {
    /// Creates a service without running calls.
    pub fn new(parts: ServiceConfig) -> Arc<Self> {
        Arc::new(Self {
            policy: Arc::new(parts.policy),
            upstream: parts.upstream,
            journal: parts.journal,
            redactor: parts.redactor,
            account: Arc::default(),
            prices: Arc::default(),
            offered: Arc::default(),
            consent: Consent::new(&parts.keys),
            tokens: ConfirmationTokens::new(&parts.keys),
            flying: Mutex::default(),
            limiter: parts.limiter,
            carriers: Arc::new(parts.carriers),
            entered: Mutex::default(),
            pages: parts.pages,
            tasks: TaskTracker::new(),
            ending: CancellationToken::new(),
            left: CancellationToken::new(),
        })
    }

    /// Runs one call to its result. A panic or a caller that leaves does not leave it half done.
    ///
    /// `unwanted` is cancelled when the caller no longer wants the call. A call that has sent nothing then stops. Any
    /// other call runs to its end.
    pub(crate) async fn call(
        self: &Arc<Self>,
        effect: Effect,
        way: Handler,
        arguments: Map<String, Value>,
        (caller, rights): (&Caller, &Arc<Rights>),
        from: ClientCall,
        unwanted: CancellationToken,
    ) -> CallResult {
        let Some(place) = self.limiter.enter(caller) else {
            return refuse(messages::on_overload(effect));
        };
        let (service, stop) = (Arc::clone(self), self.ending.child_token());
        let ClientCall { elicitor, views, client, call_id, undoes, agreed } = from;
        let mut call_context = CallContext {
            caller: caller.clone(),
            rights: Arc::clone(rights),
            elicitor,
            views,
            client,
            call_id,
            token_for: None,
            undoes: undoes.map(Arc::new),
            agreed,
            stop: stop.clone(),
            deadline: Instant::now() + TIME,
            turn: None,
        };
        let running = async move {
            match CallTurn::first(place, patience(effect)).await.map(Arc::new) {
                Some(turn) => {
                    call_context.turn = Some(Arc::clone(&turn));
                    let reply = way(service, arguments, call_context).await;
                    drop(turn);
                    reply
                }
                None => refuse(messages::on_overload(effect)),
            }
        };
        // A caller that drops this future has left. That counts as a cancellation.
        let left = stop.clone().drop_guard();
        let mut task = self.tasks.spawn(running.in_current_span());
        let finished = tokio::select! {
            finished = &mut task => finished,
            () = unwanted.cancelled() => {
                stop.cancel();
                task.await
            }
        };
        left.disarm();
        // The result holds no secrets: the handler removed them while it knew them.
        finished.unwrap_or_else(|_| refuse(messages::on_fault(effect)))
    }

    /// Returns how many numbers the present whole reading has read, and how many there are. `None` if none runs.
    pub(crate) fn reading(&self) -> Option<(usize, Option<u64>)> {
        self.account.reading()
    }

    /// Removes secrets from a result, as a second check. Data from Truedy was already redacted when it was read.
    /// `status` and `code` are left as they are, because their values are this server's own.
    pub(crate) fn cleanse(&self, reply: &mut CallResult) {
        if let CallResult::Done(FinishedCall { body, .. }) = reply {
            let ours = |name: &str| matches!(name, "status" | "code");
            let rows = body.values().filter_map(Value::as_array).map(Vec::len).max().unwrap_or(0);
            let theirs = body.iter_mut().filter(|(name, _)| !ours(name));
            run_blocking(rows, || theirs.for_each(|(_, value)| self.redactor.value(value)));
        }
    }

    /// Locks a number, so that only one call at a time buys or imports it. The journal alone is not enough: it knows a
    /// change only from its intent on.
    pub(crate) fn begin_single_flight(
        &self,
        number: &str,
        caller: &Caller,
        effect: Effect,
    ) -> Result<SingleFlight<'_>, Refusal> {
        let key = format!("{} {number}", caller.tenant);
        let mut flying = self.flying.lock();
        if flying.insert(key.clone()) {
            return Ok(SingleFlight { flying: &self.flying, number: key });
        }
        Err(messages::on_flight(number, effect))
    }

    /// Makes the redactor find these secrets until the returned guards are dropped.
    pub(crate) fn keep_hidden<'a>(&self, secrets: impl Iterator<Item = &'a Secret>) -> Vec<RedactionGuard> {
        secrets.map(|secret| self.redactor.redact_until_dropped(secret)).collect()
    }

    /// Removes every secret now in use from a value that goes to a page.
    pub(crate) fn hide_in(&self, value: &mut Value) {
        self.redactor.value(value);
    }

    /// Keeps the guards of secrets that a person entered. The oldest are dropped when there are too many.
    pub(crate) fn remember<'a>(&self, secrets: impl Iterator<Item = &'a Secret>) {
        let mut entered = self.entered.lock();
        entered.extend(self.keep_hidden(secrets));
        let over = entered.len().saturating_sub(REMEMBERED);
        entered.drain(..over);
    }

    /// Returns a text without secrets now in use and without what looks like a key.
    pub(crate) fn hide(&self, text: &str) -> String {
        without_keys(&self.redactor.text(text))
    }

    /// Makes the redactor find the secret arguments in all results until the returned guards are dropped. This includes
    /// a secret that stands in another argument by mistake and is repeated in a problem.
    pub(crate) fn hold<T: Tool>(&self, arguments: &Map<String, Value>) -> Vec<RedactionGuard> {
        let given = T::secrets().into_iter().filter_map(|name| arguments.get(name)?.as_str());
        let secrets: Vec<Secret> = given.filter_map(|text| Secret::new(text.to_owned()).ok()).collect();
        self.keep_hidden(secrets.iter())
    }

    /// Builds the tool context of one call. Refuses if there is no client for Truedy.
    pub(crate) async fn tool_context(&self, call_context: &CallContext) -> Result<ToolContext, Refusal> {
        let truedy = self.upstream.client().await?;
        let whose = self.limiter.is_shared().then(|| Arc::from(call_context.caller.principal.as_str()));
        let asks = call_context.elicitor.can_ask() && self.policy.ask == AskMode::Auto;
        Ok(ToolContext {
            reconciler: Arc::new(Reconciler),
            truedy,
            call: CallBudget::reading(call_context.deadline, call_context.stop.clone()).of(whose),
            asks,
            account: Arc::clone(&self.account),
            prices: Arc::clone(&self.prices),
            offered: Arc::clone(&self.offered),
            policy: Arc::clone(&self.policy),
            used: 0,
            journal: Arc::clone(&self.journal),
            caller: call_context.caller.clone(),
            record: None,
            carriers: Arc::clone(&self.carriers),
            collects: call_context.elicitor.can_show_page(&self.pages) && self.policy.ask == AskMode::Auto,
            entered: None,
        })
    }
}

pub(crate) fn words(failure: ToolFailure, effect: Effect, stage: Stage) -> Refusal {
    match failure {
        ToolFailure::Refused(refusal) => refusal,
        ToolFailure::Invalid(problem) => messages::on_problems(&[*problem], effect),
        ToolFailure::Truedy(error) => {
            // A call that the client cancelled is no failure of Truedy.
            if !matches!(error, Error::NotSent(NotSent::Cancelled)) {
                tracing::warn!(%error, ?effect, "a call failed at Truedy");
            }
            messages::on_failure(&error, effect, stage)
        }
    }
}

/// Returns the finished call of a response.
pub(crate) fn finished<T: serde::Serialize>(answer: &ToolResponse<T>) -> FinishedCall {
    FinishedCall { status: answer.status, body: answer.to_json(), is_error: false }
}

pub(crate) fn done<T: serde::Serialize>(answer: &ToolResponse<T>) -> CallResult {
    CallResult::Done(finished(answer))
}

pub(crate) fn refuse(refusal: Refusal) -> CallResult {
    tracing::debug!(status = refusal.status.as_str(), "refused");
    let (status, is_error) = (refusal.status, refusal.is_error());
    let mut object = refusal.details;
    object.insert("status".to_owned(), json!(refusal.status));
    object.insert("summary".to_owned(), json!(refusal.summary));
    object.insert("retryable".to_owned(), json!(refusal.retryable));
    if is_error {
        object.insert("code".to_owned(), json!(refusal.status));
    }
    CallResult::Done(FinishedCall { status, body: object, is_error })
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::domain::samples;
    use crate::journal::JournalPlace;
    use crate::mcp::call::concurrency::CallLimits;
    use crate::mcp::call::validate::{NESTING, too_deep};

    fn service() -> Arc<Service> {
        Service::new(ServiceConfig {
            policy: Policy::default(),
            upstream: Upstream::NoKey,
            journal: Journal::new(JournalPlace::Memory, String::new(), samples::KINDS),
            keys: SealingKeys::of_this_process(),
            redactor: Arc::default(),
            limiter: ConcurrencyLimiter::new(CallLimits::ALONE),
            carriers: CarrierProfiles::default(),
            pages: CredentialForms::nowhere(),
        })
    }

    async fn call(service: &Arc<Service>, effect: Effect, way: Handler) -> CallResult {
        let (caller, rights) = (Caller::local(), Arc::default());
        service
            .call(effect, way, Map::new(), (&caller, &rights), ClientCall::unattended(None), CancellationToken::new())
            .await
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_its_words_stay_inside() {
        let reply = call(&service(), Effect::Changes(&samples::PURCHASE), |_, _, _| {
            Box::pin(async { panic!("canary +14155550123") })
        })
        .await;
        assert_eq!(reply.status(), Some(Status::InternalError));
        assert!(!format!("{reply:?}").contains("canary"));
    }

    #[tokio::test(start_paused = true)]
    async fn at_most_64_run_at_once_and_the_queue_is_bounded() {
        static RUN: AtomicUsize = AtomicUsize::new(0);
        static MOST: AtomicUsize = AtomicUsize::new(0);
        let way: Handler = |_, _, _| {
            Box::pin(async {
                MOST.fetch_max(RUN.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                tokio::time::sleep(Duration::from_secs(1)).await;
                RUN.fetch_sub(1, Ordering::SeqCst);
                CallResult::Done(FinishedCall { status: Status::Ok, body: Map::new(), is_error: false })
            })
        };
        let service = service();
        let CallLimits { running, waiting_each, .. } = CallLimits::ALONE;
        let calls = (0..running + waiting_each + 24).map(|_| call(&service, Effect::Reads, way));
        let replies = futures::future::join_all(calls).await;
        assert_eq!(MOST.load(Ordering::SeqCst), running);
        assert_eq!(replies.iter().filter(|reply| reply.status() == Some(Status::RateLimited)).count(), 24);
        assert_eq!(service.limiter.running(), 0, "every place was given back");
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
        assert!(too_deep(&deep, NESTING) && !too_deep(&json!({ "a": [1] }), NESTING));
    }
}
