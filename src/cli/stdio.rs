//! `truedy-mcp stdio`: runs the server as a client starts it.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::sync::{Arc, OnceLock};

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use crate::cli::output::{Exit, complain};
use crate::cli::{bootstrap, logging, signal};
use crate::config::{ConfigError, Settings};
use crate::http::serve_pages;
use crate::mcp::{CredentialForms, McpServer, Principal, serve_stdio};
use crate::redact::Redactor;

/// The message at the start if no key is set.
const NO_KEY: &str = "no API key is set, so every call will be refused: set TRUEDY_API_KEY in the entry of the client, or --api-key-file, or try it with --sandbox";

pub(super) fn run(settings: &Settings) -> Result<Exit, ConfigError> {
    let redactor = Arc::new(Redactor::default());
    let _traced = logging::start(settings, &redactor);
    // The pages are shown to the person who started the program.
    let starter: Arc<OnceLock<Principal>> = Arc::default();
    let service = bootstrap::service(settings, &redactor, pages_of(&starter))?;
    if !settings.sandbox && !service.has_key() {
        complain(NO_KEY);
    }
    if io::stdin().is_terminal() {
        complain("waiting for an MCP client on standard input; Ctrl-C ends it");
    }
    let principal = Principal::local(Arc::clone(&service), settings.mode());
    let server = McpServer::new(starter.get_or_init(|| principal).clone());
    let runtime = bootstrap::runtime()?;
    let served = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        tokio::spawn(signal::twice(shutdown.clone()));
        signal::outlive_file_limit();
        let output = own_output().map_err(|error| ConfigError(format!("Standard output cannot be used: {error}.")))?;
        let served = tokio::spawn(serve_stdio(server.clone(), service, own_input(), output, shutdown));
        // Other threads answer `initialize` meanwhile. Clients ask for the tools right after it.
        server.build_catalog();
        Ok::<_, ConfigError>(served.await.unwrap_or_else(|error| Err(io::Error::other(error))))
    })?;
    // A read of standard input may still block a thread. It must not delay the end of the program.
    runtime.shutdown_background();
    match served {
        Ok(()) => Ok(Exit::Fine),
        Err(error) => {
            complain(&format!("the connection failed: {error}"));
            Ok(Exit::Failed)
        }
    }
}

/// Returns the forms for credentials. The pages are served on loopback, from the first one that is needed.
fn pages_of(starter: &Arc<OnceLock<Principal>>) -> Arc<CredentialForms> {
    let starter = Arc::clone(starter);
    CredentialForms::on_loopback(Box::new(move || {
        let principal = starter.get().cloned();
        Box::pin(async move { serve_pages(principal.ok_or("the server has not started yet")?).await })
    }))
}

/// Returns standard input. On Linux a pipe is read directly, without a thread in between.
fn own_input() -> Box<dyn AsyncRead + Send + Unpin> {
    #[cfg(target_os = "linux")]
    if let Ok(pipe) = tokio::net::unix::pipe::OpenOptions::new().open_receiver("/proc/self/fd/0") {
        return Box::new(pipe);
    }
    Box::new(tokio::io::stdin())
}

/// Reserves standard output for the protocol. Everything else that is written to it later goes to standard error.
#[cfg(unix)]
fn own_output() -> io::Result<Box<dyn AsyncWrite + Send + Unpin>> {
    let own = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdout(), 3)?;
    rustix::stdio::dup2_stdout(rustix::stdio::stderr())?;
    #[cfg(target_os = "linux")]
    {
        use std::os::fd::AsRawFd;
        let path = format!("/proc/self/fd/{}", own.as_raw_fd());
        if let Ok(pipe) = tokio::net::unix::pipe::OpenOptions::new().open_sender(path) {
            return Ok(Box::new(pipe));
        }
    }
    Ok(Box::new(tokio::fs::File::from_std(File::from(own))))
}

#[cfg(not(unix))]
fn own_output() -> io::Result<Box<dyn AsyncWrite + Send + Unpin>> {
    Ok(Box::new(tokio::io::stdout()))
}
