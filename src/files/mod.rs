//! Files of this program: checks of their permissions, reading them, and noticing that they changed.

mod file_watch;
mod private;
mod toml;

pub use file_watch::watch;
pub use private::{private_bytes, public_bytes};
pub use toml::{field_names, read_toml};
