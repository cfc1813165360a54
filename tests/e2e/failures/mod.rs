//! What becomes of a call when the network or Truedy fails: nothing is done twice, nothing is denied that may have happened, and
//! every call is answered in time.

mod account;
mod changes;
mod lost_changes;
mod rate_limits;
mod reads;
mod redirects;
pub(crate) mod silence;
mod unexpected_answers;
