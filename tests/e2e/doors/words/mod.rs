//! Arguments that are a little off, and what is said of them.

mod arguments;
mod money;
mod releases;
mod searches;
