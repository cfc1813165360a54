//! The error for a setting that cannot be used.

use std::fmt;

/// Largest file that may hold a key, in bytes.
pub(crate) const KEY_LIMIT: u64 = 4096;

/// Largest file for `--ca-file`, in bytes.
pub(crate) const CA_LIMIT: u64 = 1024 * 1024;

/// A setting that cannot be used, as one sentence for the operator. The program ends with exit code 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigError(pub String);

impl fmt::Display for ConfigError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}
