//! Files of this program: who may read them, how they are read, and when they have changed.

mod file_watch;
mod private;
mod toml;

pub use file_watch::watch;
pub use private::{private_bytes, public_bytes};
pub use toml::{field_names, read_toml};
