//! A running sandbox: starts, says where it is, and stops.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};

use axum::Router;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::sandbox::connection::{Line, Lines};
use crate::sandbox::data::store;
use crate::sandbox::data::store::StoreError;
use crate::sandbox::options::{Options, Store};
use crate::sandbox::pipeline;
use crate::sandbox::request_log::Ledger;
use crate::sandbox::state::World;

/// How long running requests may take to finish when it stops.
const GRACE: Duration = Duration::from_secs(2);

/// A sandbox that is running. Dropped, it stops at once.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    closing: CancellationToken,
    cutting: CancellationToken,
    serving: Option<JoinHandle<()>>,
}

impl Sandbox {
    /// Opens the account and begins to listen.
    pub async fn start(options: Options) -> Result<Sandbox, StartError> {
        let Options { listen, store, faults, ledger } = options;
        let opened = tokio::task::spawn_blocking(move || {
            let database = match store {
                Store::Memory => store::in_memory(),
                Store::Directory(directory) => store::in_directory(&directory),
            }
            .map_err(Cause::Store)?;
            let ledger =
                Ledger::open(ledger.as_deref()).map_err(|error| Cause::Ledger(ledger.unwrap_or_default(), error))?;
            World::new(database, faults, ledger).map_err(Cause::Account)
        });
        let world = match opened.await {
            Ok(world) => world.map_err(StartError)?,
            Err(error) => return Err(StartError(Cause::Stopped(error))),
        };
        let listening = TcpListener::bind(listen).await.and_then(|listener| Ok((listener.local_addr()?, listener)));
        let (address, listener) = listening.map_err(|error| StartError(Cause::Listen(listen, error)))?;

        let closing = CancellationToken::new();
        let cutting = CancellationToken::new();
        let lines = Lines { listener, cut: cutting.clone() };
        let router = Router::new().fallback(pipeline::handle).with_state(Arc::new(world));
        let service = router.into_make_service_with_connect_info::<Line>();
        let serving = axum::serve(lines, service).with_graceful_shutdown(closing.clone().cancelled_owned());
        let serving = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::error!(%error, "the sandbox stopped serving");
            }
        });
        Ok(Sandbox { address, closing, cutting, serving: Some(serving) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The base URL of its API, such as `http://127.0.0.1:8787/api/public/v1`.
    #[must_use]
    pub fn base_url(&self) -> String {
        format!("http://{}{}", self.address, pipeline::PREFIX)
    }

    /// Stops accepting, and gives running requests at most two seconds to finish.
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
#[derive(Debug)]
pub struct StartError(Cause);

#[derive(Debug)]
enum Cause {
    Store(StoreError),
    Account(rusqlite::Error),
    Ledger(PathBuf, io::Error),
    Listen(SocketAddr, io::Error),
    Stopped(tokio::task::JoinError),
}

impl fmt::Display for StartError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Store(error) => error.fmt(formatter),
            Cause::Account(_) => {
                formatter.write_str("the sandbox cannot read its account; `truedy-mcp sandbox reset` begins afresh")
            }
            Cause::Ledger(file, _) => write!(formatter, "the sandbox cannot write its ledger to {}", file.display()),
            Cause::Listen(address, _) => {
                write!(formatter, "the sandbox cannot listen on {address}")
            }
            Cause::Stopped(_) => formatter.write_str("the sandbox was stopped while it started"),
        }
    }
}

impl std::error::Error for StartError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Cause::Store(_) => None,
            Cause::Account(error) => Some(error),
            Cause::Ledger(_, error) | Cause::Listen(_, error) => Some(error),
            Cause::Stopped(error) => Some(error),
        }
    }
}

/// Forgets the kept account, also under a running sandbox, so that it begins with the seed again; true if there was one.
pub fn reset(state_dir: &Path) -> io::Result<bool> {
    store::forget(state_dir)
}
