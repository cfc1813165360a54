//! Tenants and principals, and the instructions that a client gets when it connects.

pub(crate) mod instructions;
pub(crate) mod principal;
