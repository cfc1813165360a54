//! MCP over standard input and output.
//!
//! This transport builds on rmcp's line transport and adds four properties:
//!
//! - A message before the first request does no harm.
//! - Reading stops while too many responses wait to be written.
//! - At the end of input, or after a signal, running calls can finish and get their responses.
//! - The protocol has its own output, which no stray print reaches.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use rmcp::ServiceExt;
use rmcp::model::{
    ClientRequest, ErrorData, GetMeta, InitializeRequestParams, JsonRpcMessage, ProtocolVersion, RequestId,
    RequestMetaObject,
};
use rmcp::service::{RoleServer, RxJsonRpcMessage, ServerInitializeError, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::mcp::call::service::Service;
use crate::mcp::results::name_the_method;
use crate::mcp::server::McpServer;
use crate::mcp::transport::in_flight::InFlight;
use crate::mcp::transport::line_repair::{mend, refusal};

/// The longest line that is read, in bytes. A longer line is skipped.
const LINE: usize = 1024 * 1024;
/// The capacity of the pipe between the line repair and rmcp's reader, in bytes.
const BUFFER: usize = 64 * 1024;
/// The time limits after the end of input: the first for reads, the second for changes.
const AT_END: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(20));
/// The time limits after a signal: the first for reads, the second for changes.
const AT_SIGNAL: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

/// Serves one client on standard input and output.
///
/// Serving ends when the input ends or `shutdown` is cancelled. Running changes then finish, or their time limit ends
/// them. Returns an error if the connection could not be initialized.
pub async fn serve_stdio(
    server: McpServer,
    service: Arc<Service>,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let (fit, mended) = tokio::io::duplex(BUFFER);
    tokio::spawn(mend(input, fit, LINE));
    let lines = AsyncRwTransport::new_server(mended, output).with_max_line_length(LINE + BUFFER);
    let (ending, mut ends) = watch::channel(None);
    let answered = Arc::new(Notify::new());
    let (first, tended) = (Arc::clone(&answered), Arc::clone(&service));
    // The search for lost outcomes starts after the client has its first response.
    tokio::spawn(async move {
        first.notified().await;
        tended.tend().await;
    });
    let transport = StdioTransport {
        lines,
        answered,
        opened: None,
        handshake: None,
        ending,
        shutdown,
        service: Arc::clone(&service),
        open: Arc::default(),
    };
    match server.serve(transport).await {
        Ok(running) => tokio::select! {
            _ = running.waiting() => {}
            // This time limit covers calls, changes and the writing of responses together. No second wait follows.
            () = end_of(&mut ends) => return Ok(()),
        },
        // The input ended before any request. That is a normal end.
        Err(ServerInitializeError::ConnectionClosed(_)) => {}
        Err(error) => return Err(io::Error::other(error.to_string())),
    }
    let left = ends.borrow().map_or(AT_SIGNAL.1, |end: Instant| end.saturating_duration_since(Instant::now()));
    service.finish(std::future::ready(()), Duration::ZERO, left).await;
    Ok(())
}

/// Resolves when the time limit is over. Stays pending until a time limit is set.
async fn end_of(ends: &mut watch::Receiver<Option<Instant>>) {
    loop {
        let end = *ends.borrow_and_update();
        match end {
            Some(end) => return tokio::time::sleep_until(end).await,
            None if ends.changed().await.is_err() => return std::future::pending().await,
            None => {}
        }
    }
}

struct StdioTransport<R: AsyncRead, W: AsyncWrite> {
    lines: AsyncRwTransport<RoleServer, R, W>,
    /// Notified after each response that was written.
    answered: Arc<Notify>,
    /// The era of the request that opened the connection. Discover and ping requests do not open it.
    opened: Option<Era>,
    /// The handshake that came after the connection was opened with metadata.
    handshake: Option<InitializeRequestParams>,
    /// The time at which everything must have ended.
    ending: watch::Sender<Option<Instant>>,
    shutdown: CancellationToken,
    service: Arc<Service>,
    open: Arc<InFlight>,
}

/// The form in which a client says who it is and what it can do.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Era {
    /// One handshake at the start, then requests without metadata.
    Handshake,
    /// Metadata on every request.
    Metadata,
}

impl<R: AsyncRead, W: AsyncWrite> StdioTransport<R, W> {
    /// Records the era of the client. Adds the values of a late handshake to the requests after it.
    fn note(&mut self, message: &mut RxJsonRpcMessage<RoleServer>) {
        if let JsonRpcMessage::Request(request) = message {
            match &request.request {
                // These requests do not open the connection, because a handshake may still follow.
                ClientRequest::DiscoverRequest(_) | ClientRequest::PingRequest(_) => {}
                ClientRequest::InitializeRequest(handshake) => {
                    let era = *self.opened.get_or_insert(Era::Handshake);
                    if era == Era::Metadata {
                        self.handshake = Some(handshake.params.clone());
                    }
                }
                other if opens(other.get_meta()) => drop(self.opened.get_or_insert(Era::Metadata)),
                // rmcp refuses this request and waits for the next one.
                _ => {}
            }
            if let Some(handshake) = &self.handshake {
                as_agreed(request.request.get_meta_mut(), handshake);
            }
        }
    }
}

impl<R, W> StdioTransport<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    /// Sends a response to a request that does not reach rmcp. The response is sent on its own task, because the future
    /// that reads may be dropped at any await.
    fn answer(&mut self, answer: TxJsonRpcMessage<RoleServer>) {
        let (sent, writing) = (self.lines.send(answer), self.open.goes_besides());
        tokio::spawn(async move {
            drop(sent.await);
            drop(writing);
        });
    }
}

/// Checks whether rmcp opens the connection for a request with this metadata. Before that, any message other than a
/// request ends the connection.
fn opens(meta: &RequestMetaObject) -> bool {
    let known = meta.protocol_version().is_some_and(|version| ProtocolVersion::KNOWN_VERSIONS.contains(&version));
    known && meta.missing_required_keys(&ProtocolVersion::V_2026_07_28).is_empty()
}

/// Returns the id and the error of a request that the line repair marked as unreadable.
fn unreadable(message: &RxJsonRpcMessage<RoleServer>) -> Option<(RequestId, ErrorData)> {
    let JsonRpcMessage::Request(request) = message else { return None };
    let ClientRequest::CustomRequest(custom) = &request.request else { return None };
    Some((request.id.clone(), refusal(&custom.method, custom.params.as_ref())?))
}

/// Writes the values of a late handshake into the metadata of a request. rmcp requires metadata on every request of a
/// connection that opened with metadata.
fn as_agreed(meta: &mut RequestMetaObject, handshake: &InitializeRequestParams) {
    if meta.protocol_version().is_some() {
        return;
    }
    let asked = &handshake.protocol_version;
    let known = ProtocolVersion::KNOWN_VERSIONS.contains(asked) && *asked < ProtocolVersion::V_2026_07_28;
    meta.set_protocol_version(if known { asked.clone() } else { ProtocolVersion::V_2025_11_25 });
    meta.set_client_capabilities(handshake.capabilities.clone());
    meta.set_client_info(handshake.client_info.clone());
}

impl<R, W> Transport<RoleServer> for StdioTransport<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(
        &mut self,
        mut item: TxJsonRpcMessage<RoleServer>,
    ) -> impl Future<Output = io::Result<()>> + Send + 'static {
        if let JsonRpcMessage::Error(refused) = &mut item {
            name_the_method(&mut refused.error);
        }
        let sent = self.open.goes(&mut item).map(|writing| (self.lines.send(item), writing));
        let (shutdown, told) = (self.shutdown.clone(), Arc::clone(&self.answered));
        async move {
            // The client cancelled this request, so no response is sent.
            let Some((sent, writing)) = sent else { return Ok(()) };
            let sent = sent.await;
            if writing.is_answer() {
                told.notify_one();
            }
            drop(writing);
            if sent.is_err() {
                // The client no longer reads. This counts as the end of input.
                shutdown.cancel();
            }
            sent
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        let mut at_end = AT_END;
        while self.ending.borrow().is_none() {
            let (lines, open) = (&mut self.lines, &self.open);
            let message = tokio::select! {
                message = async { open.room().await; lines.receive().await } => message,
                () = self.shutdown.cancelled() => {
                    at_end = AT_SIGNAL;
                    None
                }
            };
            let Some(mut message) = message else {
                self.service.client_left();
                self.ending.send_replace(Some(Instant::now() + at_end.1));
                break;
            };
            if let Some((id, why)) = unreadable(&message) {
                self.answer(TxJsonRpcMessage::<RoleServer>::error(why, Some(id)));
                continue;
            }
            match self.open.came(&mut message) {
                Ok(true) => {}
                Ok(false) => continue,
                Err(refused) => {
                    self.answer(*refused);
                    continue;
                }
            }
            self.note(&mut message);
            let is_request = matches!(message, JsonRpcMessage::Request(_));
            // Any other message before the request that opens the connection would end it.
            if is_request || self.opened.is_some() {
                return Some(message);
            }
        }
        // Responses of running calls are still sent during this wait.
        let left = self.ending.borrow().map_or(at_end.1, |end| end.saturating_duration_since(Instant::now()));
        self.service.finish(self.open.all_answered(), at_end.0.min(left), left).await;
        None
    }

    async fn close(&mut self) -> io::Result<()> {
        Transport::<RoleServer>::close(&mut self.lines).await
    }
}
