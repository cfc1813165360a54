//! Who calls: the tenant whose account is worked on, and the principal who asks for it.

/// A caller, as the way in made sure of it; never as the caller says.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// Whose account: caps and the journal are kept by tenant.
    pub tenant: String,
    /// Who: an unresolved purchase stops its own principal.
    pub principal: String,
}

impl Caller {
    /// The one caller of a server that one person started.
    pub fn local() -> Self {
        Self { tenant: "default".to_owned(), principal: "local".to_owned() }
    }
}
