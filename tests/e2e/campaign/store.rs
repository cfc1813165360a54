//! Where the servers of a campaign keep their journal.

use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};

use tempfile::TempDir;
use url::Url;

/// A store of its own for one part of a campaign. What is in it goes with it.
pub(super) struct Store {
    home: TempDir,
    /// The server, and the address of a database of our own on it.
    shared: Option<(String, Url)>,
}

impl Store {
    /// A directory of this machine.
    pub(super) fn directory() -> Self {
        Self { home: tempfile::tempdir().unwrap(), shared: None }
    }

    /// A database of its own on this server.
    pub(super) fn postgres(server: &str) -> Self {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let nth = MADE.fetch_add(1, Ordering::SeqCst);
        let mut own = Url::parse(server).expect("TRUEDY_TEST_POSTGRES is a URL");
        own.set_path(&format!("campaign_{}_{nth}", std::process::id()));
        let store = Self { home: tempfile::tempdir().unwrap(), shared: Some((server.to_owned(), own)) };
        store.say("DROP DATABASE IF EXISTS").expect("psql can be run");
        assert!(store.say("CREATE DATABASE").expect("psql can be run"), "the database could not be made");
        store
    }

    /// Runs a statement about our own database; whether it succeeded, `None` if there is nothing to run it with.
    fn say(&self, statement: &str) -> Option<bool> {
        let (server, own) = self.shared.as_ref()?;
        let ran = psql(server, &format!("{statement} {}", own.path().trim_start_matches('/')))?;
        Some(ran.status.success())
    }

    /// Makes sure that it is this store that was written to.
    pub(super) fn was_used(&self) {
        let Some((_, own)) = &self.shared else { return };
        let tables = "SELECT count(*) FROM pg_tables WHERE schemaname NOT IN ('pg_catalog', 'information_schema')";
        let ran = psql(own.as_str(), tables).expect("psql can be run");
        let count = String::from_utf8_lossy(&ran.stdout).trim().parse::<u32>();
        assert!(count.is_ok_and(|count| count > 0), "nothing was written to the database: {ran:?}");
    }

    /// Gives a command of the program this store.
    pub(super) fn give(&self, command: &mut Command) {
        command.arg("--state-dir").arg(self.home.path().join("state"));
        if let Some((_, own)) = &self.shared {
            command.env("TRUEDY_MCP_JOURNAL", own.as_str());
            if let Some(authority) = std::env::var_os("TRUEDY_TEST_POSTGRES_CA") {
                command.env("TRUEDY_MCP_CA_FILE", authority);
            }
        }
    }
}

/// Has a server carry out a statement; `None` if psql is not there.
fn psql(server: &str, statement: &str) -> Option<Output> {
    Command::new("psql").args([server, "-qtA", "-v", "ON_ERROR_STOP=1", "-c", statement]).output().ok()
}

impl Drop for Store {
    fn drop(&mut self) {
        self.say("DROP DATABASE IF EXISTS");
    }
}
