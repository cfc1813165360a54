//! The guide of the tour: calls the tools, compares each answer with what is expected, and prints what people see.

use std::fmt::Display;

use anstyle::{AnsiColor, Style};
use serde_json::Value;

use crate::cli::output::print_styled;
use crate::cli::table::{ALERT, FAINT, GOOD, STRONG, WARNING};
use crate::domain::{Status, numbers_for_people};
use crate::mcp::{AnsweredQuestion, TourClient};

/// The style of who speaks.
const SPEAKER: Style = AnsiColor::Cyan.on_default().bold();

/// Runs the steps of the tour: prints what happens, and stops at an unexpected answer.
pub(crate) struct TourGuide {
    client: TourClient,
    /// Whether each call and its answer are printed in JSON, in the place of the scenes.
    verbose: bool,
    step: u32,
}

impl TourGuide {
    pub(crate) fn new(client: TourClient, verbose: bool) -> Self {
        Self { client, verbose, step: 0 }
    }

    /// Prints the title.
    pub(crate) fn begin(&self, tools: &[String]) {
        print_styled(&format!(
            "{STRONG}truedy-mcp tour{STRONG:#}  {FAINT}made-up numbers, no account, no money · Ctrl-C to leave{FAINT:#}\n"
        ));
        if self.verbose {
            print_styled(&format!("A real client over stdio. {} tools: {}.\n", tools.len(), tools.join(", ")));
        }
    }

    /// Prints what the person asks for.
    pub(crate) fn person(&self, wish: &str) {
        self.show(&format!("\n{SPEAKER}You{SPEAKER:#}     {wish}"));
    }

    /// Prints a call in a few words.
    pub(crate) fn tool(&self, tool: &str, about: &str) {
        self.show(&format!("        {FAINT}{tool}  {about}{FAINT:#}"));
    }

    /// Prints a fact.
    pub(crate) fn fact(&self, fact: &str) {
        self.show(&format!("        {fact}"));
    }

    /// Prints what went well.
    pub(crate) fn good(&self, what: &str) {
        self.mark(GOOD, '✓', what);
    }

    /// Prints what was refused.
    pub(crate) fn refused(&self, what: &str) {
        self.mark(ALERT, '✗', what);
    }

    /// Prints what is not known yet.
    pub(crate) fn unknown(&self, what: &str) {
        self.mark(WARNING, '?', what);
    }

    fn mark(&self, style: Style, sign: char, what: &str) {
        self.show(&format!("  {style}{sign}{style:#}     {what}"));
    }

    fn show(&self, line: &str) {
        if !self.verbose {
            print_styled(&format!("{line}\n"));
        }
    }

    /// Calls a tool and expects this status. No question is expected.
    pub(crate) async fn call(
        &mut self,
        tool: &'static str,
        arguments: Value,
        expected: Status,
    ) -> Result<Value, String> {
        let (answer, asked) = self.put(tool, arguments, expected).await?;
        match asked.first() {
            None => Ok(answer),
            Some(asked) => Err(format!("step {} asked: {}", self.step, asked.question)),
        }
    }

    /// Calls a tool that must ask the person, and expects this status. `digits` says that digits must be typed.
    pub(crate) async fn ask(
        &mut self,
        tool: &'static str,
        arguments: Value,
        expected: Status,
        digits: Option<&str>,
    ) -> Result<Value, String> {
        let (answer, asked) = self.put(tool, arguments, expected).await?;
        let [asked] = asked.as_slice() else {
            return Err(format!("step {} asked {} questions, not one", self.step, asked.len()));
        };
        let question = asked.question.split_inclusive('?').next().unwrap_or_default();
        let typed = asked.answer.get("last4").and_then(Value::as_str);
        if typed != digits {
            return Err(format!("step {} asked for {typed:?}, not {digits:?}", self.step));
        }
        let how = typed.map_or("yes".to_owned(), |typed| format!("{typed}, its last four digits"));
        self.show(&format!(" {WARNING}ask{WARNING:#}    {question}  {STRONG}you: {how}{STRONG:#}"));
        Ok(answer)
    }

    async fn put(
        &mut self,
        tool: &'static str,
        arguments: Value,
        expected: Status,
    ) -> Result<(Value, Vec<AnsweredQuestion>), String> {
        self.step += 1;
        let given = arguments.to_string();
        let (answer, is_error) = self.client.call(tool, arguments).await?;
        let asked = self.client.asked();
        if self.verbose {
            print_styled(&format!("\n{STRONG}{}. {tool}{STRONG:#} {given}\n", self.step));
            for one in &asked {
                print_styled(&format!(
                    "{WARNING}asked:{WARNING:#} {}\n{WARNING}answer:{WARNING:#} {}\n",
                    one.question, one.answer
                ));
            }
            let mark = if is_error { "refused" } else { "answer" };
            print_styled(&format!("{mark}: {}\n", serde_json::to_string_pretty(&answer).unwrap_or_default()));
        }
        let status = text(&answer, "status");
        if status == expected.as_str() {
            Ok((answer, asked))
        } else {
            Err(format!(
                "step {} ({tool}) answered {status}, not {}: {}",
                self.step,
                expected.as_str(),
                text(&answer, "summary")
            ))
        }
    }

    /// Returns the answer of a call without showing it.
    pub(crate) async fn look(&self, tool: &'static str, arguments: Value) -> Result<Value, String> {
        self.client.call(tool, arguments).await.map(|(answer, _)| answer)
    }

    /// Ends the connection, and with it the server.
    pub(crate) async fn leave(self) {
        self.client.leave().await;
    }
}

/// Returns a text field of an answer. Empty if it is missing.
pub(crate) fn text<'a>(object: &'a Value, field: &str) -> &'a str {
    object.get(field).and_then(Value::as_str).unwrap_or_default()
}

/// Returns the rows of a list in an answer.
pub(crate) fn rows<'a>(answer: &'a Value, list: &str) -> &'a [Value] {
    answer.get(list).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}

/// Returns an error that names a value that is not as expected.
pub(crate) fn expect(what: &str, found: impl Display, expected: impl Display) -> Result<(), String> {
    let (found, expected) = (found.to_string(), expected.to_string());
    if found == expected { Ok(()) } else { Err(format!("{what} is {found}, not {expected}")) }
}

/// Returns a number as people read it.
pub(crate) fn shown(number: &str) -> String {
    numbers_for_people(number)
}
