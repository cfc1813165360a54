//! A change, in the order of time: admitted, confirmed, executed.

pub(crate) mod admit;
pub(crate) mod confirm;
pub(crate) mod execute;
pub(crate) mod request;
pub(crate) mod resend;
pub(crate) mod several;
