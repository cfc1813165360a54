//! Arguments that are a little off, and what is said of them.
