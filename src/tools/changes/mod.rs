//! What changes share: one request that makes a number ours, and how its outcome is found out.

pub(crate) mod create_once;
pub(crate) mod reconcile;
pub(crate) mod verify;
