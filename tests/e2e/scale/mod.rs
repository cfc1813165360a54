//! Accounts of any size: what a call costs, and what is told of numbers while the list moves.

mod agents;
mod large;
mod moving;
mod readings;
mod requests;
