//! One call of a tool, from its arguments to its result.

pub(crate) mod background;
pub(crate) mod change;
pub(crate) mod client_call;
pub(crate) mod concurrency;
pub(crate) mod context;
pub(crate) mod duplicate_names;
pub(crate) mod messages;
pub(crate) mod metrics;
pub(crate) mod prior_request;
pub(crate) mod progress;
pub(crate) mod read;
pub(crate) mod service;
pub(crate) mod validate;
