//! The settings of the operator: flags, variables and files. They are read once into typed values.

mod carriers;
mod checks;
mod choices;
mod clients;
mod default_files;
mod error;
mod file_change;
mod key;
mod narrowing;
mod parsers;
mod paths;
mod protection;
mod resolve;
mod section;
mod settings;
mod state_key;
mod tenants;
mod variable_name;

pub use carriers::edit::{NewCarrier, ValuePlace};
pub use choices::{AskWhen, Gate, InlineSecrets, JournalText, LogFormat, UpstreamWindow};
pub use clients::{
    ClientEntry, ClientFile, ClientFolders, ClientKind, ConfigScope, InputField, NAME, OperatingSystem, Removed,
    Written, places,
};
pub use default_files::{default_config, default_key, store_key, typed_key};
pub use error::ConfigError;
pub use file_change::StoredLimits;
pub use key::KEY_VARIABLE;
pub use key::key_file;
pub use paths::{expanded, path_setting, state_dir_setting};
pub use section::ApiKeySource;
pub use settings::{BASE_URL, FORGETFUL, Settings};
pub use state_key::{kept_keys, state_key_in};
pub use tenants::{TenantSettings, file_fields};
