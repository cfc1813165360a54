//! Colours: at a terminal, in a pipe, and by the flag and the variables that people know.

use super::run::truedy_with;
use crate::support::program::{Ran, program};
use crate::support::terminal::run_at_terminal;

/// The first characters of a colour.
const ESCAPE: &str = "\u{1b}[";

fn at_terminal(arguments: &[&str], variables: &[(&str, &str)]) -> Ran {
    let mut command = program();
    command.args(arguments).env("TERM", "xterm-256color").envs(variables.iter().copied());
    let ran = run_at_terminal(command, "no prompt", "");
    assert_eq!(ran.code, Some(0), "{}", ran.stderr);
    ran
}

#[test]
fn a_terminal_shows_colours_unless_somebody_says_no() {
    for command in [&["numbers", "--sandbox", "--ephemeral"][..], &["--help"], &["help", "call"]] {
        assert!(at_terminal(command, &[]).stderr.contains(ESCAPE), "{command:?}");
        for no in [("NO_COLOR", "1"), ("TERM", "dumb"), ("CLICOLOR", "0")] {
            let shown = at_terminal(command, &[no]).stderr;
            assert!(!shown.contains(ESCAPE) && shown.len() > 100, "{command:?} {no:?}: {shown}");
        }
        let never = [command, &["--color", "never"]].concat();
        assert!(!at_terminal(&never, &[]).stderr.contains(ESCAPE), "{command:?}");
    }
}

#[test]
fn a_pipe_shows_none_unless_somebody_asks_for_them() {
    for command in [&["numbers", "--sandbox", "--ephemeral"][..], &["--help"], &["help", "call"]] {
        let piped =
            |more: &[&str], variables: &[(&str, &str)]| truedy_with(&[command, more].concat(), variables, "").fine();
        assert!(!piped(&[], &[("TERM", "xterm")]).contains(ESCAPE), "{command:?}");
        assert!(piped(&["--color", "always"], &[("NO_COLOR", "1")]).contains(ESCAPE), "{command:?}");
        assert!(piped(&["--color=always"], &[]).contains(ESCAPE), "{command:?}");
        assert!(piped(&[], &[("CLICOLOR_FORCE", "1")]).contains(ESCAPE), "{command:?}");
        assert!(!piped(&["--color", "never"], &[("CLICOLOR_FORCE", "1")]).contains(ESCAPE), "{command:?}");
    }
    // What other programs read has no colour at all.
    for command in
        [&["numbers", "--sandbox", "--ephemeral", "--json"][..], &["tools", "--json"], &["completions", "bash"]]
    {
        assert!(!truedy_with(command, &[("CLICOLOR_FORCE", "1")], "").fine().contains(ESCAPE), "{command:?}");
    }
}
