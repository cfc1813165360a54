//! The freeze: while it lasts, no change begins, and none that has begun is sent.

/// A freeze of all changes, or of the changes of one tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Freeze {
    /// The tenant. `None` means all tenants.
    pub tenant: Option<String>,
    /// The operator's reason, cleaned: at most [`Freeze::LONGEST`] characters.
    pub why: String,
    /// Since when it lasts, in milliseconds since 1970.
    pub since: i64,
    /// The login name of the operator, as the system says it. It is not verified.
    pub by: String,
}

impl Freeze {
    /// The longest reason, in characters.
    pub const LONGEST: usize = 200;
}

/// What a freeze found in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FreezeReport {
    /// The freeze as it is stored. An earlier one keeps its time.
    pub freeze: Freeze,
    /// How many changes were sent before and have no outcome yet.
    pub sent: usize,
    /// How many changes had begun and will not be sent.
    pub withdrawn: usize,
    /// How many other processes have the store open.
    pub processes: usize,
}
