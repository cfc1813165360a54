//! MCP over standard input and output.
//!
//! rmcp's line transport, with three things added: messages before the first request do no harm, the end of input or a
//! signal lets running calls finish and be answered, and the protocol has an output of its own that no stray print reaches.

use std::collections::HashSet;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::ServiceExt;
use rmcp::model::{ClientNotification, ClientRequest, JsonRpcMessage, RequestId};
use rmcp::service::{RoleServer, RxJsonRpcMessage, ServerInitializeError, TxJsonRpcMessage};
use rmcp::transport::Transport;
use rmcp::transport::async_rw::AsyncRwTransport;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use super::route::Service;
use super::server::Server;

/// The longest line that is read; a longer one is skipped.
const LINE: usize = 1024 * 1024;
/// After the end of input, reads get this long, changes the second.
const AT_END: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(20));
/// The same after a signal.
const AT_SIGNAL: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(10));

/// Serves one client until its input ends or `shutdown` is cancelled, and every running change has ended or run out of time.
pub async fn serve_stdio(
    server: Server,
    service: Arc<Service>,
    input: impl AsyncRead + Send + Unpin + 'static,
    output: impl AsyncWrite + Send + Unpin + 'static,
    shutdown: CancellationToken,
) -> io::Result<()> {
    let lines = AsyncRwTransport::new_server(input, output).with_max_line_length(LINE);
    let transport =
        Line { lines, opened: false, ended: None, shutdown, service: Arc::clone(&service), open: Arc::default() };
    match server.serve(transport).await {
        Ok(running) => drop(running.waiting().await),
        // Nobody asked for anything: a normal end.
        Err(ServerInitializeError::ConnectionClosed(_)) => {}
        Err(error) => return Err(io::Error::other(error.to_string())),
    }
    service.finish(std::future::ready(()), Duration::ZERO, AT_SIGNAL.1).await;
    Ok(())
}

struct Line<R: AsyncRead, W: AsyncWrite> {
    lines: AsyncRwTransport<RoleServer, R, W>,
    opened: bool,
    ended: Option<(Duration, Duration)>,
    shutdown: CancellationToken,
    service: Arc<Service>,
    open: Arc<Open>,
}

/// The requests that still await an answer.
#[derive(Default)]
struct Open {
    ids: Mutex<HashSet<RequestId>>,
    emptied: Notify,
}

impl Open {
    fn add(&self, id: RequestId) {
        self.ids.lock().unwrap_or_else(PoisonError::into_inner).insert(id);
    }

    fn remove(&self, id: &RequestId) {
        let mut ids = self.ids.lock().unwrap_or_else(PoisonError::into_inner);
        ids.remove(id);
        if ids.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    async fn all_answered(&self) {
        loop {
            let emptied = self.emptied.notified();
            if self.ids.lock().unwrap_or_else(PoisonError::into_inner).is_empty() {
                return;
            }
            emptied.await;
        }
    }
}

impl<R, W> Transport<RoleServer> for Line<R, W>
where
    R: AsyncRead + Send + Unpin,
    W: AsyncWrite + Send + Unpin + 'static,
{
    type Error = io::Error;

    fn send(&mut self, item: TxJsonRpcMessage<RoleServer>) -> impl Future<Output = io::Result<()>> + Send + 'static {
        let answered = match &item {
            JsonRpcMessage::Response(response) => Some(response.id.clone()),
            JsonRpcMessage::Error(error) => error.id.clone(),
            _ => None,
        };
        let (sent, shutdown, open) = (self.lines.send(item), self.shutdown.clone(), Arc::clone(&self.open));
        async move {
            let sent = sent.await;
            if let Some(id) = answered {
                open.remove(&id);
            }
            if sent.is_err() {
                // Nobody reads any more: the same as the end of input.
                shutdown.cancel();
            }
            sent
        }
    }

    async fn receive(&mut self) -> Option<RxJsonRpcMessage<RoleServer>> {
        while self.ended.is_none() {
            let message = tokio::select! {
                message = self.lines.receive() => message,
                () = self.shutdown.cancelled() => {
                    self.ended = Some(AT_SIGNAL);
                    break;
                }
            };
            let Some(message) = message else {
                self.ended = Some(AT_END);
                break;
            };
            match &message {
                JsonRpcMessage::Request(request) => self.open.add(request.id.clone()),
                // A cancelled request is not answered.
                JsonRpcMessage::Notification(note) => {
                    if let ClientNotification::CancelledNotification(cancelled) = &note.notification
                        && let Some(id) = &cancelled.params.request_id
                    {
                        self.open.remove(id);
                    }
                }
                _ => {}
            }
            if self.opened {
                return Some(message);
            }
            if let JsonRpcMessage::Request(request) = &message {
                // A probe opens nothing: the handshake may still follow.
                self.opened =
                    !matches!(request.request, ClientRequest::DiscoverRequest(_) | ClientRequest::PingRequest(_));
                return Some(message);
            }
        }
        // Answers of running calls still go out while this waits.
        let (reads, changes) = self.ended.unwrap_or(AT_END);
        self.service.finish(self.open.all_answered(), reads, changes).await;
        None
    }

    async fn close(&mut self) -> io::Result<()> {
        Transport::<RoleServer>::close(&mut self.lines).await
    }
}
