//! The caller of a tool: its tenant and its principal.

/// The longest name of a principal or tenant, in bytes.
const NAME: usize = 64;

/// The caller, as authentication has verified it. What a caller says about itself does not count.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Caller {
    /// The tenant, who owns the Truedy account. Caps and the journal are kept for each tenant.
    pub tenant: String,
    /// The principal, who makes the call. An unresolved purchase stops only its own principal.
    pub principal: String,
}

impl Caller {
    /// Returns the only caller of a server that one person started.
    pub fn local() -> Self {
        Self { tenant: "default".to_owned(), principal: "local".to_owned() }
    }

    /// Checks the name of a principal or a tenant. Names are used in records, keys and messages.
    pub fn check_name(what: &str, text: &str) -> Result<(), String> {
        let fits = |c: char| c.is_ascii_alphanumeric() || "._@-".contains(c);
        if (1..=NAME).contains(&text.len()) && text.chars().all(fits) {
            return Ok(());
        }
        let expected = "letters, digits, or any of . _ @ -, for example ana@example.com";
        // The text is not repeated, since it may be a token entered by mistake.
        Err(format!("the {what} is not 1 to {NAME} {expected}"))
    }
}
