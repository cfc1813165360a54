//! Performs one exchange with the Truedy API. Knows HTTP and what may be sent again, but no endpoint.

mod blocking;
mod client;
mod error;
mod leased_places;
mod limiter;
mod rate_limit_reset;
mod request;
mod retry;
mod sent_body;
mod shared_window;

pub use blocking::run_blocking;
pub use client::answer::ApiReply;
pub use client::call::{CallBudget, SendPermit};
pub use client::send::Client;
pub use client::settings::{ClientConfig, Proxy, SetupError};
pub use error::{ApiError, Error, NotSent};
pub use limiter::{Limiter, Rate, SharedRate};
pub use request::{Request, RequestKind};
