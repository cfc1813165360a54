//! What the tests share: the program, its clients, the servers it talks to, and what is expected of it.

pub(crate) mod expected;
