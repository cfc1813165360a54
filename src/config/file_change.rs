//! Changes the configuration file for its operator, as a whole or not at all.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::de::IgnoredAny;
use toml_edit::{DocumentMut, Item, Table, value};

use crate::config::error::ConfigError;
use crate::config::settings::Settings;
use crate::config::tenants::{FILE_LIMIT, TenantSettings};
use crate::domain::Money;
use crate::files::{FolderLock, TemporaryFile, make_private_folder, public_bytes, read_toml, real_place};
use crate::redact::shown_path;

/// The limits that `init` offers, as they are to stand in the configuration file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StoredLimits {
    /// Whether nothing may be changed.
    pub read_only: bool,
    /// What purchases may cost a day.
    pub spend_per_day: Option<Money>,
}

impl Settings {
    /// Writes these limits into `[policy]` of the configuration file, in the place of those that are there. Other limits
    /// stay. Creates the file if it is missing. Returns its path.
    pub fn store_limits(&self, limits: &StoredLimits) -> Result<PathBuf, ConfigError> {
        let change = |document: &mut DocumentMut| {
            let policy = document.entry("policy").or_insert_with(|| Item::Table(Table::new()));
            let policy = policy.as_table_like_mut().ok_or("policy is no table")?;
            policy.remove("read_only");
            policy.remove("spend_per_day");
            if limits.read_only {
                policy.insert("read_only", value(true));
            }
            if let Some(most) = &limits.spend_per_day {
                policy.insert("spend_per_day", value(most.to_string()));
            }
            if policy.is_empty() {
                document.remove("policy");
            }
            Ok(())
        };
        let is_kept = |tenants: &[TenantSettings]| {
            tenants.iter().all(|tenant| {
                let has_budget = limits.spend_per_day.is_none() || tenant.settings.spend_per_day.is_some();
                (tenant.settings.read_only || !limits.read_only) && has_budget
            })
        };
        self.change_file(true, change, is_kept)?;
        self.config_file().map(Path::to_owned)
    }

    /// Changes the whole file, or nothing at all. If it is missing, it is made where `make` is set.
    /// A text that the server could not read, or that `is_changed` refuses, is not written.
    pub(super) fn change_file(
        &self,
        make: bool,
        change: impl FnOnce(&mut DocumentMut) -> Result<(), String>,
        is_changed: impl FnOnce(&[TenantSettings]) -> bool,
    ) -> Result<(), ConfigError> {
        let file = self.config_file()?;
        let unchanged = |why: String| ConfigError(format!("--config {} was not changed: {why}.", shown_path(file)));
        let failed = |error: io::Error| unchanged(error.to_string());
        let place = real_place(file).map_err(failed)?;
        let folder = place.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        if make && !folder.exists() {
            make_private_folder(folder)
                .map_err(|error| unchanged(format!("its folder {} cannot be made: {error}", shown_path(folder))))?;
        }
        let _turn = FolderLock::on(folder).map_err(failed)?;
        let before = match fs::symlink_metadata(&place) {
            Ok(_) => Some(public_bytes(&place, FILE_LIMIT).map_err(unchanged)?),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        let bytes = before.clone().unwrap_or_default();
        // Checked first, because this gives the server's own error message, which does not repeat the line.
        read_toml::<IgnoredAny>(&bytes).map_err(unchanged)?;
        let text = String::from_utf8(bytes).map_err(|_| unchanged("it is no text".to_owned()))?;
        let mut document: DocumentMut = text.parse().map_err(|_| unchanged("it is no TOML".to_owned()))?;
        change(&mut document).map_err(unchanged)?;
        let fresh = TemporaryFile::beside(&place, document.to_string().as_bytes()).map_err(failed)?;
        let written = public_bytes(fresh.path(), FILE_LIMIT).map_err(unchanged)?;
        let tenants =
            self.tenants_in(&written).map_err(|ConfigError(why)| ConfigError(format!("Nothing was changed. {why}")))?;
        if !is_changed(&tenants) {
            return Err(unchanged(
                "it is written in a way that this command cannot change; edit it by hand".to_owned(),
            ));
        }
        let now = match fs::read(&place) {
            Ok(now) => Some(now),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(failed(error)),
        };
        if now != before {
            return Err(unchanged("somebody else changed it meanwhile; try again".to_owned()));
        }
        fresh.replace().map_err(failed)
    }
}
