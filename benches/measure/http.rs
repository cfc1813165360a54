//! The server over HTTP, by many clients at once, beside a bare one on the same edge; and the edge beside axum's own.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use futures::future::try_join_all;
use tempfile::TempDir;
use truedy_mcp::guard::Scope;
use truedy_mcp::http::{TokenHolder, add};

use crate::child::{Listening, Program};
use crate::figures::{Row, Samples, Target, milliseconds};
use crate::load::{Ask, Connection, limiter, turn};
use crate::upstream::{self, Upstream};
use crate::{Measured, home};

/// Rounds, in each of which every server takes its turn; one more warms up.
const ROUNDS: usize = 7;
const TURN: Duration = Duration::from_millis(1_000);
const WARM: Duration = Duration::from_millis(300);
/// Clients at the same time.
const CLIENTS: [usize; 2] = [8, 128];
/// So many callers: each has as many of [`CLIENTS`] as one caller may have calls under way.
const CALLERS: usize = 16;
/// Connections that are open when memory is read.
const OPEN: usize = 1_024;
/// How many of them ask at a time.
const ASKING: usize = 64;
/// Calls at once.
const AT_ONCE: usize = 10_000;
/// All of them must know by then.
const PATIENCE: Duration = Duration::from_secs(15);

const OPEN_DOOR: &[&str] = &["http", "--listen", "127.0.0.1:0", "--no-auth-loopback", "--upstream-rpm", "off"];
const BY_TOKEN: &[&str] = &["http", "--listen", "127.0.0.1:0", "--upstream-rpm", "off"];

/// The servers that are compared.
struct Servers {
    axum: Program,
    floor: Program,
    open: Program,
    tokens: Program,
    /// The tokens of the callers.
    callers: Vec<String>,
    _home: TempDir,
}

impl Servers {
    fn new(floor: &Path, ours: &Path, upstream: &Upstream) -> Measured<Self> {
        let home = home()?;
        let file = home.path().join("tokens.toml");
        let callers = (0..CALLERS).map(|caller| {
            let holder = TokenHolder {
                principal: format!("caller-{caller}"),
                tenant: "default".to_owned(),
                scopes: Scope::ALL.into(),
                expires: None,
            };
            Ok(add(&file, &holder, "for a measurement")?)
        });
        let callers = callers.collect::<Measured<_>>()?;
        let program = |path: &Path, arguments: &'static [&'static str]| {
            Program::new(path, arguments)
                .with("TRUEDY_API_KEY", upstream::KEY)
                .with("TRUEDY_BASE_URL", upstream.base_url())
                .with("TRUEDY_MCP_STATE_DIR", home.path())
        };
        Ok(Self {
            axum: program(floor, &["axum"]),
            floor: program(floor, &["edge"]),
            open: program(ours, OPEN_DOOR),
            tokens: program(ours, BY_TOKEN).with("TRUEDY_MCP_TOKENS", &file),
            callers,
            _home: home,
        })
    }
}

/// Throughput, latency, work and memory.
pub(crate) async fn measure(floor: &Path, ours: &Path, upstream: &Upstream) -> Measured<Vec<Row>> {
    let servers = Servers::new(floor, ours, upstream)?;
    let mut rows = Vec::new();
    for (what, tool) in [("tools/list", None), ("list_numbers", Some("list_numbers"))] {
        for clients in CLIENTS {
            rows.extend(throughput(&servers, what, tool, clients).await?);
        }
    }
    rows.extend(memory(&servers).await?);
    rows.extend(at_once(&servers).await?);
    Ok(rows)
}

/// What is known of one server.
struct Taken {
    server: Listening,
    ask: Ask,
    /// Answers a second.
    rate: Samples,
    median: Samples,
    slow: Samples,
    /// Processor time an answer, in microseconds.
    work: Samples,
    length: usize,
}

impl Taken {
    async fn start(program: &Program, ask: Ask) -> Measured<Self> {
        let server = program.listen().await?;
        let [rate, median, slow, work] = Default::default();
        Ok(Self { server, ask, rate, median, slow, work, length: 0 })
    }

    async fn turn(&mut self, clients: usize, time: Duration, counts: bool) -> Measured<()> {
        let before = worked(&self.server)?;
        let turn = turn(self.server.at, &self.ask, clients, time).await?;
        let after = worked(&self.server)?;
        if counts {
            let answers = turn.answers as f64;
            self.rate.add(answers / turn.took.as_secs_f64());
            self.median.add(turn.times.percentile(50));
            self.slow.add(turn.times.percentile(99));
            self.length = turn.length;
            if let (Some(before), Some(after)) = (before, after) {
                self.work.add((after - before).as_secs_f64() * 1e6 / answers);
            }
        }
        Ok(())
    }
}

async fn throughput(servers: &Servers, what: &str, tool: Option<&'static str>, clients: usize) -> Measured<Vec<Row>> {
    let anybody = || Ask::new(tool, &[]);
    let mut axum = Taken::start(&servers.axum, anybody()).await?;
    let mut floor = Taken::start(&servers.floor, anybody()).await?;
    let mut tokens = Taken::start(&servers.tokens, Ask::new(tool, &servers.callers)).await?;
    // One caller may not have so many calls under way: that is a guard, and is not measured here.
    let mut open = match tool {
        Some(_) if clients > CLIENTS[0] => None,
        _ => Some(Taken::start(&servers.open, anybody()).await?),
    };
    for round in 0..=ROUNDS {
        let (time, counts) = if round == 0 { (WARM, false) } else { (TURN, true) };
        // Whoever is first in one round is last in the next.
        let mut all: Vec<&mut Taken> = [&mut axum, &mut floor, &mut tokens].into_iter().chain(&mut open).collect();
        if round % 2 == 1 {
            all.reverse();
        }
        for taken in all {
            taken.turn(clients, time, counts).await?;
        }
    }
    if floor.length.abs_diff(tokens.length) * 20 > tokens.length {
        return Err(format!("the floor answers {what} with {} bytes, ours with {}", floor.length, tokens.length).into());
    }
    let mut rows = vec![Row::pair(
        &format!("HTTP, {what}, {clients} clients by token, answers a second"),
        &floor.rate,
        &tokens.rate,
        Target::AtLeast(0.7),
    )];
    if let Some(open) = &open {
        rows.push(Row::pair("  without tokens", &floor.rate, &open.rate, Target::AtLeast(0.7)));
    }
    let slow = if clients > CLIENTS[0] { Target::Times(1.5) } else { Target::Ratio };
    rows.extend([
        Row::pair("  median time by token, ms", &floor.median, &tokens.median, Target::Ratio),
        Row::pair("  99th percentile, ms", &floor.slow, &tokens.slow, slow),
        Row::pair("  processor time an answer, µs", &floor.work, &tokens.work, Target::Ratio),
        Row::pair("  the bare server, our edge over axum's, answers a second", &axum.rate, &floor.rate, Target::Ratio),
        Row::pair("  processor time an answer, µs", &axum.work, &floor.work, Target::Ratio),
    ]);
    Ok(rows)
}

/// Memory of a server with [`OPEN`] connections, each of which has asked for both.
async fn memory(servers: &Servers) -> Measured<Vec<Row>> {
    if !cfg!(target_os = "linux") {
        return Ok(vec![Row::absent("memory over HTTP", "not shown by this system: only Linux has /proc")]);
    }
    let mut sizes: [[Samples; 2]; 3] = Default::default();
    for _ in 0..3 {
        let programs = [(&servers.axum, &[][..]), (&servers.floor, &[][..]), (&servers.tokens, &servers.callers[..])];
        for ((program, callers), [idle, after]) in programs.into_iter().zip(&mut sizes) {
            let server = program.listen().await?;
            let asks = [Ask::new(None, callers), Ask::new(Some("list_numbers"), callers)];
            idle.add(resident(&server, "VmRSS:")?);
            let clients: Vec<usize> = (0..OPEN).collect();
            let mut open = Vec::new();
            for some in clients.chunks(ASKING) {
                open.extend(try_join_all(some.iter().map(|client| both(server.at, &asks, *client))).await?);
            }
            after.add(resident(&server, "VmRSS:")?);
        }
    }
    let [[_, axum], [floor_idle, floor], [ours_idle, ours]] = &sizes;
    Ok(vec![
        Row::pair("HTTP, resident memory at the start, MiB", floor_idle, ours_idle, Target::Ratio),
        Row::pair(&format!("  with {OPEN} connections that have asked"), floor, ours, Target::Times(1.3)),
        Row::pair("  the bare server, our edge over axum's", axum, floor, Target::Ratio),
    ])
}

/// A connection that has asked for both.
async fn both(at: SocketAddr, asks: &[Ask; 2], client: usize) -> Measured<Connection> {
    let mut connection = Connection::open(at, &asks[0], client).await?;
    connection.result().await?;
    connection.turn_to(at, &asks[1], client);
    connection.result().await?;
    Ok(connection)
}

/// [`AT_ONCE`] calls in the same moment, on a server that takes as many connections, and on one that does not.
async fn at_once(servers: &Servers) -> Measured<Vec<Row>> {
    let wanted = AT_ONCE + 512;
    if files() < wanted {
        return Ok(vec![Row::absent(&format!("{AT_ONCE} calls at once"), "fewer files may be open here")]);
    }
    let nobody: &[String] = &[];
    let mut with_more = servers.tokens.clone();
    with_more.environment.push(("TRUEDY_MCP_MAX_CONNECTIONS", wanted.to_string().into()));
    let floor = stormed(&servers.floor, nobody).await?;
    let more = stormed(&with_more, &servers.callers).await?;
    let usual = stormed(&servers.tokens, &servers.callers).await?;
    let mut rows = vec![
        Row::alone(&format!("HTTP, {AT_ONCE} calls at once, s"), usual.took, Some(PATIENCE.as_secs_f64())),
        Row::alone("  answered", usual.answered, None),
        Row::alone("  refused", usual.refused, None),
        Row::alone("  the next call, ms", usual.next, None),
    ];
    rows.extend(usual.memory.map(|memory| Row::alone("  most memory, MiB", memory, Some(256.0))));
    let one = |value: f64| {
        let mut samples = Samples::default();
        samples.add(value);
        samples
    };
    let what = "  the same where connections are allowed for all, s";
    rows.push(Row::pair(what, &one(floor.took), &one(more.took), Target::Ratio));
    rows.push(Row::pair("  answered", &one(floor.answered), &one(more.answered), Target::Ratio));
    if let (Some(floor), Some(ours)) = (floor.memory, more.memory) {
        rows.push(Row::pair("  most memory, MiB", &one(floor), &one(ours), Target::Ratio));
    }
    Ok(rows)
}

/// How a server took a storm of calls.
struct Stormed {
    took: f64,
    answered: f64,
    refused: f64,
    next: f64,
    memory: Option<f64>,
}

async fn stormed(program: &Program, callers: &[String]) -> Measured<Stormed> {
    let server = program.listen().await?;
    let ask = Arc::new(Ask::new(Some("list_numbers"), callers));
    let all = limiter(server.at, Arc::clone(&ask), AT_ONCE, PATIENCE * 2).await?;
    let begun = Instant::now();
    Connection::open(server.at, &ask, 0).await?.result().await?;
    let next = milliseconds(begun.elapsed());
    let memory = if cfg!(target_os = "linux") { Some(resident(&server, "VmHWM:")?) } else { None };
    let (answered, refused) = (all.answered as f64, all.refused as f64);
    Ok(Stormed { took: all.took.as_secs_f64(), answered, refused, next, memory })
}

/// A field of the process's status, in MiB.
fn resident(server: &Listening, field: &str) -> Measured<f64> {
    let status = fs::read_to_string(format!("/proc/{}/status", server.id()?))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("/proc does not show the memory")?;
    let kibibytes: f64 = line.trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes / 1024.0)
}

/// The processor time that a server has taken, where the system tells.
fn worked(server: &Listening) -> Measured<Option<Duration>> {
    let Ok(stat) = fs::read_to_string(format!("/proc/{}/stat", server.id()?)) else { return Ok(None) };
    // The name stands in parentheses and may hold anything. Linux counts in hundredths of a second here, whatever it ticks at.
    let fields = stat.rsplit(')').next().unwrap_or_default().split_whitespace().skip(11).take(2);
    let ticks = fields.map(str::parse::<u64>).sum::<Result<u64, _>>()?;
    Ok(Some(Duration::from_millis(ticks * 10)))
}

/// How many files this process may open, raised as far as it goes.
fn files() -> usize {
    #[cfg(unix)]
    {
        use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
        let now = getrlimit(Resource::Nofile);
        let raised = setrlimit(Resource::Nofile, Rlimit { current: now.maximum, maximum: now.maximum });
        let most = if raised.is_ok() { now.maximum } else { now.current };
        most.map_or(usize::MAX, |most| usize::try_from(most).unwrap_or(usize::MAX))
    }
    #[cfg(not(unix))]
    0
}
