//! A line on standard error that says what a person at a terminal is waiting for, and for how long.
//!
//! It is rewritten in its place and removed at the end. It has no colour and no escape sequence.

use std::io::{self, IsTerminal, Write};
use std::sync::Arc;
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::cli::terminal_width::width;

/// How long a command may take before the line is shown.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the line is written again.
const TICK: Duration = Duration::from_millis(250);

/// How many characters of the line are shown now. Whoever writes to standard error holds this lock.
static SHOWN: Mutex<usize> = Mutex::new(0);

/// What is being waited for. The line is removed when this value is dropped.
pub(crate) struct ProgressLine {
    text: Arc<Mutex<String>>,
    thread: Option<(Sender<()>, JoinHandle<()>)>,
}

impl ProgressLine {
    /// Begins to wait. Nothing is ever shown if standard error is no terminal, or one that cannot rewrite a line.
    pub(crate) fn begin(text: impl Into<String>) -> Self {
        let text = Arc::new(Mutex::new(text.into()));
        let can_rewrite = io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let thread = can_rewrite.then(|| rewriting(Arc::clone(&text))).flatten();
        Self { text, thread }
    }

    /// Says from now on what is being waited for.
    pub(crate) fn say(&self, text: impl Into<String>) {
        *self.text.lock() = text.into();
    }

    /// Whether the line is shown once it takes long.
    pub(crate) fn is_shown(&self) -> bool {
        self.thread.is_some()
    }
}

impl Drop for ProgressLine {
    fn drop(&mut self) {
        if let Some((end, thread)) = self.thread.take() {
            drop(end);
            drop(thread.join());
            above(|_| ());
        }
    }
}

/// Starts a thread that writes the line again and again, until the sender is dropped.
fn rewriting(text: Arc<Mutex<String>>) -> Option<(Sender<()>, JoinHandle<()>)> {
    let (end, ended) = channel();
    let since = Instant::now();
    let rewrite = move || {
        let mut pause = PATIENCE;
        while ended.recv_timeout(pause) == Err(RecvTimeoutError::Timeout) {
            let line = line(&text.lock(), since.elapsed(), width(&io::stderr()));
            above(|shown| {
                // A write fails if the terminal is gone. That must not stop the work.
                drop(write!(io::stderr().lock(), "{line}"));
                *shown = line.chars().count();
            });
            pause = TICK;
        }
    };
    Some((end, Builder::new().name("progress".to_owned()).spawn(rewrite).ok()?))
}

/// Returns the line. It is shorter than the terminal is wide, since a line that is broken cannot be rewritten.
fn line(text: &str, waited: Duration, width: usize) -> String {
    let whole = format!("truedy-mcp: {text} ({} s)", waited.as_secs());
    whole.chars().take(width.saturating_sub(1)).collect()
}

/// Removes the line, and writes something in its place. The line comes back below it.
pub(crate) fn above(write: impl FnOnce(&mut usize)) {
    let mut shown = SHOWN.lock();
    if *shown > 0 {
        drop(write!(io::stderr().lock(), "\r{}\r", " ".repeat(*shown)));
        *shown = 0;
    }
    write(&mut shown);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_is_shorter_than_the_terminal() {
        let waited = Duration::from_millis(4_900);
        assert_eq!(line("100 of 300 numbers are read", waited, 80), "truedy-mcp: 100 of 300 numbers are read (4 s)");
        assert_eq!(line(&"é".repeat(100), waited, 40).chars().count(), 39);
    }

    #[test]
    fn nothing_is_shown_where_no_person_looks() {
        // The tests have no terminal, or one that they share; a value that shows nothing needs no thread.
        let waiting = ProgressLine { text: Arc::default(), thread: None };
        waiting.say("x");
        assert!(!waiting.is_shown() && *SHOWN.lock() == 0);
    }
}
