//! The edge from outside: the built program over a network, met by good clients, odd ones and hostile ones.

mod bodies;
mod door;
mod host;
mod landing;
mod messages;
mod oauth;
mod refusals;
mod sessions;
mod slow;
mod socket;
mod tls;
mod tokens;
