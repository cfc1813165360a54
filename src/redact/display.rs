//! Decides whether a path, a variable name or a program name may be shown. A key that was entered there by mistake may
//! not.

use std::path::Path;

use crate::redact::key_form::{KEY_RUN, is_key, looks_like_key};

/// Start of the text that replaces a value that is not shown.
pub const NOT_REPEATED: &str = "(not repeated: ";

/// Whether a text holds what is certainly a key: of Truedy, of this server, of Telnyx or of Twilio.
///
/// 32 hexadecimal digits alone do not count, since they may be an id.
pub fn is_certain_key(text: &str) -> bool {
    let is_bare_hex = |word: &str| word.bytes().all(|b| b.is_ascii_hexdigit());
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_' && c != '-')
        .any(|word| is_key(word) && !is_bare_hex(word))
}

/// Returns the path if it is plausible, otherwise a text in its place.
pub fn shown_path(path: &Path) -> String {
    if is_plausible_path(path) {
        path.display().to_string()
    } else {
        "(not repeated: it is no plausible path)".to_owned()
    }
}

/// Returns the name of the variable if it is plausible, otherwise a text in its place.
pub fn shown_variable(name: &str) -> String {
    if is_plausible_variable(name) {
        name.to_owned()
    } else {
        "(not repeated: it is no plausible name of a variable)".to_owned()
    }
}

/// Returns the name of the program if it exists or is a plausible path, otherwise a text in its place.
pub fn shown_program(program: &str) -> String {
    let exists = |path: &Path| path.is_file();
    let in_path = || {
        // The folders that the system searches if PATH is not set.
        let folders = std::env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
        std::env::split_paths(&folders).any(|folder| exists(&folder.join(program)))
    };
    let is_program = !program.is_empty() && (exists(Path::new(program)) || (!program.contains('/') && in_path()));
    if is_program || (is_plausible_path(Path::new(program)) && program.contains('/')) {
        program.to_owned()
    } else {
        "(not repeated: there is no such program)".to_owned()
    }
}

/// Whether this can be the name of a variable and no secret. It has only capitals, digits and `_`, or the variable is
/// set.
pub fn is_plausible_variable(name: &str) -> bool {
    let is_name = !name.starts_with(|c: char| c.is_ascii_digit())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
        && (1..=80).contains(&name.len());
    let is_usual = name.bytes().all(|b| !b.is_ascii_lowercase()) && name.bytes().any(|b| b.is_ascii_uppercase());
    is_name && !looks_like_key(name) && !has_random_part(name) && (is_usual || std::env::var_os(name).is_some())
}

/// Whether this can be a path and no secret: it exists, or has a usual root, folder or extension.
pub fn is_plausible_path(path: &Path) -> bool {
    const ENDS: [&str; 14] =
        ["toml", "pem", "key", "crt", "cer", "txt", "json", "jsonl", "log", "token", "secret", "sock", "db", "pgpass"];
    let text = path.to_string_lossy();
    let plain = |c: char| c.is_alphanumeric() || "/\\._-~ :()#@,".contains(c);
    if looks_like_key(&text) || text.contains("://") || !text.chars().all(plain) || has_random_part(&text) {
        return false;
    }
    let ends = || path.extension().and_then(|end| end.to_str()).is_some_and(|end| ENDS.contains(&end));
    // A base64 secret may begin with a slash too, but no folder of that name exists.
    let first = || path.components().take(2).collect::<std::path::PathBuf>().exists();
    let rooted = || path.has_root() && (first() || path.components().count() > 2);
    path.exists()
        || rooted()
        || text.starts_with(['~', '.'])
        || ends()
        || (path.components().count() > 1 && path.parent().is_some_and(Path::exists))
}

/// Whether a text has a run of at least 16 letters and digits with both digits and capitals.
fn has_random_part(text: &str) -> bool {
    let random = |run: &str| {
        let has = |is: fn(&u8) -> bool| run.bytes().any(|b| is(&b));
        let all = has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase);
        run.len() >= KEY_RUN && (all || (has(u8::is_ascii_digit) && has(u8::is_ascii_uppercase)))
    };
    text.split(|c: char| !c.is_ascii_alphanumeric()).any(random)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_told_from_paths_and_names() {
        for key in [
            "truedy_SandboxFirstKey00000000000000001",
            "tmcp_q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6j7k8l9z0x1c",
            "KEY018E0123456789ABCDEF0123456789_aBcDeFgHiJkLmNoPqRsTuV",
            "0123456789abcdef0123456789abcdef",
            "hunter2",
            "Tr0ub4dor&3",
            "/aB3+dEf9==",
            "AbCdEfGh1234567890",
            "http://user:hunter2@proxy/x",
        ] {
            for said in [shown_path(Path::new(key)), shown_variable(key), shown_program(key)] {
                assert!(said.starts_with("(not repeated"), "{key}: {said}");
            }
        }
        for path in [
            "/nowhere/ca.pem",
            "/nowhere/x",
            "/dev/null/nowhere",
            "~/keys/truedy",
            "tokens.toml",
            "./x",
            "/etc",
            "C:/x.pem",
        ] {
            assert_eq!(shown_path(Path::new(path)), path);
        }
        for name in ["TRUEDY_API_KEY", "ACME_2", "X"] {
            assert_eq!(shown_variable(name), name);
        }
        assert_eq!(
            (shown_program("sh"), shown_program("/no/such/program")),
            ("sh".to_owned(), "/no/such/program".to_owned())
        );
    }

    #[test]
    fn an_id_may_look_like_a_key_and_a_key_of_ours_is_one_for_certain() {
        assert!(!is_certain_key("0123456789abcdef0123456789abcdef"));
        assert!(is_certain_key("x tmcp_q1w2e3r4t5y6u7i8o9p0a1s2d3f4g5h6j7k8l9z0x1c"));
        assert!(is_certain_key("SK0123456789abcdef0123456789abcdef"));
    }
}
