//! The file that holds the key of Truedy.

use std::path::Path;

use crate::config::settings::{ConfigError, KEY_LIMIT};
use crate::files::private_bytes;
use crate::redact::shown_path;

/// Reads a file that holds the API key.
pub fn key_file(file: &Path) -> Result<String, ConfigError> {
    let refuse = |why: &str| ConfigError(format!("The API key file {} cannot be used: {why}.", shown_path(file)));
    let bytes = private_bytes(file, KEY_LIMIT).map_err(|why| refuse(&why))?;
    let text = String::from_utf8(bytes).map_err(|_| refuse("it is no text"))?;
    Ok(text.trim().to_owned())
}
