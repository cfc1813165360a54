//! Reads the Truedy API key from its file.

use std::path::Path;

use crate::config::error::{ConfigError, KEY_LIMIT};
use crate::files::private_bytes;
use crate::redact::{Secret, check_filled_in, is_own_token, shown_path};

/// Reads a file that holds the API key.
pub fn key_file(file: &Path) -> Result<String, ConfigError> {
    let refuse = |why: &str| ConfigError(format!("The API key file {} cannot be used: {why}.", shown_path(file)));
    let bytes = private_bytes(file, KEY_LIMIT).map_err(|why| refuse(&why))?;
    let text = String::from_utf8(bytes).map_err(|_| refuse("it is no text"))?;
    Ok(text.trim().to_owned())
}

/// The variable that holds the key itself. There is no flag for it, because every process can read arguments.
pub const KEY_VARIABLE: &str = "TRUEDY_API_KEY";

/// Checks a key that was read from `source`.
pub(crate) fn as_key(text: String, source: &str) -> Result<Secret, ConfigError> {
    let of_this_server = || {
        let why = "it is a token of this server, not a key of Truedy: a client sends the token, and Truedy's dashboard (Settings > API Keys) has the key";
        if is_own_token(&text) { Err(why.to_owned()) } else { Ok(()) }
    };
    let checked = check_filled_in(&text).and_then(|()| of_this_server()).and_then(|()| Secret::new(text.clone()));
    checked.map_err(|reason| ConfigError(format!("The API key in {source} cannot be used: {reason}.")))
}
