//! The one path of every call: parse, policy, plan, gate, consent, journal, act.

use std::collections::{HashSet, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::BoxFuture;
use rmcp::model::InputRequiredResult;
use serde_json::{Map, Value, json};
use tokio::sync::OnceCell;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::domain::{ArgumentProblem, Caller, CarrierProfiles, Refusal, Status, shown_name};
use crate::guard::{AskMode, Policy, RequestedChange, Rights};
use crate::journal::{Journal, Operation, OperationQuery};
use crate::mcp::apps::pages::AppsSupport;
use crate::mcp::call::concurrency::{CallTurn, ConcurrencyLimiter};
use crate::mcp::call::messages;
use crate::mcp::call::messages::Stage;
use crate::mcp::consent::credential_forms::CredentialForms;
use crate::mcp::consent::elicitation::{Consent, Elicitor};
use crate::mcp::consent::signed_state::{ConfirmationTokens, SealingKeys};
use crate::mcp::transport::duplicate_names;
use crate::mcp::transport::duplicate_names::GIVEN_TWICE;
use crate::redact::{RedactionGuard, Redactor, Secret, looks_like_key, without_keys};
use crate::tools::{Effect, Offered, Prices, Read, Tool, ToolContext, ToolFailure, ToolResponse, reconcile};
use crate::truedy::{CallBudget, Client, Error, NotSent, run_blocking};

/// Every call answers within 25 s; this leaves time to put the answer together.
const TIME: Duration = Duration::from_millis(24_500);
/// When what an earlier process left open is looked for, in seconds after the start, and how often after that.
const SWEEPS: [u64; 8] = [0, 2, 5, 10, 20, 40, 80, 150];
const SWEEP: Duration = Duration::from_secs(60);
/// For how long an operation is looked for each minute; later only what is read anyway can resolve it.
const SOUGHT_MS: i64 = 60 * 60 * 1000;
/// Secrets from pages that stay looked for: each costs a look at every text.
const REMEMBERED: usize = 32;
/// Nesting and number of fields that arguments may have.
const NESTING: usize = 32;
const FIELDS: usize = 256;

/// How long a call may wait for a place: what is left of its time must do for its work.
fn patience(effect: Effect) -> Duration {
    Duration::from_secs(if effect.reads() { 18 } else { 10 })
}

/// Who calls and what they may do, how a person can be asked, and whether the call is still wanted.
pub(crate) struct CallContext {
    pub(crate) caller: Caller,
    pub(crate) rights: Arc<Rights>,
    pub(crate) elicitor: Elicitor,
    pub(crate) views: AppsSupport,
    /// What the token of a way that needs one at every level is good for; `None` for the tool's own way.
    pub(crate) token_for: Option<&'static str>,
    pub(crate) stop: CancellationToken,
    /// When there must be an answer, whatever was waited for before.
    pub(crate) deadline: Instant,
    /// Its place among all calls; `None` where nobody called.
    pub(crate) turn: Option<Arc<CallTurn>>,
}

impl CallContext {
    /// Waits for a person, and for nobody's place meanwhile. Whoever goes on afterwards comes [`Self::back`] first.
    pub(crate) async fn aside<T>(
        &self,
        effect: Effect,
        wait: impl Future<Output = Result<T, Refusal>>,
    ) -> Result<T, Refusal> {
        match &self.turn {
            Some(turn) => turn.aside(wait).await.unwrap_or_else(|| Err(messages::on_questions(effect))),
            None => wait.await,
        }
    }

    /// Takes its place anew after a person was waited for, within this time.
    pub(crate) async fn back(&self, effect: Effect, within: Duration) -> Result<(), Refusal> {
        let Some(turn) = &self.turn else { return Ok(()) };
        let there = tokio::select! {
            there = turn.again(within.min(patience(effect))) => there,
            () = self.stop.cancelled() => false,
        };
        if there { Ok(()) } else { Err(messages::on_overload(effect)) }
    }
}

/// A number that a running call makes ours.
pub(crate) struct SingleFlight<'a> {
    flying: &'a Mutex<HashSet<String>>,
    number: String,
}

impl Drop for SingleFlight<'_> {
    fn drop(&mut self) {
        self.flying.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.number);
    }
}

/// How the API is reached, found out at the first call that needs it.
pub enum Upstream {
    /// No key is set.
    NoKey,
    /// Made when it is first needed.
    Lazy(Box<dyn Fn() -> BoxFuture<'static, Result<Arc<Client>, Refusal>> + Send + Sync>, OnceCell<Arc<Client>>),
}

impl Upstream {
    /// A client made when it is first needed.
    pub fn lazy(make: impl Fn() -> BoxFuture<'static, Result<Arc<Client>, Refusal>> + Send + Sync + 'static) -> Self {
        Self::Lazy(Box::new(make), OnceCell::new())
    }

    async fn client(&self) -> Result<Arc<Client>, Refusal> {
        match self {
            Self::NoKey => Err(messages::on_missing_key()),
            Self::Lazy(make, made) => made.get_or_try_init(make).await.cloned(),
        }
    }
}

/// The way of one tool: from its arguments to its answer.
pub(crate) type Handler = fn(Arc<Service>, Map<String, Value>, CallContext) -> BoxFuture<'static, CallResult>;

/// What a service is made of.
pub struct ServiceConfig {
    /// What the operator allows.
    pub policy: Policy,
    /// How Truedy is reached.
    pub upstream: Upstream,
    /// What was done.
    pub journal: Arc<Journal>,
    /// What seals questions and tokens.
    pub keys: SealingKeys,
    /// What takes secrets out of texts.
    pub redactor: Arc<Redactor>,
    /// Whose calls run and wait; shared by all that one server serves.
    pub limiter: Arc<ConcurrencyLimiter>,
    /// The operator's carrier profiles.
    pub carriers: CarrierProfiles,
    /// Where a person can enter a carrier's keys; shared likewise.
    pub pages: Arc<CredentialForms>,
}

/// What every call shares.
pub struct Service {
    /// What the operator allows.
    pub policy: Arc<Policy>,
    upstream: Upstream,
    pub(crate) journal: Arc<Journal>,
    redactor: Arc<Redactor>,
    prices: Arc<Prices>,
    offered: Arc<Offered>,
    pub(crate) consent: Consent,
    pub(crate) tokens: ConfirmationTokens,
    flying: Mutex<HashSet<String>>,
    limiter: Arc<ConcurrencyLimiter>,
    pub(crate) carriers: Arc<CarrierProfiles>,
    /// What was entered on pages lately is looked for when the call is long over: Truedy has it now, and may show it anywhere.
    entered: Mutex<VecDeque<RedactionGuard>>,
    pub(crate) pages: Arc<CredentialForms>,
    pub(crate) tasks: TaskTracker,
    ending: CancellationToken,
    /// Cancelled when the only client there is went away.
    pub(crate) left: CancellationToken,
}

/// What a call is answered with.
#[derive(Debug)]
pub enum CallResult {
    /// An answer or a refusal: the object the caller reads, and whether it is an error.
    Done(Map<String, Value>, bool),
    /// A person must be asked first; the client calls again.
    Ask(Box<InputRequiredResult>),
}

impl CallResult {
    /// The status of a finished call.
    pub fn status(&self) -> Option<&str> {
        match self {
            Self::Done(object, _) => object.get("status").and_then(Value::as_str),
            Self::Ask(_) => None,
        }
    }
}

impl Service {
    /// A service with nothing running.
    pub fn new(parts: ServiceConfig) -> Arc<Self> {
        Arc::new(Self {
            policy: Arc::new(parts.policy),
            upstream: parts.upstream,
            journal: parts.journal,
            redactor: parts.redactor,
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

    /// Runs one call to its answer. Neither a panic nor the caller's going away leaves it half done.
    ///
    /// `unwanted` is cancelled when the caller no longer wants it: what has sent nothing stops, the rest runs to its end.
    pub(crate) async fn call(
        self: &Arc<Self>,
        effect: Effect,
        way: Handler,
        arguments: Map<String, Value>,
        (caller, rights): (&Caller, &Arc<Rights>),
        (elicitor, views): (Elicitor, AppsSupport),
        unwanted: CancellationToken,
    ) -> CallResult {
        let Some(place) = self.limiter.enter(caller) else {
            return refuse(messages::on_overload(effect));
        };
        let (service, stop) = (Arc::clone(self), self.ending.child_token());
        let mut call_context = CallContext {
            caller: caller.clone(),
            rights: Arc::clone(rights),
            elicitor,
            views,
            token_for: None,
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
        // Whoever drops this call went away, as one who cancels it.
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
        // What comes back is without secrets already: the way of a tool takes them out while it knows them.
        finished.unwrap_or_else(|_| refuse(messages::on_fault(effect)))
    }

    /// The second line against secrets: what came from Truedy was cleaned when it was read. Our own vocabulary stays.
    pub(crate) fn cleanse(&self, reply: &mut CallResult) {
        if let CallResult::Done(object, _) = reply {
            let ours = |name: &str| matches!(name, "status" | "code");
            let rows = object.values().filter_map(Value::as_array).map(Vec::len).max().unwrap_or(0);
            let theirs = object.iter_mut().filter(|(name, _)| !ours(name));
            run_blocking(rows, || theirs.for_each(|(_, value)| self.redactor.value(value)));
        }
    }

    /// Lets one call at a time make a number ours: the journal knows of a change only when it begins.
    pub(crate) fn begin_single_flight(
        &self,
        number: &str,
        caller: &Caller,
        effect: Effect,
    ) -> Result<SingleFlight<'_>, Refusal> {
        let key = format!("{} {number}", caller.tenant);
        let mut flying = self.flying.lock().unwrap_or_else(PoisonError::into_inner);
        if flying.insert(key.clone()) {
            return Ok(SingleFlight { flying: &self.flying, number: key });
        }
        Err(messages::on_flight(number, effect))
    }

    /// Looks for these secrets until what is returned is dropped.
    pub(crate) fn keep_hidden<'a>(&self, secrets: impl Iterator<Item = &'a Secret>) -> Vec<RedactionGuard> {
        secrets.map(|secret| self.redactor.redact_until_dropped(secret)).collect()
    }

    /// Takes any secret now in use out of what goes to a page.
    pub(crate) fn hide_in(&self, value: &mut Value) {
        self.redactor.value(value);
    }

    /// Looks for what a person entered as long as there is room for it.
    pub(crate) fn remember<'a>(&self, secrets: impl Iterator<Item = &'a Secret>) {
        let mut entered = self.entered.lock().unwrap_or_else(PoisonError::into_inner);
        entered.extend(self.keep_hidden(secrets));
        let over = entered.len().saturating_sub(REMEMBERED);
        entered.drain(..over);
    }

    /// A text without any secret now in use.
    pub(crate) fn hide(&self, text: &str) -> String {
        without_keys(&self.redactor.text(text))
    }

    /// Finds out, again and again, what became of operations whose answer was lost: those of processes that are gone, and
    /// those of this one. Ends with the service.
    pub async fn tend(&self) {
        let tending = async {
            let start = Instant::now();
            for at in SWEEPS {
                tokio::time::sleep_until(start + Duration::from_secs(at)).await;
                if self.sweep().await == 0 {
                    break;
                }
            }
            self.prune().await;
            loop {
                tokio::time::sleep(SWEEP).await;
                self.sweep().await;
                self.prune().await;
            }
        };
        tokio::select! {
            () = tending => {}
            () = self.ending.cancelled() => {}
        }
    }

    async fn prune(&self) {
        if let Err(error) = self.journal.prune().await {
            tracing::debug!(%error, "what is old could not be taken out of the journal");
        }
    }

    /// Looks once for what is not known; says of how much that is worth another look soon.
    async fn sweep(&self) -> usize {
        let (mut open, mut after) = (Vec::new(), 0);
        // A page at a time, to the end.
        while let Ok(page) = self.journal.unresolved_after(after).await
            && let Some(last) = page.last()
        {
            after = last.rev;
            open.extend(page);
        }
        let now = jiff::Timestamp::now().as_millisecond();
        open.retain(|operation| now.saturating_sub(operation.lost_at.unwrap_or(now)) < SOUGHT_MS);
        if open.is_empty() {
            return 0;
        }
        let call_context = CallContext {
            caller: Caller::local(),
            rights: Arc::default(),
            elicitor: Elicitor::nobody(),
            views: AppsSupport::default(),
            token_for: None,
            stop: self.ending.child_token(),
            deadline: Instant::now() + TIME,
            turn: None,
        };
        if let Ok(tool_context) = self.tool_context(&call_context).await {
            reconcile(&tool_context, &open).await;
        }
        open.len()
    }

    /// Whether it has a key for Truedy.
    pub fn has_key(&self) -> bool {
        !matches!(self.upstream, Upstream::NoKey)
    }

    /// How many operations of this tenant are not known; `None` if that cannot be told now.
    pub async fn unresolved(&self) -> Option<usize> {
        self.journal.count_unresolved().await.ok()
    }

    /// Whether the journal can be written, found out by writing.
    pub async fn probe_journal(&self) -> Result<(), String> {
        self.journal.probe().await.map_err(|unavailable| unavailable.0)
    }

    /// An operation as the journal knows it now.
    pub async fn operation(&self, id: &str) -> Option<Operation> {
        let query = OperationQuery { id: Some(id.to_owned()), limit: 1, ..OperationQuery::default() };
        self.journal.find(query).await.ok()?.pop()
    }

    /// Stops all that has sent nothing; it is answered at once.
    pub fn stop(&self) {
        self.ending.cancel();
    }

    /// The only client went away: an answer still reaches it if it comes in time, but nobody can be counted on to read it. So a
    /// purchase that is under way stops the next one, in every process, from now on.
    pub fn client_left(&self) {
        self.left.cancel();
    }

    /// Waits until every call is answered: reads get `reads`, then all that has sent nothing is stopped, and changes get up
    /// to `all`. `answered` resolves when nobody waits for an answer.
    pub async fn finish(&self, answered: impl Future<Output = ()>, reads: Duration, all: Duration) {
        self.tasks.close();
        let start = Instant::now();
        let finished = async {
            answered.await;
            self.tasks.wait().await;
        };
        tokio::pin!(finished);
        if tokio::time::timeout(reads, &mut finished).await.is_err() {
            self.stop();
            let _ = tokio::time::timeout_at(start + all, finished).await;
        }
    }

    /// Looks for the secrets among the arguments, in all that comes back, until the call is over: also where one stands in
    /// another argument by mistake, and is repeated as wrong.
    pub(crate) fn hold<T: Tool>(&self, arguments: &Map<String, Value>) -> Vec<RedactionGuard> {
        let given = T::secrets().into_iter().filter_map(|name| arguments.get(name)?.as_str());
        let secrets: Vec<Secret> = given.filter_map(|text| Secret::new(text.to_owned()).ok()).collect();
        self.keep_hidden(secrets.iter())
    }

    /// A desk for one call.
    pub(crate) async fn tool_context(&self, call_context: &CallContext) -> Result<ToolContext, Refusal> {
        let truedy = self.upstream.client().await?;
        let whose = self.limiter.is_shared().then(|| Arc::from(call_context.caller.principal.as_str()));
        let asks = call_context.elicitor.can_ask() && self.policy.ask == AskMode::Auto;
        Ok(ToolContext {
            truedy,
            call: CallBudget::reading(call_context.deadline, call_context.stop.clone()).of(whose),
            asks,
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

    /// Refuses a carrier's keys among the arguments where the operator does not want them there.
    pub(crate) fn admit_inline<T: Tool>(&self, given: &Map<String, Value>) -> Result<(), Refusal> {
        let is_given = |name: &&str| given.get(*name).is_some_and(|value| !value.is_null() && *value != json!(""));
        let inline: Vec<&str> = T::inline().into_iter().filter(is_given).collect();
        self.policy.admit_inline(&inline)
    }

    /// Reads the arguments; everything wrong with them is told at once.
    pub(crate) fn parse<T: Tool>(arguments: Map<String, Value>) -> Result<T, Refusal> {
        if arguments.len() > FIELDS || arguments.values().any(|value| too_deep(value, NESTING)) {
            let summary = format!(
                "{} The arguments have too many fields or are nested too deeply.",
                messages::nothing(T::EFFECT)
            );
            return Err(Refusal::new(Status::InvalidArgument, summary));
        }
        if let Some(name) = arguments.get(GIVEN_TWICE) {
            return Err(messages::on_problems(&[twice(name)], T::EFFECT));
        }
        let misplaced = misplaced_keys(&arguments, &T::secrets());
        if !misplaced.is_empty() {
            return Err(messages::on_problems(&misplaced, T::EFFECT));
        }
        let tool = T::read(arguments).map_err(|problems| messages::on_problems(&problems, T::EFFECT))?;
        let contradictions = tool.contradictions();
        if contradictions.is_empty() { Ok(tool) } else { Err(messages::on_problems(&contradictions, T::EFFECT)) }
    }

    /// Answers a call that only reads.
    pub(crate) async fn read<T: Read>(
        self: Arc<Self>,
        arguments: Map<String, Value>,
        call_context: CallContext,
    ) -> CallResult {
        let _held = self.hold::<T>(&arguments);
        let outcome = async {
            let inline = self.admit_inline::<T>(&arguments);
            let tool = Self::parse::<T>(arguments)?;
            call_context.rights.admit(T::NAME, T::SCOPE, true)?;
            self.policy.admit(T::NAME, true, &RequestedChange::default())?;
            inline?;
            let answer = tool.read(self.tool_context(&call_context).await?).await;
            answer.map(|answer| done(&answer)).map_err(|failure| words(failure, T::EFFECT, Stage::Before))
        };
        let mut reply = outcome.await.unwrap_or_else(refuse);
        self.cleanse(&mut reply);
        reply
    }
}

pub(crate) fn words(failure: ToolFailure, effect: Effect, stage: Stage) -> Refusal {
    match failure {
        ToolFailure::Refused(refusal) => refusal,
        ToolFailure::Truedy(error) => {
            // A client that left is no failure of Truedy.
            if !matches!(error, Error::NotSent(NotSent::Cancelled)) {
                tracing::warn!(%error, ?effect, "a call failed at Truedy");
            }
            messages::on_failure(&error, effect, stage)
        }
    }
}

pub(crate) fn done<T: serde::Serialize>(answer: &ToolResponse<T>) -> CallResult {
    CallResult::Done(answer.to_json(), false)
}

pub(crate) fn refuse(refusal: Refusal) -> CallResult {
    tracing::debug!(status = refusal.status.as_str(), "refused");
    let is_error = refusal.is_error();
    let mut object = refusal.details;
    object.insert("status".to_owned(), json!(refusal.status));
    object.insert("summary".to_owned(), json!(refusal.summary));
    object.insert("retryable".to_owned(), json!(refusal.retryable));
    if is_error {
        object.insert("code".to_owned(), json!(refusal.status));
    }
    CallResult::Done(object, is_error)
}

/// A name that stood twice in the arguments: neither value is taken, since it is not known which was meant.
fn twice(name: &Value) -> ArgumentProblem {
    ArgumentProblem {
        field: duplicate_names::shown(name.as_str().unwrap_or_default()),
        reason: "it is given twice, and it is not known which value was meant".to_owned(),
        received: None,
        expected: "each name once in one object".to_owned(),
        example: "the call again, with this name once".to_owned(),
        did_you_mean: None,
    }
}

/// Keys where no keys belong: a model may put one anywhere. What is found is not repeated.
fn misplaced_keys(arguments: &Map<String, Value>, secrets: &[&str]) -> Vec<ArgumentProblem> {
    // A token of ours is random, and may look like anything.
    let is_checked = |name: &str| name != "confirmation_token" && !secrets.contains(&name);
    let problem = |name: &String| ArgumentProblem {
        // The name itself may be the key.
        field: shown_name(name).filter(|name| !looks_like_key(name)).unwrap_or("an argument").to_owned(),
        reason: "it looks like a secret key, which is not taken here and should not pass through a conversation"
            .to_owned(),
        received: None,
        expected: "no key; a carrier account is named in carrier, and Truedy's own key is set by the operator"
            .to_owned(),
        example: "carrier: \"main\"".to_owned(),
        did_you_mean: None,
    };
    let found = arguments
        .iter()
        .filter(|(name, value)| looks_like_key(name) || (is_checked(name) && holds_key(value, name.ends_with("_id"))));
    found.map(|(name, _)| problem(name)).collect()
}

/// Whether a key stands anywhere in a value. An id may be 32 hexadecimal digits, as Twilio's tokens are.
fn holds_key(value: &Value, is_id: bool) -> bool {
    match value {
        Value::String(text) => {
            let bare_hex = text.len() == 32 && text.bytes().all(|b| b.is_ascii_hexdigit());
            looks_like_key(text) && !(is_id && bare_hex)
        }
        Value::Array(items) => items.iter().any(|item| holds_key(item, is_id)),
        Value::Object(fields) => fields.iter().any(|(name, field)| looks_like_key(name) || holds_key(field, false)),
        _ => false,
    }
}

fn too_deep(value: &Value, left: usize) -> bool {
    match value {
        _ if left == 0 => true,
        Value::Array(items) => items.iter().any(|item| too_deep(item, left - 1)),
        Value::Object(fields) => fields.values().any(|field| too_deep(field, left - 1)),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::journal::JournalPlace;
    use crate::mcp::call::concurrency::CallLimits;

    fn service() -> Arc<Service> {
        Service::new(ServiceConfig {
            policy: Policy::default(),
            upstream: Upstream::NoKey,
            journal: Journal::new(JournalPlace::Memory, String::new()),
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
            .call(
                effect,
                way,
                Map::new(),
                (&caller, &rights),
                (Elicitor::nobody(), AppsSupport::default()),
                CancellationToken::new(),
            )
            .await
    }

    #[tokio::test]
    async fn a_panic_is_answered_and_its_words_stay_inside() {
        let reply = call(&service(), Effect::Spends, |_, _, _| Box::pin(async { panic!("canary +14155550123") })).await;
        assert_eq!(reply.status(), Some("internal_error"));
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
                CallResult::Done(Map::new(), false)
            })
        };
        let service = service();
        let CallLimits { running, waiting_each, .. } = CallLimits::ALONE;
        let calls = (0..running + waiting_each + 24).map(|_| call(&service, Effect::Reads, way));
        let replies = futures::future::join_all(calls).await;
        assert_eq!(MOST.load(Ordering::SeqCst), running);
        assert_eq!(replies.iter().filter(|reply| reply.status() == Some("rate_limited")).count(), 24);
        assert_eq!(service.limiter.running(), 0, "every place was given back");
    }

    #[test]
    fn nesting_is_bounded() {
        let deep = (0..40).fold(json!(1), |inner, _| json!([inner]));
        assert!(too_deep(&deep, NESTING) && !too_deep(&json!({ "a": [1] }), NESTING));
    }
}
