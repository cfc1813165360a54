//! What changes share: the one request that adds a number to the account, and how its outcome is found out.

pub(crate) mod create_once;
pub(crate) mod reconcile;
pub(crate) mod undo;
pub(crate) mod verify;
