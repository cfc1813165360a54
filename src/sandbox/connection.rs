//! Connections that the sandbox can close without a response.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::{CancellationToken, WaitForCancellationFutureOwned};

/// Accepts connections. All of them end when `cut` is cancelled.
#[derive(Debug)]
pub(super) struct CuttableListener {
    pub(super) listener: TcpListener,
    pub(super) cut: CancellationToken,
}

impl Listener for CuttableListener {
    type Io = CuttableStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (CuttableStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, peer)) => {
                    // Without this, small responses wait for the peer's acknowledgement.
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%error, "the sandbox could not set TCP_NODELAY");
                    }
                    return (CuttableStream::new(stream, self.cut.child_token()), peer);
                }
                Err(error) => {
                    // Usually too many files are open. That is temporary, so accepting is tried again.
                    tracing::debug!(%error, "the sandbox could not accept a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// One connection.
#[derive(Debug)]
pub(super) struct CuttableStream {
    stream: TcpStream,
    cut: CancellationToken,
    is_cut: Pin<Box<WaitForCancellationFutureOwned>>,
}

impl CuttableStream {
    fn new(stream: TcpStream, cut: CancellationToken) -> CuttableStream {
        let is_cut = Box::pin(cut.clone().cancelled_owned());
        CuttableStream { stream, cut, is_cut }
    }

    /// Returns the stream, or an error if it was cut. The task is woken when that happens.
    fn stream(&mut self, context: &mut Context<'_>) -> io::Result<Pin<&mut TcpStream>> {
        match self.is_cut.as_mut().poll(context) {
            Poll::Ready(()) => Err(io::ErrorKind::ConnectionAborted.into()),
            Poll::Pending => Ok(Pin::new(&mut self.stream)),
        }
    }
}

impl AsyncRead for CuttableStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_read(cx, buffer)
    }
}

impl AsyncWrite for CuttableStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &[u8]) -> Poll<io::Result<usize>> {
        self.stream(cx)?.poll_write(cx, buffer)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream(cx)?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// What a request knows about its connection.
#[derive(Clone, Debug)]
pub(super) struct ConnectionInfo {
    pub(super) cut: CancellationToken,
}

impl Connected<IncomingStream<'_, CuttableListener>> for ConnectionInfo {
    fn connect_info(stream: IncomingStream<'_, CuttableListener>) -> ConnectionInfo {
        ConnectionInfo { cut: stream.io().cut.clone() }
    }
}
