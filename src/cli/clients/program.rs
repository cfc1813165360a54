//! Finds programs by the folders of `PATH`.

use std::path::{Path, PathBuf};

use crate::config::ConfigError;

/// Returns the first program of one of these names in the folders of `PATH`.
pub(super) fn on_path(names: &[&str]) -> Option<PathBuf> {
    let folders = std::env::var_os("PATH")?;
    // A relative folder is another one for each working directory.
    let folders: Vec<PathBuf> = std::env::split_paths(&folders).filter(|folder| folder.is_absolute()).collect();
    folders.iter().flat_map(|folder| names.iter().map(|name| folder.join(name))).find(|file| is_program(file))
}

#[cfg(unix)]
fn is_program(file: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    file.metadata().is_ok_and(|about| about.is_file() && about.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_program(file: &Path) -> bool {
    file.is_file()
}

/// Returns the path by which a client starts this program.
///
/// The place in `PATH` is preferred if it leads here, since it stays the same when the program is replaced by a newer
/// one.
pub(super) fn this_program() -> Result<String, ConfigError> {
    let this = std::env::current_exe()
        .map_err(|error| ConfigError(format!("The path of this program is not known: {error}.")))?;
    let real = this.canonicalize().ok();
    let name = format!("{}{}", env!("CARGO_PKG_NAME"), std::env::consts::EXE_SUFFIX);
    let known = on_path(&[&name]).filter(|found| real.is_some() && found.canonicalize().ok() == real);
    known.unwrap_or(this).into_os_string().into_string().map_err(|_| {
        ConfigError("The path of this program is no UTF-8, so no entry can name it; move the program.".to_owned())
    })
}
