//! May it be done? The operator's policy is the wall, the gate asks for the owner's word. Knows no protocol.

mod gate;
mod policy;
mod scopes;
mod summary;

pub use gate::{Form, Given, Question, Stakes, Token, Verdict, Wanted, weigh};
pub use policy::{Ask, Cap, Caps, Claims, Level, Policy};
pub use scopes::{Rights, Scope};
