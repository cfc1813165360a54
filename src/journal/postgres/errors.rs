//! The errors of a PostgreSQL database, as our own texts.
//!
//! Texts of the server are not shown, since they may contain anything and be in any language.

use deadpool_postgres::PoolError;
use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::journal::store::Unavailable;

/// The kinds of errors that are distinguished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum PostgresFailure {
    /// The server reported this SQLSTATE.
    Reported(SqlState),
    /// No TLS connection could be made.
    Tls,
    /// A setting is missing. It must be the password, since everything else is checked earlier.
    Settings,
    /// The login failed, and the server gave no reason.
    Login,
    /// There was no connection, or it broke.
    Connection,
}

impl PostgresFailure {
    /// Returns the kind of an error.
    ///
    /// The driver has no method for its own kinds. So they are recognised by the start of the error text, which is
    /// fixed by the version of the driver.
    pub(crate) fn of(error: &Error) -> Self {
        if let Some(code) = error.code() {
            return Self::Reported(code.clone());
        }
        let words = error.to_string();
        let begins = |start: &str| words.starts_with(start);
        match () {
            () if begins("error performing TLS handshake") => Self::Tls,
            () if begins("invalid configuration") => Self::Settings,
            () if begins("authentication error") => Self::Login,
            () => Self::Connection,
        }
    }
}

/// Returns the error for a database that did not respond in time.
pub(crate) fn late() -> Unavailable {
    Unavailable::Failed("the database did not answer in time".to_owned())
}

/// Converts an error of the connection pool into a text for operators.
pub(crate) fn explain_pool(error: &PoolError) -> Unavailable {
    match error {
        PoolError::Backend(error) => explain(error),
        _ => late(),
    }
}

/// Converts an error into a text for operators.
pub(crate) fn explain(error: &Error) -> Unavailable {
    let why = match PostgresFailure::of(error) {
        PostgresFailure::Reported(code) => said(&code),
        PostgresFailure::Tls if is_untrusted(error) => {
            "the certificate of the database does not hold; --ca-file trusts a further one"
        }
        PostgresFailure::Tls => "no secure connection to the database can be made",
        PostgresFailure::Settings => "the database wants a password, and there is none",
        PostgresFailure::Login => "the database refused the login",
        PostgresFailure::Connection => "the database cannot be reached",
    };
    tracing::debug!(%error, code = error.code().map(SqlState::code), "the journal");
    Unavailable::Failed(why.to_owned())
}

/// Checks whether an untrusted certificate is the cause.
fn is_untrusted(error: &Error) -> bool {
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        let inner = one.downcast_ref::<std::io::Error>().and_then(|error| error.get_ref());
        let inner = inner.and_then(|error| error.downcast_ref::<rustls::Error>());
        if matches!(inner.or(one.downcast_ref()), Some(rustls::Error::InvalidCertificate(_))) {
            return true;
        }
        cause = one.source();
    }
    false
}

fn said(code: &SqlState) -> &'static str {
    match *code {
        SqlState::INVALID_AUTHORIZATION_SPECIFICATION | SqlState::INVALID_PASSWORD => "the database refused the login",
        SqlState::INVALID_CATALOG_NAME => "there is no such database",
        SqlState::INSUFFICIENT_PRIVILEGE => "this user of the database may not do what the journal needs",
        SqlState::READ_ONLY_SQL_TRANSACTION | SqlState::FEATURE_NOT_SUPPORTED => "the database cannot be written",
        SqlState::DISK_FULL => "the disk of the database is full",
        SqlState::TOO_MANY_CONNECTIONS => "the database has no connection left",
        SqlState::LOCK_NOT_AVAILABLE => "another program holds it",
        SqlState::QUERY_CANCELED | SqlState::IDLE_IN_TRANSACTION_SESSION_TIMEOUT => {
            "the database did not answer in time"
        }
        SqlState::ADMIN_SHUTDOWN | SqlState::CRASH_SHUTDOWN | SqlState::CANNOT_CONNECT_NOW => {
            "the database is being stopped or started"
        }
        SqlState::DUPLICATE_TABLE | SqlState::DUPLICATE_OBJECT => {
            "the database has tables of another program; give the journal a database of its own"
        }
        _ => "the database reported a fault",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::postgres::tls::ClientTls;
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;
    use tokio_postgres::config::SslMode;
    use tokio_postgres::{Config, NoTls};

    /// Builds a message of the server from its kind and its body.
    fn message(kind: u8, body: &[u8]) -> Vec<u8> {
        let length = u32::try_from(body.len() + 4).expect("short").to_be_bytes();
        [&[kind][..], &length, body].concat()
    }

    /// Builds an error report of the server, with a text in a foreign language.
    fn report(code: &str) -> Vec<u8> {
        let fields = [("S", "FATAL"), ("V", "FATAL"), ("C", code), ("M", "пароль hunter2 не подошёл")];
        let fields = fields.map(|(kind, text)| format!("{kind}{text}\0")).concat();
        message(b'E', &[fields.as_bytes(), &[0]].concat())
    }

    /// Returns the error of the driver for a server that sends this response and closes the connection.
    async fn failure(answer: Vec<u8>, mode: SslMode) -> Error {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let port = listener.local_addr().expect("an address").port();
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let mut part = [0; 1024];
            let _ = stream.read(&mut part).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
            let _ = stream.read(&mut part).await;
        });
        let mut config = Config::new();
        config.host("127.0.0.1").port(port).user("u").dbname("d").ssl_mode(mode);
        let outcome = match mode {
            SslMode::Disable => config.connect(NoTls).await.map(drop),
            _ => config.connect(ClientTls::new(&[]).expect("roots")).await.map(drop),
        };
        outcome.expect_err("it fails")
    }

    #[tokio::test]
    async fn each_kind_of_failure_is_told_whatever_words_it_comes_in() {
        const SCRAM: i32 = 10;
        let asks = |kind: i32, body: &[u8]| message(b'R', &[&kind.to_be_bytes()[..], body].concat());
        let cases = [
            (asks(3, b""), SslMode::Disable, PostgresFailure::Settings, "wants a password, and there is none"),
            (asks(7, b""), SslMode::Disable, PostgresFailure::Login, "refused the login"),
            (asks(SCRAM, b"UNKNOWN\0\0"), SslMode::Disable, PostgresFailure::Settings, "wants a password"),
            (b"N".to_vec(), SslMode::Require, PostgresFailure::Tls, "no secure connection"),
            (b"S\x15\x03\x03\0\x02\x02\x28".to_vec(), SslMode::Require, PostgresFailure::Tls, "no secure connection"),
            (Vec::new(), SslMode::Disable, PostgresFailure::Connection, "cannot be reached"),
            (
                b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(),
                SslMode::Disable,
                PostgresFailure::Connection,
                "cannot be reached",
            ),
        ];
        for (answer, mode, kind, words) in cases {
            let error = failure(answer.clone(), mode).await;
            assert_eq!(PostgresFailure::of(&error), kind, "{answer:?}: {error}");
            assert!(explain(&error).to_string().contains(words), "{answer:?}: {}", explain(&error));
        }
        let (address, config) = ("127.0.0.1:1", "postgres://u@127.0.0.1:1/d");
        let refused = tokio_postgres::connect(config, NoTls).await.map(drop).expect_err(address);
        assert_eq!(PostgresFailure::of(&refused), PostgresFailure::Connection);
    }

    #[tokio::test]
    async fn what_the_server_reports_is_told_by_its_code_alone() {
        for (code, words) in [
            ("28000", "refused the login"),
            ("28P01", "refused the login"),
            ("3D000", "no such database"),
            ("42501", "may not do what the journal needs"),
            ("25006", "cannot be written"),
            ("0A000", "cannot be written"),
            ("53100", "disk of the database is full"),
            ("53300", "no connection left"),
            ("55P03", "another program holds it"),
            ("57014", "did not answer in time"),
            ("25P03", "did not answer in time"),
            ("57P01", "being stopped or started"),
            ("57P02", "being stopped or started"),
            ("57P03", "being stopped or started"),
            ("42P07", "tables of another program"),
            ("42710", "tables of another program"),
            ("XX000", "reported a fault"),
            ("99999", "reported a fault"),
        ] {
            let error = failure(report(code), SslMode::Disable).await;
            assert_eq!(PostgresFailure::of(&error), PostgresFailure::Reported(SqlState::from_code(code)), "{code}");
            let said = explain(&error).to_string();
            assert!(said.contains(words) && !said.contains("hunter2"), "{code}: {said}");
        }
    }
}
