//! Sessions of the older revisions: their owners, their open requests and streams, and their time limits.
//!
//! rmcp ends a session after some time without a message, even if its client holds a stream open. So this module
//! measures the silent time itself.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Weak};
use std::time::Duration;

use http::{Response, StatusCode};
use parking_lot::{Mutex, MutexGuard};
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde_json::Value;
use tokio::time::Instant;

use crate::domain::Caller;
use crate::guard::Scope;
use crate::mcp::tenant::principal::MessageSender;
use crate::mcp::transport::http_response::{INVALID_REQUEST, ResponseBody, busy, error};

/// The default number of sessions of one principal.
pub(crate) const SESSIONS_EACH: usize = 16;
/// The maximum number of sessions of all callers together.
pub(crate) const SESSIONS: usize = 1024;
/// A session that was silent for this long may be ended for a new session when a limit is reached.
const REST: Duration = Duration::from_secs(300);
/// The `Retry-After` value for a caller at a limit, in seconds.
const LATER: u32 = 5;
/// The time that a request waits for an earlier request with the same id. That one may have been answered just now.
const SAME_ID: Duration = Duration::from_millis(250);
/// The interval between two attempts during this wait.
const AGAIN: Duration = Duration::from_millis(10);

/// All sessions of this process.
pub(crate) struct Sessions {
    each: usize,
    idle: Duration,
    manager: Arc<LocalSessionManager>,
    state: Mutex<SessionsState>,
}

#[derive(Default)]
struct SessionsState {
    open: HashMap<String, Session>,
    opening: HashMap<Caller, usize>,
    streams: HashMap<Caller, usize>,
}

/// One session.
struct Session {
    owner: Caller,
    /// The number of requests that are being answered and streams that the client holds open.
    uses: usize,
    /// The time at which the last use ended.
    since: Instant,
    /// The ids of the open requests, as JSON. Each has the scopes of the token that its sender used.
    ids: HashMap<String, BTreeSet<Scope>>,
    /// The scopes of all tokens that sent a request in this session.
    asked_with: BTreeSet<Scope>,
}

impl SessionsState {
    fn of(&self, caller: &Caller) -> usize {
        let open = self.open.values().filter(|session| session.owner == *caller).count();
        open + self.opening.get(caller).copied().unwrap_or(0)
    }

    fn all(&self) -> usize {
        self.open.len() + self.opening.values().sum::<usize>()
    }

    /// Removes and returns the session that was silent longest, of this caller or of all callers. A session that was
    /// silent for less than the minimum stays.
    fn take_resting(&mut self, caller: Option<&Caller>) -> Option<String> {
        let of_caller = |session: &Session| caller.is_none_or(|caller| session.owner == *caller);
        let resting = self
            .open
            .iter()
            .filter(|(_, session)| session.uses == 0 && session.since.elapsed() >= REST && of_caller(session));
        let id = resting.min_by_key(|(_, session)| session.since)?.0.clone();
        self.open.remove(&id);
        Some(id)
    }
}

/// Decrements the count of a caller.
fn less(counts: &mut HashMap<Caller, usize>, caller: &Caller) {
    if let Some(count) = counts.get_mut(caller) {
        *count -= 1;
        if *count == 0 {
            counts.remove(caller);
        }
    }
}

/// A session that is being opened. It counts towards the limits before it exists.
pub(crate) struct PendingSession {
    sessions: Arc<Sessions>,
    owner: Caller,
}

impl PendingSession {
    /// Registers the session under the id that rmcp gave it.
    pub(crate) fn done(self, id: &str) {
        let session = Session {
            owner: self.owner.clone(),
            uses: 0,
            since: Instant::now(),
            ids: HashMap::new(),
            asked_with: BTreeSet::new(),
        };
        self.sessions.state().open.insert(id.to_owned(), session);
        tokio::spawn(end_when_silent(Arc::downgrade(&self.sessions), id.to_owned()));
    }
}

impl Drop for PendingSession {
    fn drop(&mut self) {
        less(&mut self.sessions.state().opening, &self.owner);
    }
}

/// Ends a session after it was silent for too long.
async fn end_when_silent(sessions: Weak<Sessions>, id: String) {
    loop {
        let Some(silent_until) = sessions.upgrade().and_then(|sessions| sessions.silent_until(&id)) else { return };
        tokio::time::sleep_until(silent_until).await;
        let Some(sessions) = sessions.upgrade() else { return };
        if sessions.silent_until(&id).is_some_and(|until| until <= Instant::now()) {
            sessions.end(&id).await;
            return;
        }
    }
}

/// One use of a session, until it is dropped: a request that is being answered, or an open stream.
pub(crate) struct SessionUse {
    sessions: Arc<Sessions>,
    session: String,
    id: Option<String>,
    listens: Option<Caller>,
}

impl Drop for SessionUse {
    fn drop(&mut self) {
        let mut state = self.sessions.state();
        if let Some(caller) = &self.listens {
            less(&mut state.streams, caller);
        }
        if let Some(session) = state.open.get_mut(&self.session) {
            session.uses -= 1;
            session.since = Instant::now();
            if let Some(id) = &self.id {
                session.ids.remove(id);
            }
        }
    }
}

/// The kinds of message and stream that can enter a session.
pub(crate) enum SessionInput<'a> {
    /// Opens a stream.
    Listener,
    /// Opens a stream that repeats messages since an earlier stream broke off. These may include responses to requests
    /// with other tokens.
    Resumer,
    /// A request with this id.
    Request(&'a Value),
    /// The client's response to a question of the server.
    Answer,
    /// A message that gets no response.
    Other,
}

impl Sessions {
    /// Creates an empty set of sessions. `each` limits the sessions of one caller; `idle` is the longest silent time.
    pub(crate) fn new(each: usize, idle: Duration, manager: Arc<LocalSessionManager>) -> Arc<Self> {
        Arc::new(Self { each, idle, manager, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, SessionsState> {
        self.state.lock()
    }

    /// Returns the number of open sessions.
    pub(crate) async fn count(&self) -> usize {
        self.manager.sessions.read().await.len()
    }

    /// Reserves one more session for a caller. Returns the error response if a limit is reached.
    pub(crate) async fn open(self: &Arc<Self>, owner: Caller) -> Result<PendingSession, Response<ResponseBody>> {
        self.forget_ended().await;
        let (opening, resting) = self.take_place(owner)?;
        if let Some(id) = resting {
            drop(self.manager.close_session(&id.into()).await);
        }
        Ok(opening)
    }

    /// Reserves the session. Also returns the id of a silent session that must be closed for it.
    fn take_place(self: &Arc<Self>, owner: Caller) -> Result<(PendingSession, Option<String>), Response<ResponseBody>> {
        let mut state = self.state();
        let mut resting = None;
        if state.of(&owner) >= self.each {
            resting = state.take_resting(Some(&owner));
            if resting.is_none() {
                let why = format!(
                    "Too many sessions: a caller has at most {}. Close one with DELETE, or let one rest for 5 minutes.",
                    self.each
                );
                return Err(busy(StatusCode::TOO_MANY_REQUESTS, LATER, &why));
            }
        }
        if state.all() >= SESSIONS {
            resting = state.take_resting(None);
            if resting.is_none() {
                return Err(busy(StatusCode::SERVICE_UNAVAILABLE, LATER, "Too many sessions are open."));
            }
        }
        *state.opening.entry(owner.clone()).or_default() += 1;
        drop(state);
        Ok((PendingSession { sessions: Arc::clone(self), owner }, resting))
    }

    /// Registers a use of a session by this sender, or returns the error response. A session of another caller is
    /// reported as unknown.
    pub(crate) async fn enter(
        self: &Arc<Self>,
        session: &str,
        sender: &MessageSender,
        comes: SessionInput<'_>,
    ) -> Result<SessionUse, Response<ResponseBody>> {
        let until = Instant::now() + SAME_ID;
        let id = if let SessionInput::Request(id) = comes { Some(id) } else { None };
        loop {
            match self.try_enter(session, sender, &comes) {
                Err(SessionError::SameId) if Instant::now() < until => tokio::time::sleep(AGAIN).await,
                entered => return entered.map_err(|outside| outside.told(id.cloned(), self.each)),
            }
        }
    }

    fn try_enter(
        self: &Arc<Self>,
        session: &str,
        sender: &MessageSender,
        comes: &SessionInput<'_>,
    ) -> Result<SessionUse, SessionError> {
        let mut state = self.state();
        let SessionsState { open, streams, .. } = &mut *state;
        let found = open.get_mut(session).filter(|found| found.owner == sender.caller).ok_or(SessionError::Unknown)?;
        let id = if let SessionInput::Request(id) = comes { Some(id.to_string()) } else { None };
        // rmcp matches responses by the id alone. The second of two equal ids would get the response to the first.
        if id.as_ref().is_some_and(|id| found.ids.contains_key(id)) {
            return Err(SessionError::SameId);
        }
        let suffices = match comes {
            // A question belongs to a call, and the client's response decides what that call does.
            SessionInput::Answer => found.ids.values().all(|scopes| scopes.is_subset(&sender.scopes)),
            SessionInput::Resumer => found.asked_with.is_subset(&sender.scopes),
            SessionInput::Listener | SessionInput::Request(_) | SessionInput::Other => true,
        };
        if !suffices {
            return Err(SessionError::FewerScopes);
        }
        let listens = matches!(comes, SessionInput::Listener | SessionInput::Resumer).then(|| sender.caller.clone());
        if let Some(caller) = &listens {
            let count = streams.entry(caller.clone()).or_default();
            if *count >= self.each {
                return Err(SessionError::Streams);
            }
            *count += 1;
        }
        found.uses += 1;
        if let Some(id) = &id {
            found.ids.insert(id.clone(), sender.scopes.clone());
            found.asked_with.extend(&sender.scopes);
        }
        drop(state);
        Ok(SessionUse { sessions: Arc::clone(self), session: session.to_owned(), id, listens })
    }

    /// Checks whether this session belongs to this caller and has not ended.
    pub(crate) async fn lives(&self, session: &str, owner: &Caller) -> bool {
        let is_owners = self.state().open.get(session).is_some_and(|found| found.owner == *owner);
        is_owners && self.manager.sessions.read().await.contains_key(session)
    }

    /// Forgets the owners of sessions that have ended. Only sessions known before the check are removed. A session that
    /// opens meanwhile would look ended.
    async fn forget_ended(&self) {
        let known: Vec<String> = self.state().open.keys().cloned().collect();
        let ended: Vec<String> = {
            let living = self.manager.sessions.read().await;
            known.into_iter().filter(|id| !living.contains_key(id.as_str())).collect()
        };
        let mut state = self.state();
        ended.iter().for_each(|id| drop(state.open.remove(id)));
    }

    /// Returns the time at which the session will have been silent for too long; `None` if the session is unknown.
    fn silent_until(&self, id: &str) -> Option<Instant> {
        let state = self.state();
        let session = state.open.get(id)?;
        let since = if session.uses > 0 { Instant::now() } else { session.since };
        Some(since + self.idle)
    }

    async fn end(&self, id: &str) {
        self.state().open.remove(id);
        drop(self.manager.close_session(&id.into()).await);
    }
}

/// Why a message or stream cannot enter a session.
enum SessionError {
    /// The caller has no session with this id.
    Unknown,
    /// A request with the same id has no response yet.
    SameId,
    /// The caller has reached its limit of open streams.
    Streams,
    /// The token lacks a scope of a token that sent an earlier request.
    FewerScopes,
}

impl SessionError {
    fn told(self, id: Option<Value>, each: usize) -> Response<ResponseBody> {
        match self {
            Self::Unknown => error(StatusCode::NOT_FOUND, INVALID_REQUEST, "There is no such session.", id),
            Self::SameId => error(StatusCode::BAD_REQUEST, INVALID_REQUEST, SAME_ID_WAITS, id),
            Self::FewerScopes => {
                error(StatusCode::FORBIDDEN, i64::from(StatusCode::FORBIDDEN.as_u16()), FEWER_SCOPES, id)
            }
            Self::Streams => {
                let why = format!("Too many streams: a caller has at most {each}.");
                busy(StatusCode::TOO_MANY_REQUESTS, LATER, &why)
            }
        }
    }
}

/// The error text for a second request with the id of an open request.
pub(crate) const SAME_ID_WAITS: &str =
    "Invalid Request: an earlier request with this id is not answered yet; give each request an id of its own";

/// The error text for a token that lacks a scope of the call. It applies to a response of the client and to a resumed
/// stream.
pub(crate) const FEWER_SCOPES: &str = "The token has fewer scopes than the one with which the call was made: use that one, or one with at least its scopes";

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
