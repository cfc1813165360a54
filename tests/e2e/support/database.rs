//! A PostgreSQL database of a test's own, on the server that `TRUEDY_TEST_POSTGRES` names.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use url::Url;

/// A database that is made for one test. It is dropped with this value.
pub(crate) struct Database {
    server: String,
    own: Url,
}

impl Database {
    /// The server on which databases may be made; `None` if nobody named one.
    pub(crate) fn server() -> Option<String> {
        std::env::var("TRUEDY_TEST_POSTGRES").ok().filter(|url| !url.is_empty())
    }

    /// Makes a database on this server, whose name begins so.
    pub(crate) fn create(server: &str, name: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let nth = MADE.fetch_add(1, Ordering::SeqCst);
        let mut own = Url::parse(server).expect("TRUEDY_TEST_POSTGRES is a URL");
        own.set_path(&format!("{name}_{}_{nth}", std::process::id()));
        let database = Self { server: server.to_owned(), own };
        database.say("DROP DATABASE IF EXISTS").expect("psql can be run");
        let made = database.say("CREATE DATABASE").expect("psql can be run");
        assert!(made.status.success(), "the database could not be made: {made:?}");
        database
    }

    /// The variables that give the program this database.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        let mut variables = vec![("TRUEDY_MCP_JOURNAL", self.own.to_string())];
        let authority = std::env::var("TRUEDY_TEST_POSTGRES_CA").unwrap_or_default();
        if !authority.is_empty() {
            variables.push(("TRUEDY_MCP_CA_FILE", authority));
        }
        variables
    }

    /// Fails unless tables were made in it.
    pub(crate) fn assert_used(&self) {
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
        let ran = psql(self.own.as_str(), tables).expect("psql can be run");
        let count = String::from_utf8_lossy(&ran.stdout).trim().parse::<u32>();
        assert!(count.is_ok_and(|count| count > 0), "nothing was written to the database: {ran:?}");
    }

    /// Runs a statement about it on its server; `None` if psql is not there.
    fn say(&self, statement: &str) -> Option<Output> {
        psql(&self.server, &format!("{statement} {}", self.own.path().trim_start_matches('/')))
    }
}

/// Has a server carry out a statement; `None` if psql is not there.
fn psql(server: &str, statement: &str) -> Option<Output> {
    Command::new("psql").args([server, "-qtA", "-v", "ON_ERROR_STOP=1", "-c", statement]).output().ok()
}

impl Drop for Database {
    fn drop(&mut self) {
        self.say("DROP DATABASE IF EXISTS");
    }
}
