//! What things are: phone numbers, ids, agents, secrets, and the words a caller reads. Knows nobody.

mod agent;
mod argument;
mod caller;
mod carrier;
mod choice;
mod confirmation;
mod country;
mod id;
mod label;
mod money;
mod number;
mod object;
mod page;
mod phone;
mod reading;
mod secret;
mod status;
mod text;

pub use agent::{Agent, HeldNumber};
pub use argument::{Argument, Problem};
pub use caller::Caller;
pub use carrier::{AccountSid, ProviderType, SipServer, SipUsername};
pub use choice::{Direction, NumberType, OperationState};
pub use confirmation::{Ceiling, ConfirmationToken, Moment, OperationId, OperationIds};
pub use id::{AgentId, AgentRef, NumberId, NumberRef, may_be_id};
pub use label::{ChangeName, Label, StatusName};
pub use money::Money;
pub use number::{OwnedNumber, Slot};
pub use object::Object;
pub use page::{Limit, Offset, Page, PageSize};
pub use phone::{AreaCode, CountryCode, E164};
pub use reading::{clean, clean_to, text_at};
pub use secret::{Held, Redactor, Secret};
pub use status::{Refusal, Status};
