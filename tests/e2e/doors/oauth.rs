//! Tokens of real authorization servers.
