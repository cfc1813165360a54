//! Secrets that another program tells: what a command prints.

use std::io::Read;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use super::KEY_LIMIT;

/// How long a command may take to tell a secret.
const COMMAND: Duration = Duration::from_secs(10);

/// What a command prints. What it says on standard error goes to ours.
pub(super) fn printed_by(argv: &[String]) -> Result<String, String> {
    let (program, arguments) = argv.split_first().ok_or("it is empty")?;
    let mut command = Command::new(program);
    let mut child = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{program} could not be started: {error}"))?;
    let output = child.stdout.take();
    let reading = std::thread::spawn(move || {
        let mut text = String::new();
        let read = output.map(|output| output.take(KEY_LIMIT).read_to_string(&mut text));
        read.is_some_and(|read| read.is_ok()).then_some(text)
    });
    let begun = Instant::now();
    let ended = loop {
        match child.try_wait() {
            Ok(Some(status)) => break status,
            Ok(None) if begun.elapsed() < COMMAND => std::thread::sleep(Duration::from_millis(10)),
            _ => {
                drop(child.kill());
                drop(child.wait());
                return Err(format!("{program} did not end within {} s", COMMAND.as_secs()));
            }
        }
    };
    if !ended.success() {
        return Err(format!("{program} failed: {ended}"));
    }
    let text = reading.join().ok().flatten().unwrap_or_default();
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
}
