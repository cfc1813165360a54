//! What strangers' inputs must not bring about: a number in use released, money spent by mistake, a person's word passed over.

mod assignments;
mod clocks;
mod consent;
mod paths_and_protection;
mod phone_numbers;
mod previews;
mod prices;
mod tenants;
mod unresolved;
