//! The tools that clients are offered. This is the only list of them in the tests: a new tool is added here.

/// A tool, as the contract with clients has it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ExpectedTool {
    pub(crate) name: &'static str,
    /// The scope that a token needs for it.
    pub(crate) scope: &'static str,
    pub(crate) hints: Hints,
}

/// The annotations that tell a client what a call may do.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Hints {
    pub(crate) read_only: bool,
    pub(crate) destructive: bool,
    pub(crate) idempotent: bool,
    pub(crate) open_world: bool,
}

const READS: Hints = Hints { read_only: true, destructive: false, idempotent: true, open_world: true };
/// A change that is the same whether it is made once or twice.
const SETS: Hints = Hints { read_only: false, destructive: true, idempotent: true, open_world: true };
/// A change that must not be made twice.
const ADDS: Hints = Hints { read_only: false, destructive: true, idempotent: false, open_world: true };

const fn tool(name: &'static str, scope: &'static str, hints: Hints) -> ExpectedTool {
    ExpectedTool { name, scope, hints }
}

/// Every tool, in the order in which clients see them.
pub(crate) const TOOLS: [ExpectedTool; 13] = [
    tool("list_numbers", "numbers:read", READS),
    tool("search_numbers", "numbers:read", READS),
    tool("purchase_number", "numbers:purchase", ADDS),
    tool("import_number", "numbers:import", ADDS),
    tool("assign_number", "numbers:assign", SETS),
    tool("unassign_number", "numbers:assign", SETS),
    tool("release_number", "numbers:release", SETS),
    tool("get_agent_numbers", "numbers:read", READS),
    tool("get_webhook_url", "numbers:read", READS),
    tool("diagnose_number", "numbers:read", READS),
    tool("list_credentials", "credentials:read", READS),
    tool("list_agents", "numbers:read", READS),
    tool("list_operations", "numbers:read", READS),
];

/// Every scope, in the order in which the program names them.
pub(crate) const SCOPES: [&str; 6] =
    ["numbers:read", "numbers:purchase", "numbers:import", "numbers:assign", "numbers:release", "credentials:read"];

/// Every scope, as a challenge names them.
pub(crate) const ALL_SCOPES: &str =
    "numbers:read numbers:purchase numbers:import numbers:assign numbers:release credentials:read";

/// The names of the tools for which this holds, in their order.
pub(crate) fn names_where(holds: impl Fn(&ExpectedTool) -> bool) -> Vec<&'static str> {
    TOOLS.iter().filter(|tool| holds(tool)).map(|tool| tool.name).collect()
}

/// The names of all tools.
pub(crate) fn names() -> Vec<&'static str> {
    names_where(|_| true)
}

/// The names of the tools that only read.
pub(crate) fn reading() -> Vec<&'static str> {
    names_where(|tool| tool.hints.read_only)
}

/// The names of the tools that change something.
pub(crate) fn changing() -> Vec<&'static str> {
    names_where(|tool| !tool.hints.read_only)
}

/// The names of all tools but these.
pub(crate) fn names_without(left_out: &[&str]) -> Vec<&'static str> {
    assert!(left_out.iter().all(|name| names().contains(name)), "there is no such tool: {left_out:?}");
    names_where(|tool| !left_out.contains(&tool.name))
}

/// The names of the tools that a token with these scopes opens.
pub(crate) fn opened_by(scopes: &[&str]) -> Vec<&'static str> {
    names_where(|tool| scopes.contains(&tool.scope))
}

/// Fails unless a table has a case for each of these tools and for no other.
pub(crate) fn assert_covers<'a>(tools: &[&str], table: impl IntoIterator<Item = &'a str>) {
    let sorted = |mut names: Vec<String>| {
        names.sort_unstable();
        names.dedup();
        names
    };
    let table = sorted(table.into_iter().map(str::to_owned).collect());
    assert_eq!(
        table,
        sorted(tools.iter().map(|name| (*name).to_owned()).collect()),
        "a tool has no case in this table"
    );
}
