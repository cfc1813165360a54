//! Paths that a client did not expand, and protected numbers in any notation.
