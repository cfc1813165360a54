//! Handles one request: records, delays, admits and carries it out, and then responds or stays silent.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{self, Body};
use axum::extract::{ConnectInfo, Request, State};
use axum::response::Response;
use bytes::Bytes;
use http::StatusCode;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::request::Parts;
use http_body_util::BodyExt;

use crate::sandbox::auth;
use crate::sandbox::connection::ConnectionInfo;
use crate::sandbox::control;
use crate::sandbox::faults::active::Faults;
use crate::sandbox::faults::catalogue::{Amount, Fault, Moment};
use crate::sandbox::host;
use crate::sandbox::request_log::Arrival;
use crate::sandbox::response::{ApiRefusal, HttpReply, ResponseWriter};
use crate::sandbox::routes::{self, ApiOperation, Route};
use crate::sandbox::state::SandboxState;
use crate::sandbox::validation;

/// The start of every path of the API.
pub(crate) const PREFIX: &str = "/api/public/v1";

/// Largest request body, in bytes. No sensible request is nearly as large.
const LARGEST_BODY: usize = 1024 * 1024;

/// Answers every request.
pub(crate) async fn handle(
    State(state): State<Arc<SandboxState>>,
    ConnectInfo(line): ConnectInfo<ConnectionInfo>,
    request: Request,
) -> Response {
    let (parts, body) = request.into_parts();
    let request_id = uuid::Uuid::new_v4().to_string();
    let faults = state.faults();
    if !host::is_of_this_machine(&parts) {
        let refusal = ApiRefusal::new(403, "forbidden", "Host and Origin must name this machine, such as 127.0.0.1");
        let writer = ResponseWriter { faults: &faults, request_id: &request_id, secrets: &[] };
        return response(writer.refusal(refusal), &request_id);
    }

    let path = parts.uri.path();
    let organization = state.door.organization(&parts.headers);
    // A request without a known key is not stored, neither in memory nor on disk.
    let body = if organization.is_some() || path.starts_with("/sandbox/") {
        read(&parts, body).await
    } else {
        skip(body).await
    };
    if let Some(below) = path.strip_prefix("/sandbox/") {
        let reply = control::answer(&state, &parts.method, below, body.as_deref().unwrap_or_default());
        return response(reply, &request_id);
    }
    let below = path.strip_prefix(PREFIX).filter(|below| below.is_empty() || below.starts_with('/'));
    let mut secrets: Vec<String> = auth::bearer(&parts.headers).map(str::to_owned).into_iter().collect();
    secrets.extend(validation::secrets(body.as_deref().unwrap_or_default()));
    let writer = ResponseWriter { faults: &faults, request_id: &request_id, secrets: &secrets };
    let Some(below) = below else {
        return response(writer.refusal(ApiRefusal::no_such_path()), &request_id);
    };

    let seq = organization.map(|organization| {
        state.ledger.received(&Arrival {
            method: parts.method.as_str(),
            path,
            query: parts.uri.query(),
            organization,
            idempotency_key: parts.headers.get("idempotency-key").and_then(|key| key.to_str().ok()),
            body: body.as_deref().unwrap_or_default(),
        })
    });
    let answered = |status| seq.iter().for_each(|seq| state.ledger.answered(*seq, status));
    if let Some(latency) = faults.amount(Amount::LatencyMs) {
        tokio::time::sleep(Duration::from_millis(latency)).await;
    }

    let below = below.to_owned();
    let reply = match body {
        Ok(body) => settle(&state, &faults, &writer, parts, &below, body).await,
        Err(refusal) => ExchangeEnd::Answer(writer.refusal(refusal)),
    };
    match reply {
        ExchangeEnd::Answer(reply) => {
            answered(Some(reply.status));
            response(reply, &request_id)
        }
        ExchangeEnd::Cut => {
            answered(None);
            line.cut.cancel();
            response(HttpReply::empty(500), &request_id)
        }
        ExchangeEnd::Silence => {
            answered(None);
            line.cut.cancelled().await;
            response(HttpReply::empty(500), &request_id)
        }
    }
}

/// How an exchange ends.
enum ExchangeEnd {
    Answer(HttpReply),
    /// The connection is closed without a response.
    Cut,
    /// The connection is left open without a response.
    Silence,
}

async fn settle(
    state: &Arc<SandboxState>,
    faults: &Arc<Faults>,
    writer: &ResponseWriter<'_>,
    parts: Parts,
    below: &str,
    body: Bytes,
) -> ExchangeEnd {
    let (operation, id) = match routes::find(&parts.method, below) {
        Route::To { operation, id } => (operation, id),
        Route::AgentsWithoutSlash if faults.has(Fault::AgentsRedirect) => {
            return ExchangeEnd::Answer(redirect(&parts));
        }
        Route::AgentsWithoutSlash => (ApiOperation::Agents, String::new()),
        Route::NotFound => return ExchangeEnd::Answer(writer.refusal(ApiRefusal::no_such_path())),
        Route::NotAllowed { allow } => {
            return ExchangeEnd::Answer(writer.refusal(ApiRefusal::method_not_allowed(allow)));
        }
    };
    if state.strikes(faults, Moment::DropBefore, operation) {
        return ExchangeEnd::Cut;
    }
    if state.strikes(faults, Moment::ServerError, operation) {
        return ExchangeEnd::Answer(writer.refusal(ApiRefusal::proxy()));
    }
    if state.strikes(faults, Moment::InternalError, operation) {
        return ExchangeEnd::Answer(writer.refusal(ApiRefusal::internal()));
    }

    let done = {
        let (state, faults) = (Arc::clone(state), Arc::clone(faults));
        // An operation that has begun is finished even if the client disconnects, as in the real API.
        tokio::task::spawn_blocking(move || state.carry_out(operation, &id, &parts, &body, &faults)).await
    };
    let reply = match done {
        Ok(Ok(done)) => writer.success(done),
        Ok(Err(refusal)) => Some(writer.refusal(refusal)),
        Err(error) => {
            tracing::error!(%error, "the sandbox failed in the middle of a request");
            Some(writer.refusal(ApiRefusal::internal()))
        }
    };
    if state.strikes(faults, Moment::Drop, operation) {
        return ExchangeEnd::Cut;
    }
    if state.strikes(faults, Moment::Hang, operation) {
        return ExchangeEnd::Silence;
    }
    reply.map_or(ExchangeEnd::Silence, ExchangeEnd::Answer)
}

async fn read(parts: &Parts, body: Body) -> Result<Bytes, ApiRefusal> {
    let announced = parts.headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > LARGEST_BODY as u64) {
        return Err(ApiRefusal::too_large());
    }
    // If a body breaks off, no client reads the response, so its reason does not matter.
    body::to_bytes(body, LARGEST_BODY).await.map_err(|_| ApiRefusal::too_large())
}

/// Reads a body to its end and keeps nothing of it.
async fn skip(mut body: Body) -> Result<Bytes, ApiRefusal> {
    let mut length = 0;
    while let Some(Ok(frame)) = body.frame().await {
        length += frame.data_ref().map_or(0, Bytes::len);
        if length > LARGEST_BODY {
            return Err(ApiRefusal::too_large());
        }
    }
    Ok(Bytes::new())
}

fn redirect(parts: &Parts) -> HttpReply {
    let host = parts.headers.get(HOST).and_then(|host| host.to_str().ok());
    let origin = host.map(|host| format!("http://{host}")).unwrap_or_default();
    let query = parts.uri.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut reply = HttpReply::empty(307);
    reply.headers.push(("location", format!("{origin}{PREFIX}/agents/{query}")));
    reply
}

fn response(reply: HttpReply, request_id: &str) -> Response {
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
