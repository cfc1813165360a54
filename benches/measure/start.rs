//! What a server costs before it has done anything: time to the first answer, and memory.

use std::fs;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Measured;
use crate::child::{Program, Server, call, discover, initialize, request};
use crate::figures::{Row, Samples, Target, milliseconds};

/// Starts of each server for one figure.
const STARTS: usize = 41;
/// Servers whose memory is read.
const MEMORIES: usize = 11;
/// How long a server may settle before its memory is read.
const SETTLE: Duration = Duration::from_millis(100);

/// From before the process is made to the first answer, in both eras.
pub(crate) async fn first_answers(floor: &Program, ours: &Program) -> Measured<Vec<Row>> {
    let mut rows = Vec::new();
    for (name, line) in [("initialize", initialize()), ("server/discover", discover())] {
        let mut times = [Samples::default(), Samples::default()];
        for _ in 0..STARTS {
            for (program, times) in [floor, ours].into_iter().zip(&mut times) {
                times.add(milliseconds(first_answer(program, &line).await?));
            }
        }
        let [floor, ours] = times;
        rows.push(Row::pair(&format!("start to answer of {name}, ms"), &floor, &ours, Target::Above(10.0)));
    }
    Ok(rows)
}

async fn first_answer(program: &Program, line: &str) -> Measured<Duration> {
    let start = Instant::now();
    let mut server = program.start()?;
    let answer = server.ask(line).await?;
    let time = start.elapsed();
    if !answer.contains("\"result\"") {
        return Err(format!("not the expected answer: {answer}").into());
    }
    server.end().await?;
    Ok(time)
}

/// Resident memory after `tools/list`, and after a first call.
pub(crate) async fn memory(floor: &Program, ours: &Program) -> Measured<Vec<Row>> {
    if !cfg!(target_os = "linux") {
        return Ok(vec![Row::absent("resident memory", "not shown by this system: only Linux has /proc")]);
    }
    let list = request("tools/list", &json!({}));
    let mut sizes: [[Samples; 3]; 2] = Default::default();
    for _ in 0..MEMORIES {
        for ((program, tool), [listed, private, called]) in
            [(floor, "ping"), (ours, "list_credentials")].into_iter().zip(&mut sizes)
        {
            let mut server = program.connect().await?;
            server.result(&list).await?;
            listed.add(resident(&server, "VmRSS:").await?);
            private.add(resident(&server, "RssAnon:").await?);
            server.result(&call(tool)).await?;
            called.add(resident(&server, "VmRSS:").await?);
            server.end().await?;
        }
    }
    let [[listed, private, called], [our_listed, our_private, our_called]] = &sizes;
    Ok(vec![
        Row::pair("resident memory after tools/list, MiB", listed, our_listed, Target::Times(3.0)),
        Row::pair("  of it not backed by files", private, our_private, Target::Ratio),
        Row::pair("  after a first tools/call", called, our_called, Target::Ratio),
    ])
}

/// A field of the process's status, in MiB.
pub(crate) async fn resident(server: &Server, field: &str) -> Measured<f64> {
    tokio::time::sleep(SETTLE).await;
    let status = fs::read_to_string(format!("/proc/{}/status", server.id()?))?;
    let line = status.lines().find_map(|line| line.strip_prefix(field)).ok_or("/proc does not show the memory")?;
    let kibibytes: f64 = line.trim_end_matches("kB").trim().parse()?;
    Ok(kibibytes / 1024.0)
}
