//! Secrets that another program tells: what a command prints.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::{KEY_LIMIT, KEY_VARIABLE};

/// How long a command may take to tell a secret: less than a call may spend on what comes before its change.
const COMMAND: Duration = Duration::from_secs(8);

/// What a command prints. What it says on standard error is nobody's: a command that traces itself would show the secret there.
/// It does not get the key of Truedy, which it has no use for.
pub(super) fn printed_by(argv: &[String]) -> Result<String, String> {
    let (program, arguments) = argv.split_first().ok_or("it is empty")?;
    let until = Instant::now() + COMMAND;
    let mut command = Command::new(program);
    let mut child = command
        .args(arguments)
        .env_remove(KEY_VARIABLE)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{program} could not be started: {error}"))?;
    let output = child.stdout.take();
    let (told, tell) = std::sync::mpsc::sync_channel(1);
    // Not waited for longer than the command may take: what it leaves running may hold its output open for ever.
    std::thread::spawn(move || {
        let mut text = String::new();
        let read = output.map(|output| output.take(KEY_LIMIT).read_to_string(&mut text));
        drop(told.send(read.is_some_and(|read| read.is_ok()).then_some(text)));
    });
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if Instant::now() < until => std::thread::sleep(Duration::from_millis(10)),
            _ => {
                drop(child.kill());
                drop(child.wait());
                return Err(format!("{program} did not end within {} s", COMMAND.as_secs()));
            }
        }
    };
    if !ended.success() {
        return Err(format!("{program} failed: {ended}; run it by hand to see what it says"));
    }
    let left = until.saturating_duration_since(Instant::now());
    let told = tell.recv_timeout(left).map_err(|_| {
        format!("{program} ended, and something that it started holds its output open; redirect that one's output")
    })?;
    let text = told.unwrap_or_default();
    let text = text.trim();
    if text.is_empty() { Err(format!("{program} printed nothing")) } else { Ok(text.to_owned()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_that_fails_gives_no_key() {
        let argv = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for words in [&["false"][..], &["true"], &["/no/such/program"], &["sh", "-c", "printf x; exit 3"]] {
            assert!(printed_by(&argv(words)).is_err(), "{words:?}");
        }
        assert_eq!(printed_by(&argv(&["printf", "a key\n"])), Ok("a key".to_owned()));
    }

    #[cfg(unix)]
    #[test]
    fn what_a_command_leaves_running_is_not_waited_for() {
        let argv = ["sh", "-c", "sleep 60 & echo a key"].map(str::to_owned);
        let begun = Instant::now();
        let why = printed_by(&argv).expect_err("its output stays open");
        assert!(why.contains("holds its output open") && begun.elapsed() < COMMAND * 3, "{why}");
    }
}
