//! The address of a PostgreSQL database, and the security of the connection to it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode};

use crate::journal::postgres::tls;

/// An example of a URL, for error messages.
const EXAMPLE: &str = "postgres://user@db.example.com:5432/truedy";
const CONNECT: Duration = Duration::from_secs(5);

/// The address of a PostgreSQL database. Its password, if it has one, is never shown.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresPlace {
    pub(crate) config: Box<Config>,
    pub(crate) secured: Encryption,
    pub(crate) roots: Vec<CertificateDer<'static>>,
    pub(crate) password_file: Option<PasswordFile>,
}

/// Whether the connection is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encryption {
    Never,
    /// Encrypted only if the server supports it and has a trusted certificate. Used for a server on this machine.
    Perhaps,
    Always,
}

impl Encryption {
    /// Returns the encryption for this `sslmode`. `loopback` says whether the host is this machine; it is `None` for a
    /// Unix socket. `None` for an unknown mode.
    fn required(mode: Option<&str>, loopback: Option<bool>) -> Option<Self> {
        match (mode, loopback) {
            (Some("disable"), _)
            | (Some("allow" | "prefer" | "require" | "verify-ca" | "verify-full") | None, None) => Some(Self::Never),
            (Some("allow" | "prefer") | None, Some(true)) => Some(Self::Perhaps),
            // On a connection to another machine, any weaker mode could send the contents of the journal unencrypted.
            (Some("allow" | "prefer" | "require" | "verify-ca" | "verify-full") | None, Some(_)) => Some(Self::Always),
            (Some(_), _) => None,
        }
    }
}

/// The file to take the password from if the URL has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PasswordFile {
    pub(crate) path: PathBuf,
    /// Whether the operator named the file. If so, it must exist.
    pub(crate) named: bool,
}

impl PostgresPlace {
    /// Checks whether a text is meant as the URL of a database.
    pub fn is_url(text: &str) -> bool {
        ["postgres:", "postgresql:"]
            .iter()
            .any(|scheme| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme)))
    }

    /// Checks whether a text seems to contain a password, even if it is not a valid URL.
    pub fn shows_password(text: &str) -> bool {
        let rest = text.split_once("//").map_or(text, |(_, rest)| rest);
        rest.rsplit_once('@').is_some_and(|(before, _)| before.contains(':'))
            || text.to_ascii_lowercase().contains("password")
            || Self::parse(text).is_ok_and(|place| place.config.get_password().is_some())
    }

    /// Parses a URL. The error says what is wrong without repeating any part of the URL.
    pub fn parse(url: &str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("{why}; it looks like {EXAMPLE}"));
        let Some(start) = url.find("://").map(|at| at + 3) else {
            return wrong("it is not a URL");
        };
        // The host starts after the user and password, which may contain any character.
        let host = url.get(start..).and_then(|rest| rest.find('@')).map_or(start, |at| start + at + 1);
        let query = url.get(host..).and_then(|rest| rest.find('?')).map(|at| host + at);
        let (base, query) =
            query.map_or((url, ""), |at| (url.get(..at).unwrap_or(url), url.get(at + 1..).unwrap_or("")));
        let mut mode = None;
        let mut rest = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("sslmode", value)) => mode = Some(value),
                Some(("host" | "port" | "user" | "password" | "dbname" | "application_name" | "options", _)) => {
                    rest.push(pair)
                }
                _ => {
                    return wrong(
                        "after ? it may say sslmode, host, port, application_name and options, and nothing else",
                    );
                }
            }
        }
        let Ok(mut config) = Config::from_str(&format!("{base}?{}", rest.join("&"))) else {
            return wrong(
                "it cannot be read (what is special in a user or password is written as %40 for @, %2F for / and so on)",
            );
        };
        let plain = |text: &str| {
            !text.is_empty() && !text.contains(['/', '?', '#', '@', '=', ':']) && !text.contains(char::is_control)
        };
        if !config.get_user().is_some_and(plain) {
            return wrong("it needs a user");
        }
        if !config.get_dbname().is_some_and(plain) {
            return wrong("it needs the name of a database");
        }
        let local = match config.get_hosts() {
            #[cfg(unix)]
            [Host::Unix(_)] => None,
            // A host with colons is an IPv6 address in brackets.
            [Host::Tcp(name)] if plain(&name.replace(':', "")) => Some(is_loopback(name)),
            [_, _, ..] => return wrong("it must name one host"),
            _ => return wrong("it needs a host"),
        };
        let Some(secured) = Encryption::required(mode, local) else {
            return wrong("sslmode must be disable, prefer, require or verify-full");
        };
        if config.get_application_name().is_none() {
            config.application_name("truedy-mcp");
        }
        set_timeouts(&mut config);
        config.ssl_mode(if secured == Encryption::Always { SslMode::Require } else { SslMode::Disable });
        Ok(Self { config: Box::new(config), secured, roots: Vec::new(), password_file: None })
    }

    /// Also trusts the certificates of a PEM file. It is an error if any of them is invalid.
    pub fn trusting(mut self, pem: &[u8]) -> Result<Self, String> {
        self.roots = tls::certificates(pem)?;
        Ok(self)
    }

    /// Takes the password from this file if the URL has none. `named` says that the operator named the file.
    #[must_use]
    pub fn with_password_file(mut self, path: PathBuf, named: bool) -> Self {
        self.password_file = Some(PasswordFile { path, named });
        self
    }

    /// Returns the password in the URL, so that the redactor can hide it.
    pub fn password(&self) -> Option<String> {
        self.config.get_password().map(|password| String::from_utf8_lossy(password).into_owned())
    }

    pub(crate) fn host(&self) -> String {
        match self.config.get_hosts().first() {
            Some(Host::Tcp(name)) => name.clone(),
            #[cfg(unix)]
            Some(Host::Unix(directory)) => directory.display().to_string(),
            None => String::new(),
        }
    }

    pub(crate) fn port(&self) -> u16 {
        self.config.get_ports().last().copied().unwrap_or(5432)
    }
}

/// Limits how long the connection may hang before it counts as broken.
fn set_timeouts(config: &mut Config) {
    config.connect_timeout(CONNECT).tcp_user_timeout(Duration::from_secs(15));
    config.keepalives(true).keepalives_idle(Duration::from_secs(10));
    config.keepalives_interval(Duration::from_secs(5)).keepalives_retries(3);
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The address as people read it: `user@host:port/database`.
impl fmt::Display for PostgresPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (user, database) =
            (self.config.get_user().unwrap_or_default(), self.config.get_dbname().unwrap_or_default());
        let host = self.host();
        let host = if host.contains(':') { format!("[{host}]") } else { host };
        write!(formatter, "{user}@{host}:{}/{database}", self.port())
    }
}

impl fmt::Debug for PostgresPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "PostgresPlace({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_secured_wherever_it_leaves_the_machine() {
        for (url, secured, shown) in [
            ("postgres://u@db.example.com/d", Encryption::Always, "u@db.example.com:5432/d"),
            ("postgresql://u:pw@db.example.com:6543/d?sslmode=prefer", Encryption::Always, "u@db.example.com:6543/d"),
            ("postgres://u@10.0.0.1/d?sslmode=allow", Encryption::Always, "u@10.0.0.1:5432/d"),
            ("postgres://u@db.example.com/d?sslmode=disable", Encryption::Never, "u@db.example.com:5432/d"),
            ("postgres://u@localhost.example.com/d", Encryption::Always, "u@localhost.example.com:5432/d"),
            ("postgres://u@localhost/d", Encryption::Perhaps, "u@localhost:5432/d"),
            ("postgres://u@127.0.0.1/d?application_name=x", Encryption::Perhaps, "u@127.0.0.1:5432/d"),
            ("postgres://u@[::1]:1/d", Encryption::Perhaps, "u@[::1]:1/d"),
            ("postgres://u@localhost/d?sslmode=verify-full", Encryption::Always, "u@localhost:5432/d"),
            ("postgres://u@%2Frun%2Fpostgresql/d", Encryption::Never, "u@/run/postgresql:5432/d"),
            ("postgres://u@/d?host=/run/postgresql&sslmode=require", Encryption::Never, "u@/run/postgresql:5432/d"),
        ] {
            let place = PostgresPlace::parse(url).expect(url);
            assert_eq!((place.secured, place.to_string().as_str()), (secured, shown), "{url}");
        }
    }

    #[test]
    fn what_would_be_misread_is_refused_and_not_repeated() {
        for url in [
            "postgres://",
            "postgres://db.example.com/d",
            "postgres://u@db.example.com",
            "postgres://u@/d",
            "postgres://u@a,b/d",
            "postgres://u@a/d?sslmode=maybe",
            "postgres://u@a/d?hostaddr=127.0.0.1",
            "postgres://u@a/d?channel_binding=require",
            "postgres://u@a:99999/d",
            "postgres://u:hunter2@hunter2@a/d",
            "postgres://u:hunter2/hunter2",
            "postgres:u@a/d",
            "postgres://a/d?password=hunter2@b",
            "postgres://u@a/d/hunter2",
        ] {
            let error = PostgresPlace::parse(url).expect_err(url);
            assert!(error.contains(EXAMPLE) && !error.contains("hunter2"), "{url}: {error}");
        }
    }

    #[test]
    fn a_password_shows_nowhere_and_is_noticed_everywhere() {
        for url in [
            "postgres://u:hunter2@db.example.com/d",
            "postgres://u@db.example.com/d?password=hunter2",
            "postgres://db.example.com/d?user=u&password=hunter2",
        ] {
            let place = PostgresPlace::parse(url).expect(url);
            assert_eq!(place.password().as_deref(), Some("hunter2"), "{url}");
            assert!(!format!("{place} {place:?} {:?}", Some(&place)).contains("hunter2"));
            assert!(PostgresPlace::shows_password(url), "{url}");
        }
        for url in ["postgres://u:p@", "x://u:p@q", "postgres://u:p@ss@a", "PASSWORD=x", "u:p@a"] {
            assert!(PostgresPlace::shows_password(url), "{url}");
        }
        for url in ["postgres://u@db.example.com:5432/d", "sqlite", "memory", "postgres://u@[::1]:5/d"] {
            assert!(!PostgresPlace::shows_password(url), "{url}");
        }
    }
}
