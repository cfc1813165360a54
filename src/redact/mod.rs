//! Holds secrets and keeps them out of logs, errors and results. Depends on no other module of this crate.

mod ascii_set;
mod display;
mod key_form;
mod placeholder;
mod secret;
mod visible;

pub use display::{
    NOT_REPEATED, is_certain_key, is_plausible_path, is_plausible_variable, shown_path, shown_program, shown_variable,
};
pub use key_form::{TOKEN_PREFIX, is_own_token, looks_like_key, without_keys};
pub use placeholder::{check_filled_in, placeholder};
pub use secret::{RedactionGuard, RedactionPass, Redactor, Secret};
pub use visible::is_invisible;
