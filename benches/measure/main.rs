//! Measures this server against the least one rmcp allows, in one run, and prints a table. Run it with `cargo bench`, or
//! with `cargo bench -- http` for one part of it.
//!
//! A missed target fails nothing: the figures depend on the machine. Exit code 1 means that something could not be measured.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod calls;
mod child;
mod figures;
mod floor;
mod fullness;
mod growth;
mod http;
mod journal;
mod large_upstream;
mod load;
mod scale;
mod sizes;
mod start;
mod upstream;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::process::ExitCode;

use child::Program;
use figures::Row;
use tempfile::TempDir;
use upstream::Upstream;

/// What a measurement gives, or why it gives nothing.
type Measured<T> = Result<T, Box<dyn Error>>;
/// The parts that compare with a bare server. It takes a while to build.
const WITH_FLOOR: [&str; 4] = ["start", "memory", "calls", "http"];
/// One measurement that is still to be taken.
type Taking<'a> = Pin<Box<dyn Future<Output = Measured<Vec<Row>>> + 'a>>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    // `cargo test --all-targets` runs this too, unoptimised: there is nothing to measure then.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    match measure().await {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            println!("Nothing could be measured: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Takes every measurement and prints it; `false` if one of them could not be taken.
async fn measure() -> Measured<bool> {
    let upstream = Upstream::start()?;
    let (home, program) = (home()?, Path::new(env!("CARGO_BIN_EXE_truedy-mcp")));
    let wanted: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let is_wanted = |part: &&str| wanted.is_empty() || wanted.iter().any(|name| name == part);
    let bare = if WITH_FLOOR.iter().any(is_wanted) { floor::build()? } else { PathBuf::new() };
    let floor = Program::new(&bare, &["serve"]);
    // As a client starts it, on the local upstream and with no limit of its own.
    let ours = Program::new(program, &["stdio"])
        .with("TRUEDY_API_KEY", upstream::KEY)
        .with("TRUEDY_BASE_URL", upstream.base_url())
        .with("TRUEDY_MCP_UPSTREAM_RPM", "off")
        .with("TRUEDY_MCP_STATE_DIR", home.path());
    println!(
        "Floor: a bare rmcp server with one tool, or reqwest; for the journal and for the size of the account this \
         server, as the row says. \
         Median (10th to 90th percentile) on this machine.\n"
    );
    let taken: [(&str, Taking<'_>); 7] = [
        ("start", Box::pin(start::first_answers(&floor, &ours))),
        ("memory", Box::pin(start::memory(&floor, &ours))),
        ("calls", Box::pin(calls::measure(&floor, &ours, &upstream))),
        ("journal", Box::pin(journal::measure(program))),
        ("scale", Box::pin(scale::measure(program))),
        ("sizes", Box::pin(sizes::measure(&ours))),
        ("http", Box::pin(http::measure(&bare, program, &upstream))),
    ];
    let mut rows = vec![Row::heading()];
    let mut complete = true;
    for (what, taking) in taken {
        if !is_wanted(&what) {
            continue;
        }
        match taking.await {
            Ok(more) => rows.extend(more),
            Err(error) => {
                println!("Not measured: {what}: {error}");
                complete = false;
            }
        }
    }
    println!("{}", figures::table(&rows));
    Ok(complete)
}

/// A fresh state directory: nothing here may touch the user's own. Beside what was built, since the temporary directory
/// of a system may be in memory, where to wait for the disk costs nothing.
fn home() -> Measured<TempDir> {
    Ok(tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR"))?)
}
