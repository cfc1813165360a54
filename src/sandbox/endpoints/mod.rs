//! The endpoints of the API. Each file holds endpoints that belong together.

pub(crate) mod agents;
pub(crate) mod assignments;
pub(crate) mod call;
pub(crate) mod calls;
pub(crate) mod dispatch;
pub(crate) mod ids;
pub(crate) mod imports;
pub(crate) mod numbers;
pub(crate) mod purchase;
pub(crate) mod search;
