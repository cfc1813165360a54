//! What a caller may write in the arguments of a tool, parsed into types that cannot be wrong.

pub(crate) mod choice;
pub(crate) mod confirmation;
pub(crate) mod label;
pub(crate) mod moment;
pub(crate) mod page;
pub(crate) mod schema;
pub(crate) mod secret;
pub(crate) mod text;
pub(crate) mod value;
