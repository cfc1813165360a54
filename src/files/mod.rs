//! Files of this program: checks of their permissions, reading, replacing them, and noticing that they changed.

mod file_watch;
mod folder_lock;
mod private;
mod replace;
mod toml;

pub use file_watch::watch;
pub(crate) use folder_lock::{FolderLock, real_place};
pub(crate) use private::{linked_private_bytes, make_private_folder, new_private_file, private_file, private_folder};
pub use private::{private_bytes, public_bytes};
pub(crate) use replace::{TemporaryFile, sync_folder_of};
pub use toml::{field_names, read_toml};
