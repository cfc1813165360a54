//! A command that is run to its end with a home of its own, and what must hold of how it ended.

use serde_json::Value;
use tempfile::TempDir;

use crate::support::program::{Ran, program, run};

/// Runs the program with these arguments and a home of its own.
pub(super) fn truedy(arguments: &[&str]) -> Ran {
    truedy_with(arguments, &[], "")
}

pub(super) fn truedy_with(arguments: &[&str], variables: &[(&str, &str)], input: &str) -> Ran {
    let home = TempDir::new().unwrap();
    let mut command = program();
    command.args(arguments).env("HOME", home.path()).envs(variables.iter().copied());
    run(command, input)
}

impl Ran {
    #[track_caller]
    pub(super) fn fine(self) -> String {
        assert_eq!(self.code, Some(0), "{}\n{}", self.stdout, self.stderr);
        self.stdout
    }

    #[track_caller]
    pub(super) fn json(self) -> Value {
        let text = self.fine();
        serde_json::from_str(&text).unwrap_or_else(|_| panic!("not JSON: {text}"))
    }

    /// Refused with this exit code and one sentence, and nothing on standard output.
    #[track_caller]
    pub(super) fn refused(self, code: i32) -> String {
        assert_eq!(self.code, Some(code), "{}\n{}", self.stdout, self.stderr);
        assert_eq!(self.stdout, "", "{}", self.stderr);
        assert_eq!(self.stderr.lines().count(), 1, "{}", self.stderr);
        assert!(self.stderr.starts_with("truedy-mcp: "), "{}", self.stderr);
        self.stderr
    }
}
