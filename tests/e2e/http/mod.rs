//! The edge from outside: the built program over a network, met by good clients, odd ones and hostile ones.

mod door;
