//! How one exchange with the API goes. Knows HTTP and what may be sent again; knows no endpoint.

mod apart;
mod body;
mod client;
mod error;
mod limit;
mod request;
mod reset;
mod retry;

pub use apart::apart;
pub use client::{Call, Clearance, Client, Proxy, Reply, Setup, SetupError};
pub use error::{Error, NotSent, Saying};
pub use limit::{Limiter, Rate};
pub use request::{Nature, Request};
