//! How a conversation over stdio ends: by the end of input, by a signal, or by a client that no longer reads.

use std::io::Write;
use std::process::Stdio;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;

use super::purchase::{A_WHILE, buy};
use crate::failures::silence::SLOW;
use crate::support::era::{Era, LEGACY};
use crate::support::fake_truedy::{CREDENTIALS, LIST, PURCHASE, Play, Upstream};
use crate::support::program::{LONG, at_once, program, server};
use crate::support::raw_client::Wire;

/// How a client, or whoever runs it, ends the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ending {
    Input,
    Terminate,
    Interrupt,
}

impl Ending {
    const ALL: [Self; 3] = [Self::Input, Self::Terminate, Self::Interrupt];

    fn bring(self, wire: &mut Wire) {
        match self {
            Self::Input => wire.running.close(),
            Self::Terminate => wire.running.signal(Signal::TERM),
            Self::Interrupt => wire.running.signal(Signal::INT),
        }
    }
}

#[test]
fn an_end_before_any_request_is_a_normal_one() {
    for before in
        ["", "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}\n", "{\"jsonrpc\":\"2.0\",\"id\":1,\"meth"]
    {
        for arguments in [&["stdio"][..], &[]] {
            let mut command = program();
            command.args(arguments);
            let mut wire = Wire::start(command, Era::Legacy);
            wire.raw(before.as_bytes());
            wire.running.close();
            assert_eq!(wire.running.ended(LONG), Some(0), "{before:?}");
            assert_eq!(wire.running.stdout(), "");
        }
    }
}

#[test]
fn idle_it_ends_at_once() {
    for ending in Ending::ALL {
        for era in Era::BOTH {
            let upstream = Upstream::start();
            let mut wire = Wire::open(server(&upstream.base_url()), era);
            wire.call("list_credentials", json!({}));
            ending.bring(&mut wire);
            assert_eq!(wire.running.ended(Duration::from_secs(5)), Some(0), "{ending:?} {era:?}");
        }
    }
}

#[test]
fn running_work_is_finished_and_answered_before_the_end() {
    at_once(Ending::ALL, |ending| {
        let upstream = Upstream::start();
        upstream.always(CREDENTIALS, Play::After(Duration::from_secs(1), Box::new(Play::Usual)));
        upstream.always(PURCHASE, Play::After(Duration::from_secs(3), Box::new(Play::Usual)));
        let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
        let purchase = wire.send_call("purchase_number", buy());
        let reads: Vec<u64> = (0..20).map(|_| wire.send_call("list_credentials", json!({}))).collect();
        upstream.wait_for(PURCHASE, 1);
        upstream.wait_for(CREDENTIALS, 20);
        ending.bring(&mut wire);
        assert_eq!(wire.called(purchase).status(), "purchased", "{ending:?}");
        for id in reads {
            assert_eq!(wire.called(id).status(), "ok", "{ending:?}");
        }
        assert_eq!(wire.running.ended(LONG), Some(0), "{ending:?}");
        assert_eq!(upstream.count(PURCHASE), 1);
    });
}

#[test]
fn work_that_would_not_end_is_stopped_where_nothing_was_sent() {
    at_once(Ending::ALL, |ending| {
        let upstream = Upstream::start();
        upstream.always(LIST, Play::Never).always(CREDENTIALS, Play::Never);
        let mut wire = Wire::open(server(&upstream.base_url()), Era::Modern);
        let calls = [wire.send_call("purchase_number", buy()), wire.send_call("list_credentials", json!({}))];
        upstream.wait_for(LIST, 1);
        upstream.wait_for(CREDENTIALS, 1);
        let start = Instant::now();
        ending.bring(&mut wire);
        for id in calls {
            let called = wire.called(id);
            assert!(called.is_error() && called.summary().starts_with("Nothing "), "{ending:?}: {}", called.0);
        }
        assert_eq!(wire.running.ended(LONG), Some(0), "{ending:?}");
        assert!(start.elapsed() < Duration::from_secs(8), "{ending:?}: {:?}", start.elapsed());
        assert_eq!(upstream.changes(), 0);
    });
}

/// How it ended while a change was not answered.
pub(crate) struct End {
    ending: Ending,
    code: Option<i32>,
    took: Duration,
    sent: usize,
}

/// Ends the server in each way while the answer to a change does not come. Takes as long as it may take.
pub(crate) fn endings() -> Vec<End> {
    thread::scope(|scope| {
        let ends = Ending::ALL.map(|ending| {
            scope.spawn(move || {
                let upstream = Upstream::start();
                upstream.always(PURCHASE, Play::Never);
                let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
                wire.send_call("purchase_number", buy());
                upstream.wait_for(PURCHASE, 1);
                let start = Instant::now();
                ending.bring(&mut wire);
                let code = wire.running.ended(LONG);
                End { ending, code, took: start.elapsed(), sent: upstream.count(PURCHASE) }
            })
        });
        ends.into_iter().map(|end| end.join().unwrap()).collect()
    })
}

#[test]
fn a_change_whose_answer_does_not_come_is_waited_for_within_bounds() {
    for end in &SLOW.endings {
        // Twenty seconds after the end of input, ten after a signal, and never at once.
        let most = if end.ending == Ending::Input { 20 } else { 10 };
        assert_eq!((end.code, end.sent), (Some(0), 1), "{:?}", end.ending);
        assert!(end.took > Duration::from_secs(5), "{:?}: {:?}", end.ending, end.took);
        assert!(end.took < Duration::from_secs(most + 4), "{:?}: {:?}", end.ending, end.took);
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let upstream = Upstream::start();
    upstream.always(PURCHASE, Play::Never);
    let mut wire = Wire::open(server(&upstream.base_url()), Era::Legacy);
    wire.send_call("purchase_number", buy());
    upstream.wait_for(PURCHASE, 1);
    wire.running.signal(Signal::TERM);
    thread::sleep(A_WHILE);
    let start = Instant::now();
    wire.running.signal(Signal::TERM);
    assert_eq!(wire.running.ended(LONG), Some(1));
    assert!(start.elapsed() < Duration::from_secs(3), "{:?}", start.elapsed());
}

#[test]
fn a_client_that_no_longer_reads_ends_it_without_a_word() {
    let upstream = Upstream::start();
    let mut child = server(&upstream.base_url())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program starts");
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    let start = Instant::now();
    let ended = loop {
        let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": { "protocolVersion": LEGACY, "capabilities": {}, "clientInfo": { "name": "x", "version": "1" } } });
        drop(input.write_all(format!("{ping}\n").as_bytes()));
        thread::sleep(Duration::from_millis(100));
        match child.try_wait().expect("it can be waited for") {
            None if start.elapsed() < LONG => {}
            ended => break ended,
        }
    };
    drop(child.kill());
    let said = child.wait_with_output().expect("it has ended");
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(!said.contains("panic") && !said.contains("a fault in this server"), "{said}");
    assert!(ended.is_some(), "it went on: {said}");
}
