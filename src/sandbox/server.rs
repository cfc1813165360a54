//! A running sandbox: its start, its address and its end.

use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::sandbox::connection::{ConnectionInfo, CuttableListener};
use crate::sandbox::data::store::{self, StoreError};
use crate::sandbox::options::{SandboxOptions, SandboxStore};
use crate::sandbox::pipeline;
use crate::sandbox::request_log::RequestLog;
use crate::sandbox::state::SandboxState;

/// How long running requests may take to finish when the sandbox stops.
const GRACE: Duration = Duration::from_secs(2);

/// A running sandbox. Dropping it stops it at once.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    closing: CancellationToken,
    cutting: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Opens the account and begins to listen.
    pub async fn start(options: SandboxOptions) -> Result<Sandbox, StartError> {
        let SandboxOptions { listen, store, faults, ledger } = options;
        let opened = tokio::task::spawn_blocking(move || {
            let database = match store {
                SandboxStore::Memory => store::in_memory(),
                SandboxStore::Directory(directory) => store::in_directory(&directory),
            }
            .map_err(StartFailure::Store)?;
            let ledger = RequestLog::open(ledger.as_deref())
                .map_err(|error| StartFailure::Ledger(ledger.unwrap_or_default(), error))?;
            SandboxState::new(database, faults, ledger).map_err(StartFailure::Account)
        });
        let state = match opened.await {
            Ok(state) => state.map_err(StartError)?,
            Err(error) => return Err(StartError(StartFailure::Stopped(error))),
        };
        let listening = TcpListener::bind(listen).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = listening.map_err(|error| StartError(StartFailure::Listen(listen, error)))?;

        let closing = CancellationToken::new();
        let cutting = CancellationToken::new();
        let lines = CuttableListener { listener, cut: cutting.clone() };
        let router = Router::new().fallback(pipeline::handle).with_state(Arc::new(state));
        let service = router.into_make_service_with_connect_info::<ConnectionInfo>();
        let serving = axum::serve(lines, service).with_graceful_shutdown(closing.clone().cancelled_owned());
        let serving = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the sandbox stopped serving");
            }
        });
        Ok(Sandbox { address, closing, cutting, serving: Some(serving) })
    }

    /// Returns the address on which it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the base URL of its API, such as `http://127.0.0.1:8787/api/public/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}{}", self.address, pipeline::PREFIX)
    }

    /// Stops accepting connections, and gives running requests at most two seconds to finish.
    pub async fn stop(mut self) {
        self.closing.cancel();
        let Some(mut serving) = self.serving.take() else {
            return;
        };
        if tokio::time::timeout(GRACE, &mut serving).await.is_err() {
            self.cutting.cancel();
            if tokio::time::timeout(GRACE, &mut serving).await.is_err() {
                serving.abort();
            }
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.closing.cancel();
        self.cutting.cancel();
    }
}

/// Why a sandbox could not start.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct StartError(StartFailure);

#[derive(Debug, thiserror::Error)]
enum StartFailure {
    #[error(transparent)]
    Store(StoreError),
    #[error("the sandbox cannot read its account; `truedy-mcp sandbox reset` begins afresh")]
    Account(#[source] rusqlite::Error),
    #[error("the sandbox cannot write its ledger to {}", .0.display())]
    Ledger(PathBuf, #[source] io::Error),
    #[error("the sandbox cannot listen on {0}")]
    Listen(SocketAddr, #[source] io::Error),
    #[error("the sandbox was stopped while it started")]
    Stopped(#[source] tokio::task::JoinError),
}

/// Resets the stored account to the seed, even while a sandbox uses it. Returns true if there was one.
pub fn reset(state_dir: &Path) -> io::Result<bool> {
    store::forget(state_dir)
}
