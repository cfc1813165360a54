//! Who calls: the tenant whose account is worked on, and the principal who asks for it.

/// The longest name of a principal or tenant.
const NAME: usize = 64;

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

    /// Checks the name of a principal or a tenant, which goes into records, keys and messages.
    pub fn check_name(what: &str, text: &str) -> Result<(), String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
        if (1..=NAME).contains(&text.len()) && text.chars().all(fits) {
            return Ok(());
        }
        let expected = "letters, digits, or any of . _ @ -, for example ana@example.com";
        // It is not repeated: somebody may have put a token there.
        Err(format!("the {what} is not 1 to {NAME} {expected}"))
    }
}
