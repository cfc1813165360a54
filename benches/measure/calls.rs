//! What a tool call costs on top of the request to Truedy that it makes.

use std::time::{Duration, Instant};

use crate::Measured;
use crate::child::{Program, Server, call};
use crate::figures::{Row, Samples, Target, milliseconds};
use crate::upstream::{self, Upstream};

/// Rounds, in each of which everything takes its turn.
const ROUNDS: usize = 9;
/// Calls a turn.
const CALLS: usize = 300;
/// Processes whose first call is timed.
const FIRSTS: usize = 11;
/// Calls before anything is timed.
const WARM: usize = 50;

/// Calls with one and with two upstream requests against the same requests by reqwest, and the stdio round trip itself.
pub(crate) async fn measure(floor: &Program, ours: &Program, upstream: &Upstream) -> Measured<Vec<Row>> {
    let [mut ping, mut one, mut many] = [Samples::default(), Samples::default(), Samples::default()];
    let [mut bare_one, mut bare_many] = [Samples::default(), Samples::default()];
    let requests = Requests::new(upstream)?;
    let (mut bare, mut server) = (floor.connect().await?, ours.connect().await?);
    server.result(&call("list_credentials")).await?;
    server.result(&call("list_numbers")).await?;
    for round in 0..=ROUNDS {
        // The first round only warms up.
        let times = if round == 0 { WARM } else { CALLS };
        let turns = [
            (&mut ping, turn(&mut bare, "ping", times).await?),
            (&mut bare_one, requests.turn(&[upstream::CREDENTIALS], times).await?),
            (&mut one, turn(&mut server, "list_credentials", times).await?),
            (&mut bare_many, requests.turn(&[upstream::NUMBERS, upstream::AGENTS], times).await?),
            (&mut many, turn(&mut server, "list_numbers", times).await?),
        ];
        for (samples, times) in turns {
            if round > 0 {
                samples.extend(times);
            }
        }
    }
    let (first, bare_first) = firsts(floor, ours).await?;
    Ok(vec![
        Row::pair("tools/call of one request over reqwest's, ms", &bare_one, &one, Target::Above(1.0)),
        Row::pair("list_numbers of 50 over reqwest's two requests, ms", &bare_many, &many, Target::Above(1.0)),
        Row::pair("tools/call of one request over a bare tool's, ms", &ping, &one, Target::Difference),
        Row::pair("first tools/call of a process, ms", &bare_first, &first, Target::Difference),
    ])
}

/// So many calls of a tool, each answered before the next.
async fn turn(server: &mut Server, tool: &str, times: usize) -> Measured<Vec<Duration>> {
    let line = call(tool);
    let mut taken = Vec::with_capacity(times);
    for _ in 0..times {
        let start = Instant::now();
        let answer = server.ask(&line).await?;
        taken.push(start.elapsed());
        if !answer.contains("\"result\"") || answer.contains("\"isError\":true") {
            return Err(format!("{tool} does not answer as expected: {answer}").into());
        }
    }
    Ok(taken)
}

/// The first call of each of several processes, when ours makes its HTTP client. Ours, then the floor.
async fn firsts(floor: &Program, ours: &Program) -> Measured<(Samples, Samples)> {
    let mut times = [Samples::default(), Samples::default()];
    for _ in 0..FIRSTS {
        for ((program, tool), times) in [(ours, "list_credentials"), (floor, "ping")].into_iter().zip(&mut times) {
            let mut server = program.connect().await?;
            tokio::time::sleep(Duration::from_millis(50)).await;
            let start = Instant::now();
            server.result(&call(tool)).await?;
            times.add(milliseconds(start.elapsed()));
            server.end().await?;
        }
    }
    let [ours, floor] = times;
    Ok((ours, floor))
}

/// The same requests without anything of ours around them.
struct Requests {
    client: reqwest::Client,
    base_url: String,
}

impl Requests {
    fn new(upstream: &Upstream) -> Measured<Self> {
        let client = reqwest::Client::builder().no_proxy().build()?;
        Ok(Self { client, base_url: upstream.base_url() })
    }

    /// So many times these requests, all of one time at once.
    async fn turn(&self, paths: &[&str], times: usize) -> Measured<Vec<Duration>> {
        let mut taken = Vec::with_capacity(times);
        for _ in 0..times {
            let start = Instant::now();
            futures::future::try_join_all(paths.iter().map(|path| self.get(path))).await?;
            taken.push(start.elapsed());
        }
        Ok(taken)
    }

    async fn get(&self, path: &str) -> reqwest::Result<usize> {
        let request = self.client.get(format!("{}{path}", self.base_url)).bearer_auth(upstream::KEY);
        let body = request.header("accept", "application/json").send().await?.error_for_status()?.bytes().await?;
        Ok(body.len())
    }
}
