//! What a person types at the terminal, as an answer to a question.

use std::io::{self, IsTerminal};

use tokio_util::sync::CancellationToken;

use crate::cli::output::person_line;

/// Whether a person can be asked: what is typed comes from a terminal, and questions are shown there.
pub(crate) fn can_be_asked() -> bool {
    io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// Returns what a person types, without spaces around it. Empty if the person ends the program meanwhile.
pub(crate) async fn typed(unwanted: &CancellationToken) -> String {
    let line = tokio::task::spawn_blocking(person_line);
    tokio::select! {
        line = line => line.unwrap_or_default().trim().to_owned(),
        () = unwanted.cancelled() => String::new(),
    }
}

/// Whether an answer is a yes.
pub(crate) fn is_yes(answer: &str) -> bool {
    matches!(answer.to_ascii_lowercase().as_str(), "y" | "yes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_yes_is_a_yes() {
        for (answer, yes) in
            [("y", true), ("YES", true), ("", false), ("n", false), ("yes please", false), ("0100", false)]
        {
            assert_eq!(is_yes(answer), yes, "{answer}");
        }
    }
}
