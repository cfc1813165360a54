//! A price counts for the account that it was quoted for.
