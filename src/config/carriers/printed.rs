//! Reads secrets from the output of another program.

use std::io::Read;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::error::KEY_LIMIT;
use crate::config::key::KEY_VARIABLE;
use crate::redact::shown_program;

/// How long a command may take to print a secret. This is less than a call may spend before its change.
const COMMAND: Duration = Duration::from_secs(8);

/// The variables that hold secrets of this server. No command inherits them.
pub(crate) type Withheld = Arc<[String]>;

/// Variables that may hold secrets of this server in any setup. The URLs of journal and proxy may contain a password.
pub(crate) const OWN_SECRETS: [&str; 3] = [KEY_VARIABLE, "TRUEDY_MCP_JOURNAL", "TRUEDY_MCP_UPSTREAM_PROXY"];

/// Returns what a command prints, trimmed.
/// Its standard error is discarded, because a command that traces itself would show the secret there. The command does
/// not inherit secrets of this server: the variables of [`OWN_SECRETS`], and those of other profiles and tenants.
pub(crate) fn printed_by(argv: &[String], withheld: &Withheld) -> Result<String, String> {
    let (name, arguments) = argv.split_first().ok_or("it is empty")?;
    let program = shown_program(name);
    let until = Instant::now() + COMMAND;
    let mut command = Command::new(name);
    for variable in OWN_SECRETS.into_iter().chain(withheld.iter().map(String::as_str)) {
        command.env_remove(variable);
    }
    // The command gets its own process group, so that processes it leaves running can be ended with it.
    #[cfg(unix)]
    std::os::unix::process::CommandExt::process_group(&mut command, 0);
    let mut child = command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .map_err(|error| format!("{program} could not be started: {error}"))?;
    let output = child.stdout.take();
    let (told, tell) = std::sync::mpsc::sync_channel(1);
    // The output is read on another thread, because a process that the command left running may hold it open.
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
                end_all(&mut child);
                return Err(format!("{program} did not end within {} s", COMMAND.as_secs()));
            }
        }
    };
    if !ended.success() {
        return Err(format!("{program} failed: {ended}; run it by hand to see what it says"));
    }
    let left = until.saturating_duration_since(Instant::now());
    let told = tell.recv_timeout(left).map_err(|_| {
        // Ending the group closes the output, so the reading thread ends too.
        end_all(&mut child);
        format!("{program} ended, and something that it started holds its output open; redirect that one's output")
    })?;
    let text = told.unwrap_or_default();
    let text = text.trim();
    if text.is_empty() { Err(format!("{program} printed nothing")) } else { Ok(text.to_owned()) }
}

/// Ends a command and everything that it started in its process group.
fn end_all(child: &mut Child) {
    #[cfg(unix)]
    if let Some(group) = i32::try_from(child.id()).ok().and_then(rustix::process::Pid::from_raw) {
        let _ = rustix::process::kill_process_group(group, rustix::process::Signal::KILL);
    }
    drop(child.kill());
    drop(child.wait());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn none() -> Withheld {
        Arc::from([])
    }

    #[test]
    fn a_command_that_fails_gives_no_key() {
        let argv = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
        for words in [&["false"][..], &["true"], &["/no/such/program"], &["sh", "-c", "printf x; exit 3"]] {
            assert!(printed_by(&argv(words), &none()).is_err(), "{words:?}");
        }
        assert_eq!(printed_by(&argv(&["printf", "a key\n"]), &none()), Ok("a key".to_owned()));
    }

    #[cfg(unix)]
    #[test]
    fn what_a_command_leaves_running_is_not_waited_for() {
        let home = tempfile::tempdir().expect("a directory");
        let file = home.path().join("pid");
        let script = format!("sleep 60 & echo $! > {}; echo a key", file.display());
        let argv = ["sh", "-c", &script].map(str::to_owned);
        let begun = Instant::now();
        let why = printed_by(&argv, &none()).expect_err("its output stays open");
        assert!(why.contains("holds its output open") && begun.elapsed() < COMMAND * 3, "{why}");
        // The process that the command left running is ended, and with it the thread that reads.
        let left = std::fs::read_to_string(&file).expect("its number").trim().parse().expect("a number");
        let left = rustix::process::Pid::from_raw(left).expect("a number");
        let ended = || {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", left.as_raw_nonzero())).unwrap_or_default();
            stat.is_empty() || stat.contains(") Z ")
        };
        for _ in 0..100 {
            if ended() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        panic!("it runs on");
    }

    #[cfg(unix)]
    #[test]
    fn a_command_inherits_all_but_our_own_secrets() {
        let withheld: Withheld = Arc::from(["CARGO_PKG_VERSION".to_owned()]);
        let argv = ["sh", "-c", "echo ${CARGO_PKG_NAME-none} ${CARGO_PKG_VERSION-none}"].map(str::to_owned);
        assert_eq!(printed_by(&argv, &withheld), Ok(format!("{} none", env!("CARGO_PKG_NAME"))));
    }
}
