//! Connections: how they are accepted, limited in time and number, encrypted, and drained at the end.

pub(crate) mod accept;
pub(crate) mod idle_limit;
pub(crate) mod keep_alive;
pub(crate) mod listener;
pub(crate) mod shutdown;
pub(crate) mod tls;
pub(crate) mod write_deadline;
