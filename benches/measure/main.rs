//! Measures this server against the least one rmcp allows, in one run, and prints a table. Run it with `cargo bench`.
//!
//! A missed target fails nothing: the figures depend on the machine. Exit code 1 means that something could not be measured.

#![expect(clippy::print_stdout, reason = "the table is what this program is for")]

mod calls;
mod child;
mod figures;
mod floor;
mod sizes;
mod start;
mod upstream;

use std::error::Error;
use std::path::Path;
use std::process::ExitCode;

use child::Program;
use figures::Row;
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
    let floor = Program { path: floor::build()?, arguments: &["serve"], environment: Vec::new() };
    let ours = ours(&upstream);
    println!(
        "Floor: a bare rmcp server with one tool, or reqwest. Median (10th to 90th percentile) on this machine.\n"
    );
    let taken = [
        ("first answer", start::first_answers(&floor, &ours).await),
        ("memory", start::memory(&floor, &ours).await),
        ("calls", calls::measure(&floor, &ours, &upstream).await),
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

/// Our server as a client starts it, on the local upstream and with no limit of its own.
fn ours(upstream: &Upstream) -> Program {
    let environment = vec![
        ("TRUEDY_API_KEY".to_owned(), upstream::KEY.to_owned()),
        ("TRUEDY_BASE_URL".to_owned(), upstream.base_url()),
        ("TRUEDY_MCP_UPSTREAM_RPM".to_owned(), "off".to_owned()),
    ];
    Program { path: Path::new(env!("CARGO_BIN_EXE_truedy-mcp")).to_owned(), arguments: &["stdio"], environment }
}
