//! The client for Truedy: the budget of a call, sending a request, and reading its response.

pub(crate) mod answer;
pub(crate) mod call;
pub(crate) mod classify;
pub(crate) mod receive;
pub(crate) mod send;
pub(crate) mod settings;
pub(crate) mod transport;
