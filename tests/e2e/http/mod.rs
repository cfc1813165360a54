//! `truedy-mcp http` over a network: which requests are answered, who is let in, what is kept apart, and how it ends.
//!
//! `TRUEDY_INTERLEAVED` says how many calls of two tenants are mixed, `TRUEDY_FLOOD` how many come at once. With
//! `TRUEDY_TEST_POSTGRES`, the address of a server on which databases may be made, two replicas are tried on one
//! journal; `TRUEDY_TEST_POSTGRES_CA` names the certificate it is trusted by.

mod bearer_tokens;
mod bodies;
mod callers;
mod clients;
mod freeze;
mod handshakes;
mod host;
mod landing;
mod legacy_sse;
mod messages;
mod oauth;
mod oauth_providers;
mod overload;
mod prompts_and_resources;
mod replica_share;
mod replicas;
mod scopes;
mod session_ids;
mod sessions;
mod shutdown;
mod slow;
mod socket;
mod startup;
mod tenancy;
mod tenants;
mod tls;
mod token_file;
