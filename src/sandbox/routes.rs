//! Which operation a method and a path ask for.

use http::Method;

/// What the API can be asked to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Operation {
    List,
    Search,
    Purchase,
    Import,
    Assign,
    Unassign,
    Release,
    AgentNumbers,
    WebhookUrl,
    Credentials,
    Agents,
    Agent,
    Call,
}

impl Operation {
    pub(crate) const EVERY: &[Operation] = &[
        Operation::List,
        Operation::Search,
        Operation::Purchase,
        Operation::Import,
        Operation::Assign,
        Operation::Unassign,
        Operation::Release,
        Operation::AgentNumbers,
        Operation::WebhookUrl,
        Operation::Credentials,
        Operation::Agents,
        Operation::Agent,
        Operation::Call,
    ];

    /// The name used by fault switches.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Operation::List => "list",
            Operation::Search => "search",
            Operation::Purchase => "purchase",
            Operation::Import => "import",
            Operation::Assign => "assign",
            Operation::Unassign => "unassign",
            Operation::Release => "release",
            Operation::AgentNumbers => "agent_numbers",
            Operation::WebhookUrl => "webhook_url",
            Operation::Credentials => "credentials",
            Operation::Agents => "agents",
            Operation::Agent => "agent",
            Operation::Call => "call",
        }
    }

    /// Whether it can change what the account holds.
    pub(crate) fn changes(self) -> bool {
        matches!(
            self,
            Operation::Purchase
                | Operation::Import
                | Operation::Assign
                | Operation::Unassign
                | Operation::Release
                | Operation::Call
        )
    }
}

/// Where a request goes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// To an operation; `id` is the id in its path, or empty.
    To { operation: Operation, id: String },
    /// Nowhere: no such path.
    NotFound,
    /// The path exists; these methods do.
    NotAllowed { allow: String },
    /// The agents list without its trailing slash, which the real one redirects.
    AgentsWithoutSlash,
}

/// Finds the route for a path below the API's prefix.
pub(crate) fn find(method: &Method, path: &str) -> Route {
    let segments: Vec<String> = path.strip_prefix('/').unwrap_or(path).split('/').map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(String::as_str).collect();
    let candidates: Vec<(Method, Operation, &str)> = match segments.as_slice() {
        ["telephony", "numbers"] => vec![(Method::GET, Operation::List, "")],
        ["telephony", "numbers", id] if !id.is_empty() => {
            let named = match *id {
                "search" => Some(Operation::Search),
                "purchase" => Some(Operation::Purchase),
                "import" => Some(Operation::Import),
                "assign" => Some(Operation::Assign),
                "unassign" => Some(Operation::Unassign),
                _ => None,
            };
            let mut candidates: Vec<_> = named.map(|operation| (Method::POST, operation, "")).into_iter().collect();
            candidates.push((Method::DELETE, Operation::Release, *id));
            candidates
        }
        ["telephony", "agents", id, "numbers"] => vec![(Method::GET, Operation::AgentNumbers, *id)],
        ["telephony", "agents", id, "webhook-url"] => {
            vec![(Method::GET, Operation::WebhookUrl, *id)]
        }
        ["telephony", "credentials"] => vec![(Method::GET, Operation::Credentials, "")],
        ["agents"] if method == Method::GET => return Route::AgentsWithoutSlash,
        ["agents"] | ["agents", ""] => vec![(Method::GET, Operation::Agents, "")],
        ["agents", id] => vec![(Method::GET, Operation::Agent, *id)],
        ["calls"] => vec![(Method::POST, Operation::Call, "")],
        _ => return Route::NotFound,
    };
    match candidates.iter().find(|(known, _, _)| known == method) {
        Some((_, operation, id)) => Route::To { operation: *operation, id: (*id).to_owned() },
        // The framework names the methods of the first route that fits, not of all.
        None => {
            Route::NotAllowed { allow: candidates.first().map(|(known, _, _)| known.to_string()).unwrap_or_default() }
        }
    }
}

/// A path segment with its percent escapes resolved; what is no UTF-8 is replaced.
fn decode(segment: &str) -> String {
    let mut decoded = Vec::with_capacity(segment.len());
    let mut rest = segment.as_bytes().iter();
    while let Some(&byte) = rest.next() {
        let digits = rest.as_slice().get(..2).and_then(|digits| std::str::from_utf8(digits).ok());
        match digits.filter(|digits| byte == b'%' && digits.bytes().all(|digit| digit.is_ascii_hexdigit())) {
            Some(digits) => {
                decoded.push(u8::from_str_radix(digits, 16).unwrap_or(byte));
                rest.nth(1);
            }
            None => decoded.push(byte),
        }
    }
    String::from_utf8_lossy(&decoded).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(operation: Operation, id: &str) -> Route {
        Route::To { operation, id: id.to_owned() }
    }

    #[test]
    fn every_documented_path_is_found() {
        for (method, path, expected) in [
            (Method::GET, "/telephony/numbers", to(Operation::List, "")),
            (Method::POST, "/telephony/numbers/search", to(Operation::Search, "")),
            (Method::DELETE, "/telephony/numbers/abc", to(Operation::Release, "abc")),
            (Method::DELETE, "/telephony/numbers/search", to(Operation::Release, "search")),
            (Method::GET, "/telephony/agents/abc/numbers", to(Operation::AgentNumbers, "abc")),
            (Method::GET, "/telephony/agents/abc/webhook-url", to(Operation::WebhookUrl, "abc")),
            (Method::GET, "/telephony/credentials", to(Operation::Credentials, "")),
            (Method::GET, "/agents", Route::AgentsWithoutSlash),
            (Method::GET, "/agents/", to(Operation::Agents, "")),
            (Method::GET, "/agents/a%2Fb%", to(Operation::Agent, "a/b%")),
            (Method::POST, "/calls", to(Operation::Call, "")),
            (Method::GET, "/calls/", Route::NotFound),
            (Method::GET, "", Route::NotFound),
            (Method::PUT, "/telephony/numbers/search", Route::NotAllowed { allow: "POST".to_owned() }),
            (Method::DELETE, "/agents", Route::NotAllowed { allow: "GET".to_owned() }),
            (Method::DELETE, "/telephony/numbers/", Route::NotFound),
        ] {
            assert_eq!(find(&method, path), expected, "{method} {path}");
        }
    }

    #[test]
    fn escapes_of_any_kind_are_decoded() {
        assert_eq!(decode("%41%zz%4"), "A%zz%4");
        assert_eq!(decode("%ff%00"), "\u{fffd}\0");
        assert_eq!(decode("é%C3%A9"), "éé");
    }
}
