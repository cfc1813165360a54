//! Questions to a person, over any reader and writer.

use std::io::{self, BufRead, Write};

/// Longest answer that is read, in bytes.
const LONGEST: u64 = 4096;

/// Asks a person, and reads the answers.
pub(super) struct Dialogue<R, W> {
    input: R,
    output: W,
}

impl<R: BufRead, W: Write> Dialogue<R, W> {
    pub(super) fn new(input: R, output: W) -> Self {
        Self { input, output }
    }

    /// Says a sentence. A closed terminal is noticed at the next question.
    pub(super) fn say(&mut self, text: &str) {
        drop(writeln!(self.output, "{text}").and_then(|()| self.output.flush()));
    }

    /// Shows a question, without the end of the line.
    pub(super) fn prompt(&mut self, text: &str) {
        drop(write!(self.output, "{text} ").and_then(|()| self.output.flush()));
    }

    /// Asks for a line. An error if the person has ended the input.
    pub(super) fn line(&mut self, question: &str) -> io::Result<String> {
        self.prompt(question);
        let mut line = String::new();
        let read = io::Read::take(&mut self.input, LONGEST).read_line(&mut line)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(line.trim().to_owned())
    }

    /// Asks a question that is answered by yes or no. An empty line is the usual answer.
    pub(super) fn yes(&mut self, question: &str, usual: bool) -> io::Result<bool> {
        let choice = if usual { "[Y/n]" } else { "[y/N]" };
        loop {
            match self.line(&format!("{question} {choice}"))?.to_lowercase().as_str() {
                "" => return Ok(usual),
                "y" | "yes" => return Ok(true),
                "n" | "no" => return Ok(false),
                _ => self.say("Type y or n."),
            }
        }
    }

    /// Asks for one of several choices, counted from 1. An empty line is the first.
    pub(super) fn choice(&mut self, question: &str, choices: &[&str]) -> io::Result<usize> {
        self.say(question);
        for (at, choice) in choices.iter().enumerate() {
            self.say(&format!("  {}  {choice}", at + 1));
        }
        loop {
            let line = self.line("Which? [1]")?;
            let number = if line.is_empty() { Ok(1) } else { line.parse::<usize>() };
            match number {
                Ok(number) if (1..=choices.len()).contains(&number) => return Ok(number),
                _ => self.say(&format!("Type a number from 1 to {}.", choices.len())),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked<T>(typed: &str, ask: impl FnOnce(&mut Dialogue<&[u8], Vec<u8>>) -> io::Result<T>) -> (Option<T>, String) {
        let mut dialogue = Dialogue::new(typed.as_bytes(), Vec::new());
        let answer = ask(&mut dialogue).ok();
        (answer, String::from_utf8(dialogue.output).expect("text"))
    }

    #[test]
    fn an_answer_is_asked_for_until_it_is_one() {
        for (typed, usual, answer) in [
            ("\n", true, Some(true)),
            ("\n", false, Some(false)),
            ("Y\n", false, Some(true)),
            ("perhaps\nno\n", true, Some(false)),
            ("perhaps\n", true, None),
            ("", true, None),
        ] {
            assert_eq!(asked(typed, |dialogue| dialogue.yes("Sure?", usual)).0, answer, "{typed:?}");
        }
        for (typed, answer) in [("\n", Some(1)), ("2\n", Some(2)), ("3\n0\nx\n2\n", Some(2)), ("3\n", None)] {
            let (chosen, said) = asked(typed, |dialogue| dialogue.choice("Which?", &["one", "two"]));
            assert_eq!(chosen, answer, "{typed:?}");
            assert!(said.contains("  2  two\n"), "{said}");
        }
    }
}
