//! What is wrong with a setting.

use std::fmt;

/// A file that holds a key is not larger than this.
pub(crate) const KEY_LIMIT: u64 = 4096;

/// The file of `--ca-file` is not larger than this.
pub(crate) const CA_LIMIT: u64 = 1024 * 1024;

/// A setting that cannot be used: one sentence for the operator. The program ends with exit code 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}
