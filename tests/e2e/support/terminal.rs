//! A terminal, as a person sits at one: what a command shows there, and what is typed.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Command, Stdio};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::program::Ran;

/// Runs a command at a terminal and types this once the command has shown `prompt`. All it showed is in `stderr`.
pub(crate) fn run_at_terminal(mut command: Command, prompt: &str, typed: &str) -> Ran {
    let ours = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).expect("a terminal");
    grantpt(&ours).expect("it may be used");
    unlockpt(&ours).expect("it may be opened");
    let name = ptsname(&ours, Vec::new()).expect("it has a name");
    let other_end =
        open(name.as_c_str(), OFlags::RDWR | OFlags::NOCTTY | OFlags::CLOEXEC, Mode::empty()).expect("it opens");
    let theirs = || Stdio::from(other_end.try_clone().expect("it can be shared"));
    let mut child = command.stdin(theirs()).stdout(theirs()).stderr(theirs()).spawn().expect("the program starts");
    // The program must be the only one that has the other end open. Otherwise reading would never end.
    drop((command, other_end));
    let mut ours = File::from(ours);
    let (mut shown, mut part, mut is_typed) = (Vec::new(), [0; 4096], false);
    while let Ok(n @ 1..) = ours.read(&mut part) {
        shown.extend_from_slice(&part[..n]);
        if !is_typed && String::from_utf8_lossy(&shown).contains(prompt) {
            ours.write_all(typed.as_bytes()).expect("it is typed");
            is_typed = true;
        }
    }
    let code = child.wait().expect("it ends").code();
    Ran { code, stdout: String::new(), stderr: String::from_utf8_lossy(&shown).into_owned() }
}
