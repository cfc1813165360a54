//! What the journal costs: on disk beside in memory. `fullness` measures what it costs when it is full.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::child::{Program, Server, call_with};
use crate::figures::{Row, Samples, Target, milliseconds};
use crate::{Measured, fullness, home};

/// Rounds, each with an account of its own, so that a list of its numbers stays one page.
const ROUNDS: usize = 8;
/// Purchases of each server in a round.
const PURCHASES: usize = 40;
/// Reads of each server in a round.
const READS: usize = 200;
/// Calls of each kind before anything is timed.
const WARM: usize = 2;
const SANDBOX: &[&str] = &["sandbox", "--listen", "127.0.0.1:0", "--ephemeral", "--fault", "rate_limit=0"];
pub(crate) const ON_DISK: &[&str] = &["stdio", "--upstream-rpm", "off", "--purchases-per-day", "unlimited"];
const IN_MEMORY: &[&str] =
    &["stdio", "--upstream-rpm", "off", "--purchases-per-day", "unlimited", "--journal", "memory"];

/// What a purchase and a read are answered with.
pub(crate) const BOUGHT: &str = "\"status\":\"purchased\"";
const READ: &str = "\"credentials\":[{";

/// Purchases and reads by where the journal is; the rest by how much is in it.
pub(crate) async fn measure(program: &Path) -> Measured<Vec<Row>> {
    let mut numbers = Numbers(0);
    let mut rows = by_place(program, &mut numbers).await?;
    rows.extend(fullness::measure(program, &mut numbers).await?);
    Ok(rows)
}

/// In memory, then on disk.
async fn by_place(program: &Path, numbers: &mut Numbers) -> Measured<Vec<Row>> {
    let [mut purchases, mut reads]: [[Samples; 2]; 2] = Default::default();
    let credentials = call_with("list_credentials", &json!({}));
    for _ in 0..ROUNDS {
        let home = home()?;
        let sandbox = Sandbox::start(program, home.path()).await?;
        // It warns at each start that it forgets.
        let memory = Program { quiet: true, ..sandbox.server(IN_MEMORY, home.path()) };
        let disk = sandbox.server(ON_DISK, home.path());
        let mut servers = [memory.connect().await?, disk.connect().await?];
        for turn in 0..WARM + PURCHASES {
            for (server, times) in alternating(turn, &mut servers, &mut purchases) {
                let time = timed(server, &call_with("purchase_number", &numbers.purchase()?), BOUGHT).await?;
                if turn >= WARM {
                    times.add(milliseconds(time));
                }
            }
        }
        for turn in 0..WARM + READS {
            for (server, times) in alternating(turn, &mut servers, &mut reads) {
                let time = timed(server, &credentials, READ).await?;
                if turn >= WARM {
                    times.add(milliseconds(time));
                }
            }
        }
        for server in servers {
            server.leave().await?;
        }
        // Both share a state directory, and only one of them may have written to it.
        if rows_in(&open(home.path())?)? != WARM + PURCHASES {
            return Err("the journal on disk does not hold what was bought with it".into());
        }
    }
    let ([memory, disk], [read_memory, read_disk]) = (&purchases, &reads);
    Ok(vec![
        Row::pair("purchase_number, journal on disk over in memory, ms", memory, disk, Target::Above(10.0)),
        // A read leaves the journal alone: the target is the noise of a quiet machine.
        Row::pair("list_credentials, the same, ms", read_memory, read_disk, Target::Above(0.1)),
    ])
}

/// Each with its own; which of them is first alternates.
fn alternating<'a, A, B>(turn: usize, ones: &'a mut [A; 2], others: &'a mut [B; 2]) -> [(&'a mut A, &'a mut B); 2] {
    let ([one, two], [its, other]) = (ones, others);
    if turn.is_multiple_of(2) { [(one, its), (two, other)] } else { [(two, other), (one, its)] }
}

/// How long a request takes whose answer must hold this.
pub(crate) async fn timed(server: &mut Server, line: &str, expected: &str) -> Measured<Duration> {
    let start = Instant::now();
    let answer = server.ask(line).await?;
    let time = start.elapsed();
    if !answer.contains(expected) {
        return Err(format!("not the expected answer: {answer}").into());
    }
    Ok(time)
}

/// The journal in a state directory.
pub(crate) fn open(home: &Path) -> Measured<Connection> {
    Ok(Connection::open(home.join("journal.sqlite"))?)
}

pub(crate) fn rows_in(journal: &Connection) -> Measured<usize> {
    let count: i64 = journal.query_row("SELECT count(*) FROM operations", [], |row| row.get(0))?;
    Ok(usize::try_from(count)?)
}

/// A sandbox in a process of its own, so that a server reaches it as it reaches Truedy.
pub(crate) struct Sandbox {
    program: PathBuf,
    base_url: String,
    key: String,
    _running: Server,
}

impl Sandbox {
    pub(crate) async fn start(program: &Path, home: &Path) -> Measured<Self> {
        let started = Program::new(program, SANDBOX).with("TRUEDY_MCP_STATE_DIR", home);
        let mut running = started.start()?;
        let base_url = said(&mut running, "TRUEDY_BASE_URL=").await?;
        let key = said(&mut running, "TRUEDY_API_KEY=").await?;
        Ok(Self { program: program.to_owned(), base_url, key, _running: running })
    }

    /// A server on it.
    pub(crate) fn server(&self, arguments: &'static [&'static str], home: &Path) -> Program {
        Program::new(&self.program, arguments)
            .with("TRUEDY_API_KEY", &self.key)
            .with("TRUEDY_BASE_URL", &self.base_url)
            .with("TRUEDY_MCP_STATE_DIR", home)
    }
}

/// What stands behind these words in the next line that holds them.
async fn said(running: &mut Server, words: &str) -> Measured<String> {
    loop {
        if let Some((_, rest)) = running.hear().await?.split_once(words) {
            return Ok(rest.trim().to_owned());
        }
    }
}

/// Numbers that the sandbox sells and that nobody has, each once.
pub(crate) struct Numbers(usize);

impl Numbers {
    /// Area codes of it in which the account holds nothing at first, by src/sandbox/data/seed.rs.
    const AREAS: [u32; 12] = [408, 503, 213, 702, 303, 404, 202, 215, 214, 713, 602, 619];
    /// Lines of each, from 0100 on; the three that follow misbehave.
    const LINES: usize = 97;

    /// The arguments of a purchase.
    pub(crate) fn purchase(&mut self) -> Measured<Value> {
        let area = Self::AREAS.get(self.0 / Self::LINES).ok_or("there are no more numbers to buy")?;
        let line = 100 + self.0 % Self::LINES;
        self.0 += 1;
        Ok(json!({ "phone_number": format!("+1{area}555{line:04}"), "confirm": true }))
    }
}
