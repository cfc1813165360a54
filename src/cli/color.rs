//! Whether what people read has colours: `--color`, or what the terminal and the usual variables say.

use std::ffi::OsString;
use std::io;

use anstream::AutoStream;
use anstyle::{AnsiColor, Style};
use clap::ColorChoice;
use clap::builder::Styles;

/// The styles of help pages and usage errors.
pub(crate) const HELP_STYLES: Styles = Styles::styled()
    .header(Style::new().bold())
    .usage(Style::new().bold())
    .literal(AnsiColor::Cyan.on_default())
    .placeholder(Style::new());

/// Applies the `--color` of a command line to all that is printed from now on, and returns it.
///
/// Help and usage errors are printed before the command line is understood, so the flag is looked for beforehand.
/// Without it, `NO_COLOR`, `CLICOLOR_FORCE` and `TERM` decide, and where the output goes.
pub(crate) fn apply(words: &[OsString]) -> ColorChoice {
    let texts: Vec<&str> = words.iter().filter_map(|word| word.to_str()).collect();
    let apart = texts.windows(2).filter(|pair| pair[0] == "--color").map(|pair| pair[1]);
    let given = texts.iter().filter_map(|word| word.strip_prefix("--color=")).chain(apart).next();
    let (choice, stream) = match given {
        Some("always") => (ColorChoice::Always, anstream::ColorChoice::Always),
        Some("never") => (ColorChoice::Never, anstream::ColorChoice::Never),
        _ => (ColorChoice::Auto, anstream::ColorChoice::Auto),
    };
    stream.write_global();
    choice
}

/// Whether standard error shows colours.
pub(crate) fn on_stderr() -> bool {
    AutoStream::choice(&io::stderr()) != anstream::ColorChoice::Never
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_flag_is_found_in_both_notations_and_anywhere() {
        for (line, choice) in [
            ("", ColorChoice::Auto),
            ("--color always tour", ColorChoice::Always),
            ("tour --color=never", ColorChoice::Never),
            ("tour --color auto", ColorChoice::Auto),
            ("tour --color purple", ColorChoice::Auto),
            ("tour --color", ColorChoice::Auto),
        ] {
            let words: Vec<OsString> = line.split_whitespace().map(OsString::from).collect();
            assert_eq!(apply(&words), choice, "{line}");
        }
        apply(&[]);
    }
}
