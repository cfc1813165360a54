//! What an operator sets: flags, environment, files; read once into typed values.

mod carriers;
mod checks;
mod key;
mod narrowing;
mod paths;
mod protection;
mod settings;
mod state_key;
mod tenants;
mod variable_name;

pub use carriers::edit::{Given, NewCarrier};
pub use key::key_file;
pub use paths::{expanded, path_setting, state_dir_setting};
pub use settings::{
    AskWhen, BASE_URL, ConfigError, FORGETFUL, Gate, InlineSecrets, JournalText, KEY_VARIABLE, LogFormat, Settings,
};
pub use state_key::{kept_keys, state_key_in};
pub use tenants::{KeySource, TenantSettings, file_fields};
