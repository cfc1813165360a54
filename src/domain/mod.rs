//! The types of the domain: phone numbers, ids, agents, carriers, money, statuses. This module uses no other but
//! `redact`.

mod agent;
mod area_codes;
mod argument;
mod caller;
mod carrier;
mod carrier_access;
mod carrier_profile;
mod clock;
mod country;
mod digest;
mod held_number;
mod id;
mod json_shape;
mod listed_rows;
mod location;
mod money;
mod nearest;
mod notation;
mod number;
mod numbering;
mod operation;
mod phone;
mod phone_digits;
mod rate_lease;
mod sanitize;
mod secure_url;
mod slot;
mod status;
mod target;

pub use agent::{Agent, name_key};
pub use argument::choice::{
    Direction, Directions, NumberColumn, NumberColumns, NumberSort, NumberType, OperationSelection, OperationState,
    YesNo,
};
pub use argument::confirmation::{Ceiling, ConfirmationToken, OperationId, OperationIds, PageCursor};
pub use argument::label::{ChangeName, Label, StatusName};
pub use argument::moment::Moment;
pub use argument::page::{Limit, Offset, Page, PageSize};
pub(crate) use argument::schema::inline_schema;
pub use argument::value::{Argument, ArgumentProblem, shown_name};
pub use caller::Caller;
pub use carrier::{AccountSid, ProviderType, SipServer, SipUsername, is_account_sid};
pub use carrier_access::{AccessField, CarrierAccess};
pub use carrier_profile::{CarrierName, CarrierProfile, CarrierProfiles, Origin, Source};
pub use clock::{BootTime, ClockReading, ServerTime, boot_id, steady_ms};
pub use digest::{digest_of, hex, unguessable};
pub use held_number::HeldNumber;
pub use id::{AgentId, AgentRef, NumberId, NumberRef, may_be_id};
pub use listed_rows::{HeldLists, ListBody, ListedRow, ListedRows, MOST_ROWS, OrganizationRow};
pub use location::{NumberLocation, area_code_of};
pub use money::{Fees, Money};
pub use nearest::{did_you_mean, meant_sentence, number_unlikeness, unlikeness};
pub use notation::{id_key, read_e164};
pub use number::{NumberView, OwnedNumber};
pub use numbering::numbers_for_people;
#[cfg(test)]
pub(crate) use operation::samples;
pub use operation::{CapRule, ChangeClass, ChangeKind, ChangeKinds, Effect, Proof};
pub use phone::{AreaCode, CountryCode, E164};
pub use phone_digits::{PhoneDigits, canonical_digits, digits_of, is_e164};
pub use rate_lease::{LeaseChanges, LeaseRow, LeaseWork, RateLeases};
pub use sanitize::{clean, clean_to, text_at};
pub use secure_url::{InsecureUrl, SecureUrl};
pub use slot::{Slot, SlotView};
pub use status::{Refusal, Status};
pub use target::OperationTarget;
