//! Measures this server against the least one rmcp allows, in one run, and prints a table. Run it with `cargo bench`.
//!
//! A missed target fails nothing: the figures depend on the machine. Exit code 1 means that something could not be measured.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod calls;
mod child;
mod figures;
mod floor;
mod journal;
mod sizes;
mod start;
mod upstream;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use child::Program;
use figures::Row;
use tempfile::TempDir;
use upstream::Upstream;

/// What a measurement gives, or why it gives nothing.
type Measured<T> = Result<T, Box<dyn Error>>;

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
    let floor = Program::new(&floor::build()?, &["serve"]);
    // As a client starts it, on the local upstream and with no limit of its own.
    let ours = Program::new(program, &["stdio"])
        .with("TRUEDY_API_KEY", upstream::KEY)
        .with("TRUEDY_BASE_URL", upstream.base_url())
        .with("TRUEDY_MCP_UPSTREAM_RPM", "off")
        .with("TRUEDY_MCP_STATE_DIR", home.path());
    println!(
        "Floor: a bare rmcp server with one tool, or reqwest; for the journal this server, as the row says. \
         Median (10th to 90th percentile) on this machine.\n"
    );
    let taken = [
        ("first answer", start::first_answers(&floor, &ours).await),
        ("memory", start::memory(&floor, &ours).await),
        ("calls", calls::measure(&floor, &ours, &upstream).await),
        ("journal", journal::measure(program).await),
        ("sizes", sizes::measure(&ours).await),
    ];
    let mut rows = vec![Row::heading()];
    let mut complete = true;
    for (what, taken) in taken {
        match taken {
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
