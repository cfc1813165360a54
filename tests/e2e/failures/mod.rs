//! What becomes of a call when the network or Truedy fails.

pub(crate) mod upstream;
