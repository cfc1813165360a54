//! The sessions of the older revisions: whose each is, what goes on in it, and when it has been silent for too long.
//!
//! rmcp ends a session after some time without a message. It does not count a stream that its client holds open, so the time is
//! kept here.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use http::{Response, StatusCode};
use rmcp::transport::streamable_http_server::session::SessionManager;
use rmcp::transport::streamable_http_server::session::local::LocalSessionManager;
use serde_json::Value;
use tokio::time::Instant;

use crate::domain::Caller;
use crate::guard::Scope;
use crate::mcp::tenant::principal::MessageSender;
use crate::mcp::transport::http_response::{INVALID_REQUEST, ResponseBody, busy, error};

/// Sessions of one principal, unless it is set otherwise.
pub(crate) const SESSIONS_EACH: usize = 16;
/// Sessions of all.
pub(crate) const SESSIONS: usize = 1024;
/// Whoever has too many loses one that was silent for so long, for a new one.
const REST: Duration = Duration::from_secs(300);
/// When somebody who has too many sessions may try again, in seconds.
const LATER: u32 = 5;
/// How long a request waits for an earlier one with its id, which may have been answered just now.
const SAME_ID: Duration = Duration::from_millis(250);
/// How often that is looked at.
const AGAIN: Duration = Duration::from_millis(10);

/// The sessions that there are.
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
    /// Requests that are being answered, and streams that its client holds open.
    uses: usize,
    /// When the last of them ended.
    since: Instant,
    /// The ids of those requests, as JSON, each with the scopes of its token.
    ids: HashMap<String, BTreeSet<Scope>>,
    /// The scopes of all tokens with which something was asked here.
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

    /// Takes out the session that was silent longest, of this caller or of anybody, if it was silent for long.
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

/// One less of what a caller is counted by.
fn less(counts: &mut HashMap<Caller, usize>, caller: &Caller) {
    if let Some(count) = counts.get_mut(caller) {
        *count -= 1;
        if *count == 0 {
            counts.remove(caller);
        }
    }
}

/// A session on its way: it counts from before it exists.
pub(crate) struct PendingSession {
    sessions: Arc<Sessions>,
    owner: Caller,
}

impl PendingSession {
    /// The session exists under this id.
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

/// Ends a session that has been silent for too long.
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

/// What goes on in a session, until it is dropped: a request that is answered, or a stream that is listened to.
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

/// What comes into a session.
pub(crate) enum SessionInput<'a> {
    /// A stream is opened, to be listened to.
    Listener,
    /// The same, from where an earlier stream broke off: what was answered to anybody's token comes again.
    Resumer,
    /// A request with this id.
    Request(&'a Value),
    /// What was asked of the client is answered.
    Answer,
    /// What is not answered.
    Other,
}

impl Sessions {
    /// No session yet; each caller may have so many, and each may be silent for so long.
    pub(crate) fn new(each: usize, idle: Duration, manager: Arc<LocalSessionManager>) -> Arc<Self> {
        Arc::new(Self { each, idle, manager, state: Mutex::default() })
    }

    fn state(&self) -> MutexGuard<'_, SessionsState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are open.
    pub(crate) async fn count(&self) -> usize {
        self.manager.sessions.read().await.len()
    }

    /// Takes a place for one more session, or says which limit stands in the way.
    pub(crate) async fn open(self: &Arc<Self>, owner: Caller) -> Result<PendingSession, Response<ResponseBody>> {
        self.forget_ended().await;
        let (opening, resting) = self.take_place(owner)?;
        if let Some(id) = resting {
            drop(self.manager.close_session(&id.into()).await);
        }
        Ok(opening)
    }

    /// The place, and the session that ends for it.
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

    /// Enters a session of this sender's, or says why not. To somebody else it looks as if it did not exist.
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
        // rmcp tells answers apart by the id alone: the second of two would take that of the first.
        if id.as_ref().is_some_and(|id| found.ids.contains_key(id)) {
            return Err(SessionError::SameId);
        }
        let suffices = match comes {
            // A question belongs to a call, and whoever answers it decides what that call does.
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

    /// Whether this session is this caller's and has not ended.
    pub(crate) async fn lives(&self, session: &str, owner: &Caller) -> bool {
        let is_owners = self.state().open.get(session).is_some_and(|found| found.owner == *owner);
        is_owners && self.manager.sessions.read().await.contains_key(session)
    }

    /// Forgets whose the sessions were that have ended. What began while this looks is not looked at: it would seem to
    /// have ended before it was.
    async fn forget_ended(&self) {
        let known: Vec<String> = self.state().open.keys().cloned().collect();
        let ended: Vec<String> = {
            let living = self.manager.sessions.read().await;
            known.into_iter().filter(|id| !living.contains_key(id.as_str())).collect()
        };
        let mut state = self.state();
        ended.iter().for_each(|id| drop(state.open.remove(id)));
    }

    /// When it will have been silent for too long; `None` if it is not known any more.
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

/// Why something does not come into a session.
enum SessionError {
    /// There is none of this caller's.
    Unknown,
    /// A request with its id is not answered yet.
    SameId,
    /// The caller listens to as many streams as it may.
    Streams,
    /// The token has fewer scopes than one with which something was asked.
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

/// What is said of a second request under an id that still waits.
pub(crate) const SAME_ID_WAITS: &str =
    "Invalid Request: an earlier request with this id is not answered yet; give each request an id of its own";

/// What is said of an answer, or of a stream that is taken up again, where the token may do less than the call's.
pub(crate) const FEWER_SCOPES: &str = "The token has fewer scopes than the one with which the call was made: use that one, or one with at least its scopes";

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
