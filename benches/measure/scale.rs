//! What a call costs by how many numbers the account has: requests to Truedy, and time beside that of its requests.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::child::{Program, Server, call_with};
use crate::figures::{Row, Samples, Target};
use crate::large_upstream::{LargeUpstream, agent_name, is_held, number};
use crate::start::resident;
use crate::{Measured, growth, home, upstream};

/// Numbers in the account.
const SIZES: [usize; 4] = [100, 1_000, 10_000, 20_000];
const AGENTS: usize = 5;
/// Requests that read all agents: one for each hundred.
const AGENT_READING: f64 = 1.0;
/// How long a request takes while a call or a reading is timed.
const DELAY: Duration = Duration::from_millis(100);
/// How long it takes otherwise.
const SHORT: Duration = Duration::from_millis(2);
/// Bytes of a prompt.
const PROMPT: usize = 2_000;
/// Longer ones. A page of a hundred agents is then larger than any answer that is read.
const LONG_PROMPTS: [usize; 2] = [25_000, 60_000];

/// Where a call is made, and how often: in the process that has just read all numbers, in the same process later, and
/// in a process of its own that begins with what the first one stored.
const STATES: [(&str, usize); 3] = [("cold", 1), ("warm", 3), ("fresh process", 1)];
const WARM: usize = 1;
const FRESH: usize = 2;
/// Rounds of calls in one account.
const ROUNDS: usize = 5;

const NO_LIMIT: &[&str] = &["stdio", "--upstream-rpm", "off", "--purchases-per-day", "unlimited"];
const LIMITED: &[&str] = &["stdio", "--upstream-rpm", "100"];
/// Changes of the conversation that keeps within the limit.
const CONVERSATION: usize = 10;
const STILL_READING: &str = "\"status\":\"still_reading\"";
const RATE_LIMITED: &str = "\"status\":\"rate_limited\"";
const ASSIGNED: &str = "\"status\":\"assigned\"";

/// One kind of call.
struct Call {
    tool: &'static str,
    /// What its answer must hold.
    expected: &'static str,
    /// How many requests it may cost in a process that knows the list.
    most: f64,
}

/// The calls of a round, in their order.
const CALLS: [Call; 6] = [
    Call { tool: "diagnose_number", expected: "\"status\":\"ok\"", most: 6.0 },
    Call { tool: ASSIGN, expected: ASSIGNED, most: 6.0 },
    Call { tool: "unassign_number", expected: "\"status\":\"unassigned\"", most: 6.0 },
    // Before a release the agents are always read.
    Call { tool: RELEASE, expected: "\"status\":\"released\"", most: 7.0 + AGENT_READING },
    Call { tool: "purchase_number", expected: "\"status\":\"purchased\"", most: 6.0 },
    Call { tool: "import_number", expected: "\"status\":\"imported\"", most: 6.0 },
];
const ASSIGN: &str = "assign_number";
const RELEASE: &str = "release_number";

/// What one kind of call cost.
#[derive(Default)]
struct Cost {
    /// Requests until the answer.
    requests: Samples,
    seconds: Samples,
    /// Its time over the time in which any of its requests was under way.
    ratios: Samples,
    /// Requests in the background after the answer.
    later: Samples,
}

/// What an account of one size costs.
#[derive(Default)]
struct AtSize {
    /// Requests and seconds of the first reading of all numbers.
    reading: (f64, f64),
    /// Resident memory after it, in MiB, where the system shows it.
    memory: Samples,
    costs: [[Cost; CALLS.len()]; STATES.len()],
}

/// An account, and where its servers keep their state.
struct Account<'a> {
    upstream: LargeUpstream,
    size: usize,
    program: &'a Path,
    home: TempDir,
}

/// All of it.
pub(crate) async fn measure(program: &Path) -> Measured<Vec<Row>> {
    let (mut sizes, mut others) = (Vec::new(), Vec::new());
    for size in SIZES {
        let account = Account::new(program, size, AGENTS, PROMPT)?;
        sizes.push(account.rounds().await?);
        if Some(&size) == SIZES.last() {
            others.push(account.conversation().await?);
            others.push(account.during_reading().await?);
        }
    }
    for prompt in LONG_PROMPTS {
        others.push(long_prompts(program, prompt).await?);
    }
    if std::env::var_os("UPDATE_PICTURES").is_some() {
        growth::draw(&[(ASSIGN, warm_requests(&sizes, ASSIGN)), (RELEASE, warm_requests(&sizes, RELEASE))])?;
    }
    let mut rows = compared(&sizes);
    rows.extend(others);
    Ok(rows)
}

impl<'a> Account<'a> {
    fn new(program: &'a Path, size: usize, agents: usize, prompt: usize) -> Measured<Self> {
        Ok(Self { upstream: LargeUpstream::start(size, agents, prompt)?, size, program, home: home()? })
    }

    fn server(&self, arguments: &'static [&'static str], home: &Path) -> Program {
        Program::new(self.program, arguments)
            .with("TRUEDY_API_KEY", upstream::KEY)
            .with("TRUEDY_BASE_URL", self.upstream.base_url())
            .with("TRUEDY_MCP_STATE_DIR", home)
    }

    /// The first reading, and every call in every state.
    async fn rounds(&self) -> Measured<AtSize> {
        let (program, mut measured, mut round) = (self.server(NO_LIMIT, self.home.path()), AtSize::default(), 0);
        let mut server = program.connect().await?;
        measured.reading = self.read_all(&mut server).await?;
        if cfg!(target_os = "linux") {
            measured.memory.add(resident(&server, "VmRSS:").await?);
        }
        for (state, (_, rounds)) in STATES.into_iter().enumerate() {
            for _ in 0..rounds {
                let costs = measured.costs[state].iter_mut();
                for ((call, arguments), cost) in CALLS.iter().zip(self.arguments(round)).zip(costs) {
                    if state == FRESH {
                        server.leave().await?;
                        server = program.connect().await?;
                    }
                    self.observe(&mut server, call, &arguments, cost).await?;
                }
                round += 1;
            }
        }
        server.leave().await?;
        Ok(measured)
    }

    /// Calls until all numbers were read. Returns how many requests this took, and how many seconds.
    async fn read_all(&self, server: &mut Server) -> Measured<(f64, f64)> {
        self.upstream.delay(DELAY);
        let (before, start) = (self.upstream.count(), Instant::now());
        let list = call_with("list_numbers", &json!({ "unassigned": true, "limit": 1 }));
        loop {
            let answer = server.ask(&list).await?;
            if answer.contains("\"status\":\"ok\"") {
                let seconds = start.elapsed().as_secs_f64();
                self.upstream.quiet().await;
                return Ok(((self.upstream.count() - before) as f64, seconds));
            }
            if !answer.contains(STILL_READING) {
                return Err(format!("the numbers are not read: {answer}").into());
            }
        }
    }

    /// The arguments of each of [`CALLS`]. Every round names numbers of its own, spread over the list.
    fn arguments(&self, round: usize) -> [Value; CALLS.len()] {
        let around = self.size * (2 * round + 1) / (2 * ROUNDS);
        let held = (around..).find(|n| is_held(*n)).unwrap_or(0);
        let (free, gone) = (number(held + 1), number(held + 2));
        [
            json!({ "number_id": number(held) }),
            assign(&free, round),
            json!({ "number_id": free, "assignment_type": "inbound" }),
            json!({ "number_id": gone, "confirm": true }),
            json!({ "phone_number": format!("+1212{:07}", 2_000_000 + round), "confirm": true }),
            json!({
                "phone_number": format!("+1213{:07}", 2_000_000 + round), "provider_type": "telnyx",
                "api_key": "KEY0000000000000000000000000000_made-up",
            }),
        ]
    }

    /// Makes one call while nothing else happens, and waits for what follows in the background.
    async fn observe(&self, server: &mut Server, call: &Call, arguments: &Value, cost: &mut Cost) -> Measured<()> {
        self.upstream.quiet().await;
        self.upstream.delay(DELAY);
        let (before, start) = (self.upstream.count(), Instant::now());
        let answer = server.ask(&call_with(call.tool, arguments)).await?;
        let (seconds, upstream) = (start.elapsed().as_secs_f64(), self.upstream.busy_since(before).as_secs_f64());
        let requests = self.upstream.count() - before;
        if !answer.contains(call.expected) {
            return Err(format!("{} {arguments} with {} numbers: {answer}", call.tool, self.size).into());
        }
        self.upstream.delay(SHORT);
        self.upstream.quiet().await;
        cost.requests.add(requests as f64);
        cost.seconds.add(seconds);
        cost.ratios.add(seconds / upstream);
        cost.later.add((self.upstream.count() - before - requests) as f64);
        Ok(())
    }

    /// Ten changes of a process that begins with what another one stored, within the usual limit.
    async fn conversation(&self) -> Measured<Row> {
        let mut server = self.server(LIMITED, self.home.path()).connect().await?;
        let (before, mut refused) = (self.upstream.count(), 0_u32);
        for change in 0..CONVERSATION {
            let free = number(self.size * change / CONVERSATION + 3);
            let answer = server.ask(&call_with(ASSIGN, &assign(&free, change))).await?;
            match (answer.contains(ASSIGNED), answer.contains(RATE_LIMITED)) {
                (true, _) => {}
                (false, true) => refused += 1,
                (false, false) => return Err(format!("a change of the conversation: {answer}").into()),
            }
        }
        let requests = self.upstream.count() - before;
        server.leave().await?;
        let what = format!(
            "of {CONVERSATION} changes in a fresh process at 100 requests a minute, rate_limited ({} numbers, {requests} requests)",
            self.size
        );
        Ok(Row::alone(&what, f64::from(refused), Some(0.0)))
    }

    /// A change of a number on the newest page, beside the first reading of a process that knows nothing.
    async fn during_reading(&self) -> Measured<Row> {
        let fresh = home()?;
        let mut server = self.server(NO_LIMIT, fresh.path()).connect().await?;
        self.upstream.delay(DELAY);
        let list = call_with("list_numbers", &json!({ "unassigned": true, "limit": 1 }));
        if !server.ask(&list).await?.contains(STILL_READING) {
            return Err("the reading has ended too early".into());
        }
        let newest = |back: usize| number(self.size - back);
        let (mut during, mut quiet) = (Cost::default(), Cost::default());
        let start = Instant::now();
        let answer = server.ask(&call_with(ASSIGN, &assign(&newest(8), 1))).await?;
        if !answer.contains(ASSIGNED) {
            return Err(format!("a change during the reading: {answer}").into());
        }
        during.seconds.add(start.elapsed().as_secs_f64());
        self.read_all(&mut server).await?;
        self.observe(&mut server, &CALLS[1], &assign(&newest(7), 1), &mut quiet).await?;
        server.leave().await?;
        let what = format!("assign_number of a new number, while {} are read over when they are read, s", self.size);
        Ok(Row::pair(&what, &quiet.seconds, &during.seconds, Target::Ratio))
    }
}

fn assign(number: &str, agent: usize) -> Value {
    json!({ "number_id": number, "agent_id": agent_name(agent % AGENTS), "assignment_type": "inbound" })
}

/// Two changes by an agent's name, where a page of a hundred agents is too large. The second knows that it is.
async fn long_prompts(program: &Path, prompt: usize) -> Measured<Row> {
    let account = Account::new(program, 30, 100, prompt)?;
    let mut server = account.server(NO_LIMIT, account.home.path()).connect().await?;
    let mut costs = [Cost::default(), Cost::default()];
    for (n, cost) in (7..).zip(&mut costs) {
        account.observe(&mut server, &CALLS[1], &assign(&number(n), n), cost).await?;
    }
    server.leave().await?;
    let what = format!("{ASSIGN} by name, 100 agents with prompts of {} KB, requests: first, next", prompt / 1_000);
    Ok(Row::series(&what, &costs.map(|cost| cost.requests.percentile(100)), None))
}

/// The sizes beside each other, in one row for each figure.
fn compared(sizes: &[AtSize]) -> Vec<Row> {
    let row = |what: &str, most: Option<f64>, figure: &dyn Fn(&AtSize) -> f64| {
        Row::series(what, &sizes.iter().map(figure).collect::<Vec<_>>(), most)
    };
    let mut rows = vec![
        Row::series("numbers in the account", &SIZES.map(|size| size as f64), None),
        row("first reading of all numbers, requests", None, &|size| size.reading.0),
        row("first reading of all numbers, s", None, &|size| size.reading.1),
    ];
    for (state, (name, _)) in STATES.into_iter().enumerate() {
        for (at, call) in CALLS.iter().enumerate() {
            // A process that begins reads the agents, and looks twice at most.
            let most = call.most + if state == FRESH { 2.0 + AGENT_READING } else { 0.0 };
            let what = format!("{}, {name}, requests", call.tool);
            rows.push(row(&what, Some(most), &|size| size.costs[state][at].requests.percentile(100)));
        }
    }
    for (state, (name, _)) in STATES.into_iter().enumerate() {
        for (at, call) in CALLS.iter().enumerate() {
            let what = format!("{}, {name}, time over its requests'", call.tool);
            rows.push(row(&what, Some(1.1), &|size| size.costs[state][at].ratios.median()));
        }
    }
    for (at, call) in CALLS.iter().enumerate() {
        rows.push(row(&format!("{}, warm, s", call.tool), None, &|size| size.costs[WARM][at].seconds.median()));
    }
    for (at, call) in CALLS.iter().enumerate() {
        let later = |size: &AtSize| size.costs.iter().map(|calls| calls[at].later.percentile(100)).fold(0.0, f64::max);
        rows.push(row(&format!("{}, requests in the background afterwards", call.tool), None, &later));
    }
    if let (Some(few), Some(many)) = (sizes.first(), sizes.last()) {
        let what = "resident memory, all numbers read, 20,000 over 100, MiB";
        rows.push(Row::pair(what, &few.memory, &many.memory, Target::Above(12.0)));
    }
    rows
}

/// The most requests of a call at each size, in a process that knows the list.
fn warm_requests(sizes: &[AtSize], tool: &str) -> Vec<(usize, f64)> {
    let at = CALLS.iter().position(|call| call.tool == tool).unwrap_or(0);
    SIZES
        .into_iter()
        .zip(sizes)
        .map(|(size, measured)| (size, measured.costs[WARM][at].requests.percentile(100)))
        .collect()
}
