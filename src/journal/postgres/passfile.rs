//! The password file of PostgreSQL's own programs. Each line is `host:port:database:user:password`.

use std::io;
use std::path::Path;

use crate::files::linked_private_bytes;

/// What a password is looked up by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct PasswordLookup<'a> {
    /// The host. For a Unix socket, it is `localhost` or, in an unusual directory, that directory.
    pub(crate) host: &'a str,
    pub(crate) port: u16,
    pub(crate) database: &'a str,
    pub(crate) user: &'a str,
}

/// Returns the password of the first line that matches. `None` if no line matches.
///
/// A field that is only `*` matches anything. `\\:` and `\\\\` stand for `:` and `\\` themselves.
pub(crate) fn find(text: &str, wanted: PasswordLookup<'_>) -> Option<String> {
    let port = wanted.port.to_string();
    let keys = [wanted.host, &port, wanted.database, wanted.user];
    text.lines().map(|line| line.trim_end_matches('\r')).filter(|line| !line.starts_with('#')).find_map(|line| {
        let mut rest = line;
        for key in keys {
            let (field, after) = field(rest)?;
            if field != PassfileField::Any && field != PassfileField::Text(key.to_owned()) {
                return None;
            }
            rest = after;
        }
        let password = unescaped(rest);
        (!password.is_empty()).then_some(password)
    })
}

#[derive(Debug, PartialEq, Eq)]
enum PassfileField {
    Any,
    Text(String),
}

/// Splits a text at the first colon that is not escaped. Returns the field before it and the rest after it.
fn field(text: &str) -> Option<(PassfileField, &str)> {
    let mut escaped = false;
    let end = text.char_indices().find_map(|(at, c)| {
        let ends = c == ':' && !escaped;
        escaped = c == '\\' && !escaped;
        ends.then_some(at)
    })?;
    let (field, rest) = text.split_at(end);
    let field = if field == "*" { PassfileField::Any } else { PassfileField::Text(unescaped(field)) };
    Some((field, rest.get(1..)?))
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(c) = characters.next() {
        // A backslash at the end stands for itself.
        plain.push(if c == '\\' { characters.next().unwrap_or(c) } else { c });
    }
    plain
}

/// Reads the file. It is an error if others can read it.
///
/// It is also an error if it is larger than 1 MiB or is not a regular file.
pub(crate) fn read(file: &Path) -> io::Result<String> {
    let bytes = linked_private_bytes(file, 1 << 20).map_err(|error| match error.kind() {
        io::ErrorKind::FileTooLarge => io::Error::other("it is too large"),
        _ => error,
    })?;
    String::from_utf8(bytes)
        .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "stream did not contain valid UTF-8"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const WANTED: PasswordLookup<'_> =
        PasswordLookup { host: "db.example.com", port: 5432, database: "truedy", user: "app" };

    #[test]
    fn the_first_line_that_fits_counts() {
        for (text, password) in [
            ("db.example.com:5432:truedy:app:secret", Some("secret")),
            ("*:*:*:*:any", Some("any")),
            ("# db.example.com:5432:truedy:app:comment\n\n*:*:*:app:second\n*:*:*:*:third", Some("second")),
            ("db.example.com:5433:truedy:app:port\ndb.example.com:5432:*:app:right\r\n", Some("right")),
            ("other:5432:truedy:app:x", None),
            ("db.example.com:5432:truedy:app", None),
            ("db.example.com:5432:truedy:app:", None),
            ("db.example.com:5432:truedy:ap*:x", None),
            ("*:*:*:*:with:colons:in it", Some("with:colons:in it")),
            (r"*:*:*:*:a\:b\\c\d", Some(r"a:b\cd")),
            (r"*:*:*:*:end\", Some(r"end\")),
            ("", None),
        ] {
            assert_eq!(find(text, WANTED).as_deref(), password, "{text}");
        }
    }

    #[test]
    fn escaped_names_are_told_from_wildcards_and_separators() {
        let odd = PasswordLookup { host: "::1", database: r"a\b", user: "*", ..WANTED };
        assert_eq!(find(r"\:\:1:5432:a\\b:\*:x", odd).as_deref(), Some("x"));
        assert_eq!(find(r"\:\:1:5432:a\\b:\*:x", PasswordLookup { user: "app", ..odd }), None);
    }

    #[test]
    fn a_file_that_others_can_read_is_refused() {
        let home = tempfile::tempdir().expect("a directory");
        let file = home.path().join("pgpass");
        fs::write(&file, "*:*:*:*:x").expect("written");
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(&file, fs::Permissions::from_mode(0o640)).expect("mode");
            assert!(read(&file).expect_err("refused").to_string().contains("chmod 600"));
            fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).expect("mode");
        }
        assert_eq!(read(&file).expect("read"), "*:*:*:*:x");
        assert!(read(home.path()).is_err());
        assert!(read(&home.path().join("none")).is_err());
    }
}
