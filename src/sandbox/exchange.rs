//! One request from its arrival to its answer: recorded, delayed, let in, carried out, and perhaps never answered.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::{self, Body};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use jiff::Timestamp;
use rusqlite::{Connection, TransactionBehavior};

use super::account::Account;
use super::answer::{Done, Manner, Refusal, Reply};
use super::connection::Line;
use super::door::{self, Door};
use super::endpoints::{self, Call};
use super::faults::Faults;
use super::fields;
use super::ledger::{Arrival, Ledger};
use super::route::{self, Operation, Route};
use super::switches::{Amount, Fault, Moment};
use super::{control, moments};

/// What every path of the API begins with.
pub(super) const PREFIX: &str = "/api/public/v1";

/// No request that makes sense comes near it.
const LARGEST_BODY: usize = 1024 * 1024;

/// Everything a running sandbox holds.
#[derive(Debug)]
pub(super) struct World {
    database: Mutex<Connection>,
    door: Door,
    pub(super) ledger: Ledger,
    temper: Mutex<Temper>,
}

/// How it misbehaves now, and how often it has done so.
#[derive(Debug)]
struct Temper {
    faults: Arc<Faults>,
    struck: u64,
}

impl World {
    pub(super) fn new(database: Connection, faults: Faults, ledger: Ledger) -> rusqlite::Result<World> {
        let door = Door::load(&database)?;
        let temper = Mutex::new(Temper { faults: Arc::new(faults), struck: 0 });
        Ok(World { database: Mutex::new(database), door, ledger, temper })
    }

    pub(super) fn faults(&self) -> Arc<Faults> {
        Arc::clone(&self.temper.lock().unwrap_or_else(PoisonError::into_inner).faults)
    }

    pub(super) fn set_faults(&self, faults: Faults) {
        let mut temper = self.temper.lock().unwrap_or_else(PoisonError::into_inner);
        *temper = Temper { faults: Arc::new(faults), struck: 0 };
    }

    /// Whether a fault that was switched on is still to be felt; counts if so.
    fn strike(&self) -> bool {
        let mut temper = self.temper.lock().unwrap_or_else(PoisonError::into_inner);
        let most = temper.faults.amount(Amount::Times).unwrap_or(0);
        let strikes = most == 0 || temper.struck < most;
        if strikes {
            temper.struck += 1;
        }
        strikes
    }

    fn strikes(&self, faults: &Faults, moment: Moment, operation: Operation) -> bool {
        faults.strikes(moment, operation) && self.strike()
    }

    /// Lets a request in and carries it out, all in one transaction.
    fn carry_out(
        &self,
        operation: Operation,
        id: &str,
        parts: &Parts,
        body: &[u8],
        faults: &Faults,
    ) -> Result<Done, Refusal> {
        let organization = self.door.authenticate(faults, &parts.headers)?;
        self.door.admit(faults, organization, Timestamp::now(), || self.strike())?;

        let behavior = if operation.changes() || faults.has(Fault::SearchRace) {
            TransactionBehavior::Immediate
        } else {
            TransactionBehavior::Deferred
        };
        let mut database = self.database.lock().unwrap_or_else(PoisonError::into_inner);
        let transaction = database.transaction_with_behavior(behavior)?;
        // Told only now: whoever waited for another writer comes after it in time as well.
        let now = moments::now();
        let account = Account { database: &transaction, organization, now: &now };
        door::pay(faults, operation, &account.subscription_state()?)?;
        let outcome = endpoints::answer(operation, &Call { account, faults, id, parts, body });
        if outcome.as_ref().map_or_else(|refusal| refusal.keeps, |_| true) {
            transaction.commit()?;
        }
        outcome
    }
}

/// Answers whatever arrives.
pub(super) async fn handle(
    State(world): State<Arc<World>>,
    ConnectInfo(line): ConnectInfo<Line>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let request_id = uuid::Uuid::new_v4().to_string();
    let faults = world.faults();

    let body = read(&parts, body).await;
    let path = parts.uri.path();
    if let Some(below) = path.strip_prefix("/sandbox/") {
        let reply = control::answer(&world, &parts.method, below, body.as_deref().unwrap_or_default());
        return response(reply, &request_id);
    }
    let below = path.strip_prefix(PREFIX).filter(|below| below.is_empty() || below.starts_with('/'));
    let mut secrets: Vec<String> = door::bearer(&parts.headers).map(str::to_owned).into_iter().collect();
    secrets.extend(fields::secrets(body.as_deref().unwrap_or_default()));
    let manner = Manner { faults: &faults, request_id: &request_id, secrets: &secrets };
    let Some(below) = below else {
        return response(manner.refusal(Refusal::no_such_path()), &request_id);
    };

    let seq = world.ledger.received(&Arrival {
        method: parts.method.as_str(),
        path,
        query: parts.uri.query(),
        organization: world.door.organization(&parts.headers),
        body: body.as_deref().unwrap_or_default(),
    });
    if let Some(latency) = faults.amount(Amount::LatencyMs) {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }

    let below = below.to_owned();
    let reply = match body {
        Ok(body) => settle(&world, &faults, &manner, parts, &below, body).await,
        Err(refusal) => Ending::Answer(manner.refusal(refusal)),
    };
    match reply {
        Ending::Answer(reply) => {
            world.ledger.answered(seq, Some(reply.status));
            response(reply, &request_id)
        }
        Ending::Cut => {
            world.ledger.answered(seq, None);
            line.cut.cancel();
            response(Reply::empty(500), &request_id)
        }
        Ending::Silence => {
            world.ledger.answered(seq, None);
            line.cut.cancelled().await;
            response(Reply::empty(500), &request_id)
        }
    }
}

/// How an exchange ends.
enum Ending {
    Answer(Reply),
    /// The connection is closed without an answer.
    Cut,
    /// The connection is left open without an answer.
    Silence,
}

async fn settle(
    world: &Arc<World>,
    faults: &Arc<Faults>,
    manner: &Manner<'_>,
    parts: Parts,
    below: &str,
    body: Bytes,
) -> Ending {
    let (operation, id) = match route::find(&parts.method, below) {
        Route::To { operation, id } => (operation, id),
        Route::AgentsWithoutSlash if faults.has(Fault::AgentsRedirect) => {
            return Ending::Answer(redirect(&parts));
        }
        Route::AgentsWithoutSlash => (Operation::Agents, String::new()),
        Route::NotFound => return Ending::Answer(manner.refusal(Refusal::no_such_path())),
        Route::NotAllowed { allow } => {
            return Ending::Answer(manner.refusal(Refusal::method_not_allowed(allow)));
        }
    };
    if world.strikes(faults, Moment::DropBefore, operation) {
        return Ending::Cut;
    }
    if world.strikes(faults, Moment::ServerError, operation) {
        return Ending::Answer(manner.refusal(Refusal::proxy()));
    }
    if world.strikes(faults, Moment::InternalError, operation) {
        return Ending::Answer(manner.refusal(Refusal::internal()));
    }

    let done = {
        let (world, faults) = (Arc::clone(world), Arc::clone(faults));
        // What has begun is finished even if the client gives up meanwhile, as it would be at the real one.
        tokio::task::spawn_blocking(move || world.carry_out(operation, &id, &parts, &body, &faults)).await
    };
    let reply = match done {
        Ok(Ok(done)) => manner.success(done),
        Ok(Err(refusal)) => Some(manner.refusal(refusal)),
        Err(error) => {
            tracing::error!(%error, "the sandbox failed in the middle of a request");
            Some(manner.refusal(Refusal::internal()))
        }
    };
    if world.strikes(faults, Moment::Drop, operation) {
        return Ending::Cut;
    }
    if world.strikes(faults, Moment::Hang, operation) {
        return Ending::Silence;
    }
    reply.map_or(Ending::Silence, Ending::Answer)
}

async fn read(parts: &Parts, body: Body) -> Result<Bytes, Refusal> {
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > LARGEST_BODY as u64) {
        return Err(Refusal::too_large());
    }
    // A body that breaks off leaves nobody to read the answer, so the reason does not matter.
    body::to_bytes(body, LARGEST_BODY).await.map_err(|_| Refusal::too_large())
}

fn redirect(parts: &Parts) -> Reply {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = host.map(|host| format!("http://{host}")).unwrap_or_default();
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut reply = Reply::empty(307);
    reply.headers.push(("location", format!("{origin}{PREFIX}/agents/{query}")));
    reply
}

fn response(reply: Reply, request_id: &str) -> Response {
    let mut response = Response::new(Body::from(reply.body));
    *response.status_mut() = StatusCode::from_u16(reply.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    if let Some(content_type) = reply.content_type {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    }
    for (name, value) in reply.headers {
        if let Ok(value) = HeaderValue::try_from(value) {
            headers.insert(HeaderName::from_static(name), value);
        }
    }
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert("x-request-id", value);
    }
    response
}
