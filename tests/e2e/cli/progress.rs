//! The line that says what a person at a terminal is waiting for.

use std::net::TcpListener;
use std::process::Command;
use std::time::Duration;

use crate::support::fake_truedy::{LIST, Play, Upstream};
use crate::support::program::{KEY, program, run};
use crate::support::terminal::run_at_terminal;

/// A Truedy that takes a while for each page.
fn slow() -> Upstream {
    let upstream = Upstream::start();
    upstream.account(|account| {
        for n in 0..150 {
            account.add(&format!("+14155550{n:03}"), true);
        }
    });
    upstream.always(LIST, Play::After(Duration::from_millis(1_500), Box::new(Play::Usual)));
    upstream
}

fn command(upstream: &Upstream, arguments: &[&str], variables: &[(&str, &str)]) -> Command {
    let mut command = program();
    command.args(arguments).env("TRUEDY_BASE_URL", upstream.base_url()).env("TRUEDY_API_KEY", KEY);
    command.env("TERM", "xterm").envs(variables.iter().copied());
    command
}

/// What is left on a screen: each line as it was last written.
fn on_screen(shown: &str) -> String {
    let mut lines = Vec::new();
    for line in shown.replace("\r\n", "\n").split('\n') {
        let mut cells: Vec<char> = Vec::new();
        for part in line.split('\r') {
            let part: Vec<char> = part.chars().collect();
            let rest = cells.get(part.len()..).unwrap_or_default().to_vec();
            cells = [part, rest].concat();
        }
        lines.push(cells.iter().collect::<String>().trim_end().to_owned());
    }
    lines.join("\n")
}

#[test]
fn who_waits_at_a_terminal_sees_how_far_the_reading_is_and_later_only_the_result() {
    let upstream = slow();
    // A counter is no colour.
    for variables in [&[][..], &[("NO_COLOR", "1")]] {
        let shown = run_at_terminal(command(&upstream, &["numbers"], variables), "no prompt", "");
        assert_eq!(shown.code, Some(0), "{}", shown.stderr);
        assert!(shown.stderr.contains("truedy-mcp: reading the numbers (1 s)"), "{:?}", shown.stderr);
        assert!(shown.stderr.contains("truedy-mcp: 100 of 150 numbers are read (2 s)"), "{:?}", shown.stderr);
        let left = on_screen(&shown.stderr);
        assert!(!left.contains("truedy-mcp:") && left.contains("150 numbers."), "{left}");
    }
}

#[test]
fn other_commands_say_what_they_wait_for() {
    let upstream = slow();
    // Nobody takes what is asked here.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = silent.local_addr().unwrap().to_string();
    for (arguments, says) in [
        (&["call", "list_numbers", "limit=5"][..], "truedy-mcp: waiting for the answer (1 s)".to_owned()),
        (&["doctor", "--protect", "+14155550100"], "truedy-mcp: checking the account (1 s)".to_owned()),
        (&["probe", "ready", "--admin-listen", &address], format!("truedy-mcp: waiting for {address} (2 s)")),
    ] {
        let shown = run_at_terminal(command(&upstream, arguments, &[]), "no prompt", "").stderr;
        assert!(shown.contains(&says), "{arguments:?}: {shown:?}");
        assert!(!on_screen(&shown).contains(&says), "{arguments:?}: {shown:?}");
    }
}

#[test]
fn nothing_moves_in_a_pipe_on_a_terminal_that_cannot_rewrite_or_where_it_is_quick() {
    let upstream = slow();
    let piped = run(command(&upstream, &["numbers"], &[]), "");
    assert!(piped.code == Some(0) && piped.stderr.is_empty(), "{:?}", piped.stderr);
    let dumb = run_at_terminal(command(&upstream, &["numbers"], &[("TERM", "dumb")]), "no prompt", "");
    assert!(dumb.code == Some(0) && !dumb.stderr.contains("truedy-mcp:"), "{:?}", dumb.stderr);
    let quick = Upstream::start();
    let shown = run_at_terminal(command(&quick, &["numbers"], &[]), "no prompt", "");
    assert!(!shown.stderr.contains("truedy-mcp:"), "{:?}", shown.stderr);
}
