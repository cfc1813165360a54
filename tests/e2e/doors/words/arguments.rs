//! How single arguments are read.
