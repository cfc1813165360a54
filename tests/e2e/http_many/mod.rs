//! `truedy-mcp http` for many at once: who is kept apart from whom, what a crowd may take, and how it ends.
//!
//! `TRUEDY_INTERLEAVED` says how many calls of two tenants are mixed, `TRUEDY_FLOOD` how many come at once. With
//! `TRUEDY_TEST_POSTGRES`, the address of a server on which databases may be made, two replicas are tried on one
//! journal; `TRUEDY_TEST_POSTGRES_CA` names the certificate it is trusted by.

mod beside_tools;
mod drain;
mod events;
mod flood;
mod legacy;
mod people;
mod replicas;
mod scopes;
mod sessions;
mod share;
mod tenants;
