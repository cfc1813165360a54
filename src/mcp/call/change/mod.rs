//! A change, in the order of time: admitted, confirmed, executed.

pub(crate) mod admit;
pub(crate) mod confirm;
pub(crate) mod execute;
pub(crate) mod frozen;
pub(crate) mod request;
pub(crate) mod resend;
pub(crate) mod several;
pub(crate) mod undo;
pub(crate) mod undo_request;
