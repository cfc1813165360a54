//! How one exchange with the API goes. Knows HTTP and what may be sent again; knows no endpoint.

mod blocking;
mod client;
mod error;
mod limiter;
mod rate_limit_reset;
mod request;
mod retry;
mod sent_body;

pub use blocking::apart;
pub use client::{Call, Clearance, Client, Proxy, Reply, Setup, SetupError};
pub use error::{Error, NotSent, Saying};
pub use limiter::{Limiter, Rate};
pub use request::{Nature, Request};
