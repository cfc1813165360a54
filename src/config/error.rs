//! The error for a setting that cannot be used.

/// Largest file that may hold a key, in bytes.
pub(crate) const KEY_LIMIT: u64 = 4096;

/// Largest file for `--ca-file`, in bytes.
pub(crate) const CA_LIMIT: u64 = 1024 * 1024;

/// A setting that cannot be used, as one sentence for the operator. The program ends with exit code 2.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ConfigError(pub String);
