//! A terminal, as a person sits at one: what a command shows there, and what is typed.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::program::Ran;

/// Runs a command at a terminal and types this once the command has shown `prompt`. All it showed is in `stderr`.
pub(crate) fn run_at_terminal(command: Command, prompt: &str, typed: &str) -> Ran {
    run_dialogue(command, &[(prompt, typed)], None)
}

/// The same with several prompts, one after the other: each is waited for behind the one before. At the prompt `hidden` a
/// person types only when what is typed is not shown.
pub(crate) fn run_dialogue(mut command: Command, dialogue: &[(&str, &str)], hidden: Option<&str>) -> Ran {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
    grantpt(&ours).expect("it may be used");
    unlockpt(&ours).expect("it may be opened");
    let name = ptsname(&ours, Vec::new()).expect("it has a name");
    let terminal = name.to_string_lossy().into_owned();
    let other_end =
        open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).expect("it opens");
    let theirs = || Stdio::from(other_end.try_clone().expect("it can be shared"));
    let mut child = command.stdin(theirs()).stdout(theirs()).stderr(theirs()).spawn().expect("the program starts");
    // The program must be the only one that has the other end open. Otherwise reading would never end.
    drop((command, other_end));
    let mut ours = File::from(ours);
    let (mut shown, mut part, mut seen) = (Vec::new(), [0; 4096], 0);
    let mut rest = dialogue.iter();
    let mut next = rest.next();
    while let Ok(n @ 1..) = ours.read(&mut part) {
        shown.extend_from_slice(&part[..n]);
        while let Some((prompt, typed)) = next {
            let Some(at) = find(&shown[seen..], prompt.as_bytes()) else { break };
            seen += at + prompt.len();
            if hidden == Some(*prompt) {
                wait_for_hidden(&terminal);
            }
            ours.write_all(typed.as_bytes()).expect("it is typed");
            next = rest.next();
        }
    }
    let code = child.wait().expect("it ends").code();
    Ran { code, stdout: String::new(), stderr: String::from_utf8_lossy(&shown).into_owned() }
}

/// Where these bytes begin in others.
fn find(bytes: &[u8], wanted: &[u8]) -> Option<usize> {
    bytes.windows(wanted.len()).position(|part| part == wanted)
}

/// Waits until a terminal does not show what is typed.
fn wait_for_hidden(terminal: &str) {
    let shows = || {
        let about = Command::new("stty").args(["-F", terminal, "-a"]).output().expect("stty starts");
        let about = String::from_utf8_lossy(&about.stdout).into_owned();
        assert!(about.contains("echo"), "{about}");
        !about.split_whitespace().any(|word| word == "-echo")
    };
    while shows() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}
