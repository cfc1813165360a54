//! `diagnose_number`: the tool, the case that it reads, and the findings that it tells.

pub(crate) mod agent_case;
pub(crate) mod case;
pub(crate) mod findings;
pub(crate) mod history;
pub(crate) mod readiness;
pub(crate) mod tool;

pub(crate) use tool::DiagnoseNumber;
