//! What inputs must not bring about: a number in use released, money spent by mistake, a person's word passed over, a secret shown.

mod assignments;
mod clocks;
mod consent;
mod duplicate_arguments;
mod freeze;
mod gate;
mod inline_keys;
mod paths_and_protection;
mod phone_numbers;
mod previews;
mod prices;
mod releases;
mod same_number;
mod sealing_key;
mod secrets;
mod secrets_in_settings;
mod sleep;
mod spending;
mod tenants;
mod undo;
mod unresolved;
