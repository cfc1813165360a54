//! One exchange with Truedy: what a call may spend, how it is sent, and how its answer is read.

pub(crate) mod answer;
pub(crate) mod call;
pub(crate) mod classify;
pub(crate) mod send;
pub(crate) mod settings;
pub(crate) mod transport;
