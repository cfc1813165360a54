//! The files that are read where no others are named: `config.toml` and `key` in the folder of this program's settings.

use std::fs;
use std::io;
use std::path::PathBuf;

use crate::config::clients::place::ClientFolders;
use crate::config::error::ConfigError;
use crate::config::key::{as_key, key_file};
use crate::config::settings::Settings;
use crate::files::{TemporaryFile, make_private_folder, private_bytes};
use crate::redact::{Secret, shown_path};

/// Largest key file that is replaced, in bytes.
const LIMIT: u64 = 4096;

/// Returns where the configuration is read from if no file is named. `None` if no home is known.
pub fn default_config() -> Option<PathBuf> {
    Some(ClientFolders::here()?.own().join("config.toml"))
}

/// Returns where `init` keeps the key, and where it is read from if nothing else has it.
pub fn default_key() -> Option<PathBuf> {
    Some(ClientFolders::here()?.own().join("key"))
}

impl Settings {
    /// Takes the default files where none are named. Those that do not exist are not taken.
    ///
    /// A sandbox that keeps nothing takes nothing from this user either.
    pub fn use_default_files(&mut self) {
        if self.ephemeral {
            return;
        }
        let there = |file: Option<PathBuf>| file.filter(|file| file.symlink_metadata().is_ok());
        if self.config.is_none() {
            self.config = there(default_config());
            self.is_default_config = self.config.is_some();
        }
        if self.api_key_file.is_none() && !self.sandbox {
            self.api_key_file = there(default_key());
            self.is_default_key = self.api_key_file.is_some();
        }
    }
}

impl Settings {
    /// Returns the same with the default configuration file where none is named. It need not exist: `carriers add`
    /// makes it.
    pub fn with_default_config(&self) -> Self {
        let mut settings = self.clone();
        if settings.config.is_none() {
            settings.config = default_config();
        }
        settings
    }
}

/// Returns the key that a person typed. The error does not repeat it.
pub fn typed_key(text: &str) -> Result<Secret, ConfigError> {
    as_key(text.trim().to_owned(), "what was typed")
}

/// Stores the key in its default file, for this user alone. One that is there is replaced only if `replace` is set.
pub fn store_key(key: &Secret, replace: bool) -> Result<PathBuf, ConfigError> {
    let file = default_key().ok_or_else(|| ConfigError("There is no home directory: set HOME.".to_owned()))?;
    let failed = |why: String| ConfigError(format!("The key could not be stored in {}: {why}.", shown_path(&file)));
    if let Some(folder) = file.parent() {
        make_private_folder(folder).map_err(|error| failed(error.to_string()))?;
    }
    let fresh = || TemporaryFile::beside(&file, format!("{}\n", key.expose()).as_bytes());
    if !replace {
        let is_there = file.symlink_metadata().is_ok();
        if is_there {
            return Err(failed("there is one already".to_owned()));
        }
        fresh().and_then(TemporaryFile::create).map_err(|error| failed(error.to_string()))?;
        // Another program may have put one there in between, which is never replaced.
        let is_ours = key_file(&file).is_ok_and(|text| text == key.expose());
        return if is_ours { Ok(file) } else { Err(failed("another program has just put one there".to_owned())) };
    }
    // The new file would take the permissions of the old one, which may be open to others.
    match private_bytes(&file, LIMIT) {
        Ok(_) => {}
        Err(_) => match fs::remove_file(&file) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed(error.to_string())),
            _ => {}
        },
    }
    fresh().and_then(TemporaryFile::replace).map_err(|error| failed(error.to_string()))?;
    Ok(file)
}
