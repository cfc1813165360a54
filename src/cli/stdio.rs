//! `truedy-mcp stdio`: the server as a client starts it.

use std::fs::File;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::sync::CancellationToken;

use super::{Exit, complain, logging, open, signal};
use crate::config::{ConfigError, Settings};
use crate::domain::Redactor;
use crate::mcp::{Principal, Server, serve_stdio};

pub(super) fn run(settings: &Settings) -> Result<Exit, ConfigError> {
    let redactor = Arc::new(Redactor::default());
    let _traced = logging::start(settings, &redactor);
    let service = open::service(settings, &redactor)?;
    let server = Server::new(Principal::local(Arc::clone(&service), settings.mode()));
    let runtime = open::runtime()?;
    let served = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        tokio::spawn(signal::twice(shutdown.clone()));
        tokio::spawn(signal::outlive_file_limit());
        let output = own_output().map_err(|error| ConfigError(format!("Standard output cannot be used: {error}.")))?;
        Ok::<_, ConfigError>(serve_stdio(server, service, own_input(), output, shutdown).await)
    })?;
    // A read of standard input may still be blocked on a thread; it must not hold up the end.
    runtime.shutdown_background();
    match served {
        Ok(()) => Ok(Exit::Fine),
        Err(error) => {
            complain(&format!("the connection failed: {error}"));
            Ok(Exit::Failed)
        }
    }
}

/// Standard input; a pipe without a thread in between.
fn own_input() -> Box<dyn AsyncRead + Send + Unpin> {
    #[cfg(target_os = "linux")]
    if let Ok(pipe) = tokio::net::unix::pipe::OpenOptions::new().open_receiver("/proc/self/fd/0") {
        return Box::new(pipe);
    }
    Box::new(tokio::io::stdin())
}

/// Takes standard output for the protocol alone: whatever else writes to it from now on reaches standard error.
#[cfg(unix)]
fn own_output() -> std::io::Result<Box<dyn AsyncWrite + Send + Unpin>> {
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
fn own_output() -> std::io::Result<Box<dyn AsyncWrite + Send + Unpin>> {
    Ok(Box::new(tokio::io::stdout()))
}
