//! Arguments that are a little off, and what is said of them.

mod arguments;
mod money;
mod operations;
mod releases;
mod searches;
