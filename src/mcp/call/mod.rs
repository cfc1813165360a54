//! One call of a tool, from its arguments to its result.

pub(crate) mod change;
pub(crate) mod concurrency;
pub(crate) mod messages;
pub(crate) mod metrics;
pub(crate) mod prior_request;
pub(crate) mod service;
