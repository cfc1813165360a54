//! What one caller may do of what the operator allows: its scopes, and what its own request narrows them to.

use std::collections::BTreeSet;
use std::fmt;

use crate::domain::{Refusal, Status};

/// What a token may be used for. No scope holds another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Scope {
    /// Numbers, agents, webhook URLs, what is for sale, what was done.
    NumbersRead,
    /// Buying.
    NumbersPurchase,
    /// Importing from an own carrier.
    NumbersImport,
    /// Who answers and who calls.
    NumbersAssign,
    /// Releasing.
    NumbersRelease,
    /// The carrier credentials that are stored, never their secrets.
    CredentialsRead,
}

impl Scope {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::NumbersRead,
        Self::NumbersPurchase,
        Self::NumbersImport,
        Self::NumbersAssign,
        Self::NumbersRelease,
        Self::CredentialsRead,
    ];

    /// As tokens and challenges write it.
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

    /// The scope of this name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.as_str() == name)
    }
}

impl fmt::Display for Scope {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What one caller may do. It only ever takes away from the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rights {
    /// What the caller was given.
    pub scopes: BTreeSet<Scope>,
    /// The request asks for nothing but tools that read.
    pub read_only: bool,
    /// The request asks for these tools only; `None` for all.
    pub only: Option<BTreeSet<String>>,
}

impl Default for Rights {
    /// Everything the policy allows: the rights of a person at the machine.
    fn default() -> Self {
        Self::of(Scope::ALL)
    }
}

impl Rights {
    /// These scopes, not narrowed.
    pub fn of(scopes: impl IntoIterator<Item = Scope>) -> Self {
        Self { scopes: scopes.into_iter().collect(), read_only: false, only: None }
    }

    /// Whether a tool is offered to the caller.
    pub fn offers(&self, tool: &str, scope: Scope, reads: bool) -> bool {
        self.admit(tool, scope, reads).is_ok()
    }

    /// Whether the caller may call a tool.
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
        // What is asked for adds nothing to what was given.
        let asks = Rights { scopes: BTreeSet::new(), only: Some(["list_numbers".to_owned()].into()), read_only: false };
        assert_eq!(rule(&asks, "list_numbers", true), Err("scope".into()));
    }
}
