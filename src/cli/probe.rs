//! `truedy-mcp probe`: asks a server on this machine whether it runs or is ready. For container images without a shell.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use clap::{Args, ValueEnum};

use crate::cli::output::{Exit, complain};
use crate::cli::progress::ProgressLine;
use crate::config::ConfigError;

/// How long each step may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// Most bytes of the response that are read.
const ANSWER: u64 = 4096;

#[derive(Debug, Args)]
pub struct ProbeArgs {
    /// What is asked.
    what: Probe,
    /// Where the admin endpoints of the server are.
    #[arg(long, value_name = "ADDR", env = "TRUEDY_MCP_ADMIN_LISTEN", default_value = "127.0.0.1:9464")]
    admin_listen: SocketAddr,
}

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Probe {
    /// Whether it lives.
    Live,
    /// Whether it takes requests.
    Ready,
}

pub(super) fn run(arguments: &ProbeArgs) -> Result<Exit, ConfigError> {
    let path = match arguments.what {
        Probe::Live => "/livez",
        Probe::Ready => "/readyz",
    };
    let waiting = ProgressLine::begin(format!("waiting for {}", arguments.admin_listen));
    let answer = ask(arguments.admin_listen, path);
    drop(waiting);
    match answer {
        Ok(answer) if answer.starts_with("HTTP/1.1 200 ") => Ok(Exit::Fine),
        Ok(answer) => {
            let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
            complain(&format!("no: {body}"));
            Ok(Exit::Failed)
        }
        Err(error) => {
            complain(&format!(
                "{} does not answer: {error}. The server must run with `--admin-listen {0}`.",
                arguments.admin_listen
            ));
            Ok(Exit::Failed)
        }
    }
}

fn ask(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.take(ANSWER).read_to_string(&mut answer)?;
    Ok(answer)
}
