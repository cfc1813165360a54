//! Parses settings that are paths: expands the home directory and refuses placeholders that were not expanded.
//!
//! A shell expands `~` and variables, but most clients do not. Taken literally, such a path is a different folder for
//! each working directory. Each folder would have its own journal, and so its own limits.

use std::path::{Path, PathBuf};

use clap::builder::{PathBufValueParser, TypedValueParser};

/// The notations of the home directory at the start of a path.
const HOMES: [&str; 3] = ["~", "$HOME", "${HOME}"];

/// What to write instead of a path that cannot be used.
const WHOLE: &str = "write the whole path, for example /home/ana/truedy-mcp, or begin it with ~/";

/// Parses the path of the state directory, which must be absolute.
/// A relative path is a different folder for each working directory. Each folder would have its own journal, and so its
/// own limits.
pub fn state_dir_setting() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path: PathBuf| {
        let path = expanded(&path)?;
        if path.is_absolute() {
            return Ok(path);
        }
        Err(format!(
            "it is relative, so it would be another folder, with limits of its own, for each working directory; {WHOLE}"
        ))
    })
}

/// Parses a path from the command line or from a variable.
pub fn path_setting() -> impl TypedValueParser<Value = PathBuf> {
    PathBufValueParser::new().try_map(|path: PathBuf| expanded(&path))
}

/// Expands `~`, `$HOME` or `${HOME}` at the start of a path to the home directory.
/// The path comes from the configuration file, a flag or a variable. A relative path stays relative.
///
/// Errors: a placeholder was not expanded, the path is quoted or a URL, or no home directory is known.
pub fn expanded(path: &Path) -> Result<PathBuf, String> {
    let rest = HOMES.iter().find_map(|home| path.strip_prefix(home).ok());
    if let Some(placeholder) = unexpanded(&rest.unwrap_or(path).to_string_lossy()) {
        return Err(format!(
            "{placeholder} stands in it literally: the client that started this program did not expand it; {WHOLE}"
        ));
    }
    let Some(rest) = rest else {
        if !path.has_root() {
            check_front(&path.to_string_lossy())?;
        }
        return Ok(path.to_owned());
    };
    let home = std::env::home_dir().filter(|home| home.is_absolute());
    home.map(|home| if rest.as_os_str().is_empty() { home } else { home.join(rest) })
        .ok_or_else(|| "no home directory is known; write the whole path, for example /home/ana/truedy-mcp".to_owned())
}

/// Returns the first placeholder in a path: `${…}`, `$NAME`, `%NAME%`, `{{…}}`, or `~` with a user's name at the start.
fn unexpanded(text: &str) -> Option<String> {
    if text.starts_with('~') {
        return Some("~".to_owned());
    }
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, '_' | '(' | ')');
    for (at, c) in text.char_indices() {
        let behind = text.get(at + c.len_utf8()..).unwrap_or_default();
        match c {
            '$' if behind.starts_with('{') => return Some(format!("${}", until(behind, '}'))),
            '$' if behind.starts_with(|c: char| c.is_alphabetic() || c == '_' || c == '(') => {
                let name: String = behind.chars().take_while(|c| is_name(*c) || *c == ':').collect();
                return Some(word(&format!("${name}"), "$"));
            }
            '{' if behind.starts_with('{') => return Some(format!("{{{}", until(behind, '}'))),
            '%' => {
                let name = behind.split_once('%').map(|(name, _)| name).unwrap_or_default();
                if name.starts_with(|c: char| c.is_alphabetic() || c == '_') && name.chars().all(is_name) {
                    return Some(format!("%{name}%"));
                }
            }
            _ => {}
        }
    }
    None
}

/// Checks how a relative path begins. A quote, a URL or a placeholder at the start is not the name of an intended
/// folder.
fn check_front(text: &str) -> Result<(), String> {
    let front = text.split(['/', '\\']).next().unwrap_or_default();
    let first = text.chars().next().unwrap_or('.');
    if "\"'`\u{2018}\u{2019}\u{201c}\u{201d}\u{201e}\u{ab}".contains(first) {
        return Err(format!("it begins with a quote, which no shell has taken off; {WHOLE}, without quotes around it"));
    }
    if first.is_whitespace() {
        return Err(format!("it begins with a space; {WHOLE}"));
    }
    // A scheme has more than one letter; a drive of Windows has exactly one.
    let scheme = front.split_once(':').map(|(scheme, _)| scheme).filter(|scheme| scheme.chars().count() > 1);
    if let Some(scheme) =
        scheme.filter(|scheme| scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-._".contains(c)))
    {
        let scheme = word(scheme, "a scheme and ");
        return Err(format!("it begins with {scheme}: as a URL does, and a path is expected; {WHOLE}"));
    }
    let is_framed = front.len() > 4 && front.starts_with("__") && front.ends_with("__");
    if is_framed || !(first.is_alphanumeric() || "._-".contains(first)) {
        let shown: String = if front.is_empty() { first.to_string() } else { front.chars().take(40).collect() };
        let shown = word(&shown, &first.to_string());
        return Err(format!(
            "{shown} stands in it literally: the client that started this program did not expand it; {WHOLE}; where a folder has this name, put ./ before it"
        ));
    }
    Ok(())
}

/// Returns the text if it has no digits, as in names of placeholders. Otherwise returns `otherwise`.
/// A text with digits may be a secret.
fn word(text: &str, otherwise: &str) -> String {
    let is_word = !text.chars().any(|c| c.is_ascii_digit());
    if is_word { text.to_owned() } else { otherwise.to_owned() }
}

/// Returns the text up to this character and including it, at most 40 characters.
fn until(text: &str, end: char) -> String {
    let whole = text.find(end).and_then(|at| text.get(..at + end.len_utf8())).unwrap_or(text);
    whole.chars().take(40).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &str) -> Result<PathBuf, String> {
        expanded(Path::new(text))
    }

    #[test]
    fn the_home_directory_is_put_in_at_the_front_alone() {
        let home = std::env::home_dir().expect("a home");
        for text in ["~/truedy", "$HOME/truedy", "${HOME}/truedy"] {
            assert_eq!(read(text), Ok(home.join("truedy")), "{text}");
        }
        assert_eq!(read("~"), Ok(home));
        for plain in [
            "/var/lib/truedy",
            "truedy",
            "./a/../b",
            "/home/x/~old",
            "/srv/{x}/[y]/\"z\"/__w__",
            "./{HOME}/x",
            "./__HOME__",
            "../@scope",
            ".config/x",
            "_private/x",
            "__pycache/x",
            "日本/x",
            "a b/'c'",
            "-",
            "C:x",
            "/a b/100%",
            "/a/50%/b",
            "/cost$",
            "C:\\Users\\x",
            "/dev/fd/3",
        ] {
            assert_eq!(read(plain), Ok(PathBuf::from(plain)), "{plain}");
        }
    }

    #[test]
    fn a_placeholder_that_nobody_expanded_is_refused_and_named() {
        for (text, named) in [
            ("%APPDATA%\\truedy", "%APPDATA%"),
            ("%ProgramFiles(x86)%\\truedy", "%ProgramFiles(x86)%"),
            ("${user_config.dir}/x", "${user_config.dir}"),
            ("${workspaceFolder}", "${workspaceFolder}"),
            ("${env:HOME}/x", "${env:HOME}"),
            ("$XDG_STATE_HOME/x", "$XDG_STATE_HOME"),
            ("$env:APPDATA\\x", "$env:APPDATA"),
            ("$(pwd)/x", "$(pwd)"),
            ("/srv/${TENANT}/x", "${TENANT}"),
            ("~/a/${TENANT}", "${TENANT}"),
            ("/srv/$HOME", "$HOME"),
            ("{{HOME}}/x", "{{HOME}"),
            ("~ana/truedy", "~"),
            ("${HOME", "${HOME"),
        ] {
            let why = read(text).expect_err(text);
            assert!(
                why.starts_with(&format!("{named} stands in it literally")) && why.contains("did not expand it"),
                "{why}"
            );
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_nobody_meant_as_the_front_of_a_path_is_refused() {
        for (text, why) in [
            ("\"~/truedy\"", "begins with a quote"),
            ("'~'/t", "begins with a quote"),
            ("'/var/x'", "begins with a quote"),
            ("\u{201c}/var/x\u{201d}", "begins with a quote"),
            (" /var/x", "begins with a space"),
            ("\u{a0}~/x", "begins with a space"),
            ("file:///tmp/x", "begins with file: as a URL does"),
            ("FILE:/tmp/x", "begins with FILE:"),
            ("vscode-userdata:/x", "begins with vscode-userdata:"),
            ("env:HOME/x", "begins with env:"),
            ("{HOME}/x", "{HOME} stands in it literally"),
            ("[HOME]/x", "[HOME] stands"),
            ("#{HOME}/x", "#{HOME} stands"),
            ("!HOME!/x", "!HOME! stands"),
            ("@@HOME@@/x", "@@HOME@@ stands"),
            ("@HOME@/x", "@HOME@ stands"),
            ("__HOME__/x", "__HOME__ stands"),
            ("__HOME__", "__HOME__ stands"),
            ("\\~/x", "\\ stands"),
            ("\\$HOME/x", "$HOME stands"),
            ("<dir>/x", "<dir> stands"),
            ("(dir)/x", "(dir) stands"),
            ("%h/x", "%h stands"),
            ("%(home)s/x", "%(home)s stands"),
            ("*/x", "* stands"),
            ("\u{feff}/var/x", "stands in it"),
        ] {
            let said = read(text).expect_err(text);
            assert!(said.contains(why) && said.contains("for example /home/ana/truedy-mcp"), "{text}: {said}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn the_state_directory_is_a_whole_path() {
        let read = |text: &str| {
            let command = clap::Command::new("x").arg(clap::Arg::new("dir").value_parser(state_dir_setting()));
            command.try_get_matches_from(["x", text]).map(|found| found.get_one::<PathBuf>("dir").cloned())
        };
        let home = std::env::home_dir().expect("a home");
        assert_eq!(read("~/x").expect("whole"), Some(home.join("x")));
        assert_eq!(read("/var/x").expect("whole"), Some(PathBuf::from("/var/x")));
        for text in ["state", "./state", "../state", ".", "C:\\x", "a b"] {
            let said = read(text).expect_err(text).to_string();
            assert!(said.contains("it is relative") && said.contains("write the whole path"), "{text}: {said}");
        }
    }

    proptest! {
        #[test]
        fn plain_paths_stay_as_they_are(text in "/[a-z0-9 ._/~-]{0,40}") {
            prop_assert_eq!(read(&text), Ok(PathBuf::from(&text)));
        }
    }
}
