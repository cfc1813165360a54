//! The rights of one caller: its scopes, and how its own request narrows them. The policy limits them further.

use std::collections::BTreeSet;
use std::fmt;

use crate::domain::{Refusal, Status};

/// A scope of a token: the tools that the token may be used for. No scope includes another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Reading numbers, agents, webhook URLs, numbers for sale and recorded operations.
    NumbersRead,
    /// Buying numbers.
    NumbersPurchase,
    /// Importing numbers from the tenant's own carrier.
    NumbersImport,
    /// Assigning numbers to agents, for incoming and outgoing calls.
    NumbersAssign,
    /// Releasing numbers.
    NumbersRelease,
    /// Reading the stored carrier credentials, never their secrets.
    CredentialsRead,
}

impl Scope {
    /// All scopes.
    pub const ALL: [Self; 6] = [
        Self::NumbersRead,
        Self::NumbersPurchase,
        Self::NumbersImport,
        Self::NumbersAssign,
        Self::NumbersRelease,
        Self::CredentialsRead,
    ];

    /// Returns the name of the scope, as tokens and challenges write it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NumbersRead => "numbers:read",
            Self::NumbersPurchase => "numbers:purchase",
            Self::NumbersImport => "numbers:import",
            Self::NumbersAssign => "numbers:assign",
            Self::NumbersRelease => "numbers:release",
            Self::CredentialsRead => "credentials:read",
        }
    }

    /// Returns the scope with this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// The rights of one caller. They can only reduce what the policy allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// The scopes that the caller has.
    pub scopes: BTreeSet<Scope>,
    /// Whether the request allows only tools that read.
    pub read_only: bool,
    /// The only tools that the request allows. `None` means all tools.
    pub only: Option<BTreeSet<String>>,
}

impl Default for Rights {
    /// Returns all that the policy allows: the rights of a person at this machine.
    fn default() -> Self {
        Self::of(Scope::ALL)
    }
}

impl Rights {
    /// Returns the rights for these scopes, not narrowed.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self { scopes: scopes.into_iter().collect(), read_only: false, only: None }
    }

    /// Checks whether a tool is offered to the caller.
    pub fn offers(&self, tool: &str, scope: Scope, reads: bool) -> bool {
        self.admit(tool, scope, reads).is_ok()
    }

    /// Checks whether the caller may call a tool. The refusal names the rule.
    pub fn admit(&self, tool: &str, scope: Scope, reads: bool) -> Result<(), Refusal> {
        let refuse = |rule: &str, why: String| {
            Err(Refusal::new(Status::PolicyDenied, format!("Nothing was done. {why} (rule {rule})."))
                .with("rule", rule))
        };
        if !self.scopes.contains(&scope) {
            return refuse("scope", format!("{tool} needs the scope {scope}, which this caller does not have"));
        }
        if self.read_only && !reads {
            return refuse(
                "x_mcp_readonly",
                "The client's own header X-MCP-Readonly allows only tools that read".to_owned(),
            );
        }
        if self.only.as_ref().is_some_and(|only| !only.contains(tool)) {
            return refuse("x_mcp_tools", format!("The client's own header X-MCP-Tools leaves out {tool}"));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_lead_back_to_their_scopes() {
        for scope in Scope::ALL {
            assert_eq!(Scope::parse(scope.as_str()), Some(scope));
        }
        for no in ["", "numbers", "numbers:*", "NUMBERS:READ", "numbers:read "] {
            assert_eq!(Scope::parse(no), None, "{no}");
        }
    }

    #[test]
    fn each_scope_opens_its_own_tools_and_no_other() {
        for held in Scope::ALL {
            for needed in Scope::ALL {
                assert_eq!(Rights::of([held]).offers("a_tool", needed, false), held == needed, "{held} {needed}");
            }
        }
        assert!(Scope::ALL.iter().all(|scope| !Rights::of([]).offers("a_tool", *scope, true)));
    }

    #[test]
    fn a_request_narrows_and_says_by_what() {
        let rule = |rights: &Rights, tool, reads| {
            rights.admit(tool, Scope::NumbersRead, reads).map_err(|refusal| refusal.details["rule"].clone())
        };
        let narrow = Rights { read_only: true, only: Some(["list_numbers".to_owned()].into()), ..Rights::default() };
        assert_eq!(rule(&narrow, "list_numbers", true), Ok(()));
        assert_eq!(rule(&narrow, "list_numbers", false), Err("x_mcp_readonly".into()));
        assert_eq!(rule(&narrow, "list_agents", true), Err("x_mcp_tools".into()));
        // What the request names adds nothing to the scopes of the caller.
        let asks = Rights { scopes: BTreeSet::new(), only: Some(["list_numbers".to_owned()].into()), read_only: false };
        assert_eq!(rule(&asks, "list_numbers", true), Err("scope".into()));
    }
}
