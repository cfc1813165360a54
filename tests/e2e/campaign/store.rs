//! Where the servers of a campaign keep their journal.

use std::process::Command;

use tempfile::TempDir;

use crate::support::database::Database;

/// A store of its own for one part of a campaign. What is in it goes with it.
pub(super) struct Store {
    home: TempDir,
    shared: Option<Database>,
}

impl Store {
    /// A directory of this machine.
    pub(super) fn directory() -> Self {
        Self { home: tempfile::tempdir().unwrap(), shared: None }
    }

    /// A database of its own on this server.
    pub(super) fn postgres(server: &str) -> Self {
        Self { home: tempfile::tempdir().unwrap(), shared: Some(Database::create(server, "campaign")) }
    }

    /// Makes sure that it is this store that was written to.
    pub(super) fn was_used(&self) {
        if let Some(database) = &self.shared {
            database.assert_used();
        }
    }

    /// Gives a command of the program this store.
    pub(super) fn give(&self, command: &mut Command) {
        command.arg("--state-dir").arg(self.home.path().join("state"));
        if let Some(database) = &self.shared {
            command.envs(database.variables());
        }
    }
}
