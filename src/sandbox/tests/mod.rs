//! Tests the sandbox as its users meet it: started, used over TCP, stopped, and started again.

pub(crate) mod fixture;
pub(crate) mod keeping;
pub(crate) mod lives;
pub(crate) mod mischief;
