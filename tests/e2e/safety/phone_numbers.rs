//! Numbers that cannot exist are refused before anything is sent.
