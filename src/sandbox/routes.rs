//! Finds the operation for a method and a path.

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

/// The operations of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum ApiOperation {
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

impl ApiOperation {
    pub(crate) const EVERY: &[ApiOperation] = &[
        ApiOperation::List,
        ApiOperation::Search,
        ApiOperation::Purchase,
        ApiOperation::Import,
        ApiOperation::Assign,
        ApiOperation::Unassign,
        ApiOperation::Release,
        ApiOperation::AgentNumbers,
        ApiOperation::WebhookUrl,
        ApiOperation::Credentials,
        ApiOperation::Agents,
        ApiOperation::Agent,
        ApiOperation::Call,
    ];

    /// Returns the name that fault switches use.
    pub(crate) fn name(self) -> &'static str {
        match self {
            ApiOperation::List => "list",
            ApiOperation::Search => "search",
            ApiOperation::Purchase => "purchase",
            ApiOperation::Import => "import",
            ApiOperation::Assign => "assign",
            ApiOperation::Unassign => "unassign",
            ApiOperation::Release => "release",
            ApiOperation::AgentNumbers => "agent_numbers",
            ApiOperation::WebhookUrl => "webhook_url",
            ApiOperation::Credentials => "credentials",
            ApiOperation::Agents => "agents",
            ApiOperation::Agent => "agent",
            ApiOperation::Call => "call",
        }
    }

    /// Whether the operation can change the account.
    pub(crate) fn changes(self) -> bool {
        matches!(
            self,
            ApiOperation::Purchase
                | ApiOperation::Import
                | ApiOperation::Assign
                | ApiOperation::Unassign
                | ApiOperation::Release
                | ApiOperation::Call
        )
    }
}

/// The route of a request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Route {
    /// An operation. `id` is the id in its path, or empty.
    To { operation: ApiOperation, id: String },
    /// There is no such path.
    NotFound,
    /// The path exists, but only with these methods.
    NotAllowed { allow: String },
    /// The list of agents without its trailing slash, which the real API redirects.
    AgentsWithoutSlash,
}

/// Finds the route for a path below the API's prefix.
pub(crate) fn find(method: &Method, path: &str) -> Route {
    // Bytes that are not UTF-8 are replaced.
    let decode = |segment| percent_decode_str(segment).decode_utf8_lossy();
    let segments: Vec<Cow<'_, str>> = path.strip_prefix('/').unwrap_or(path).split('/').map(decode).collect();
    let segments: Vec<&str> = segments.iter().map(AsRef::as_ref).collect();
    let candidates: Vec<(Method, ApiOperation, &str)> = match segments.as_slice() {
        ["telephony", "numbers"] => vec![(Method::GET, ApiOperation::List, "")],
        ["telephony", "numbers", id] if !id.is_empty() => {
            let named = match *id {
                "search" => Some(ApiOperation::Search),
                "purchase" => Some(ApiOperation::Purchase),
                "import" => Some(ApiOperation::Import),
                "assign" => Some(ApiOperation::Assign),
                "unassign" => Some(ApiOperation::Unassign),
                _ => None,
            };
            let mut candidates: Vec<_> = named.map(|operation| (Method::POST, operation, "")).into_iter().collect();
            candidates.push((Method::DELETE, ApiOperation::Release, *id));
            candidates
        }
        ["telephony", "agents", id, "numbers"] => vec![(Method::GET, ApiOperation::AgentNumbers, *id)],
        ["telephony", "agents", id, "webhook-url"] => {
            vec![(Method::GET, ApiOperation::WebhookUrl, *id)]
        }
        ["telephony", "credentials"] => vec![(Method::GET, ApiOperation::Credentials, "")],
        ["agents"] if method == Method::GET => return Route::AgentsWithoutSlash,
        ["agents"] | ["agents", ""] => vec![(Method::GET, ApiOperation::Agents, "")],
        ["agents", id] => vec![(Method::GET, ApiOperation::Agent, *id)],
        ["calls"] => vec![(Method::POST, ApiOperation::Call, "")],
        _ => return Route::NotFound,
    };
    match candidates.iter().find(|(known, _, _)| known == method) {
        Some((_, operation, id)) => Route::To { operation: *operation, id: (*id).to_owned() },
        // The framework names the methods of the first matching route only.
        None => {
            Route::NotAllowed { allow: candidates.first().map(|(known, _, _)| known.to_string()).unwrap_or_default() }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn to(operation: ApiOperation, id: &str) -> Route {
        Route::To { operation, id: id.to_owned() }
    }

    #[test]
    fn every_documented_path_is_found() {
        for (method, path, expected) in [
            (Method::GET, "/telephony/numbers", to(ApiOperation::List, "")),
            (Method::POST, "/telephony/numbers/search", to(ApiOperation::Search, "")),
            (Method::DELETE, "/telephony/numbers/abc", to(ApiOperation::Release, "abc")),
            (Method::DELETE, "/telephony/numbers/search", to(ApiOperation::Release, "search")),
            (Method::GET, "/telephony/agents/abc/numbers", to(ApiOperation::AgentNumbers, "abc")),
            (Method::GET, "/telephony/agents/abc/webhook-url", to(ApiOperation::WebhookUrl, "abc")),
            (Method::GET, "/telephony/credentials", to(ApiOperation::Credentials, "")),
            (Method::GET, "/agents", Route::AgentsWithoutSlash),
            (Method::GET, "/agents/", to(ApiOperation::Agents, "")),
            (Method::GET, "/agents/a%2Fb%", to(ApiOperation::Agent, "a/b%")),
            (Method::POST, "/calls", to(ApiOperation::Call, "")),
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
        let named = |text: &str| find(&Method::GET, &format!("/agents/{text}"));
        assert_eq!(named("%41%zz%4"), to(ApiOperation::Agent, "A%zz%4"));
        assert_eq!(named("%ff%00"), to(ApiOperation::Agent, "\u{fffd}\0"));
        assert_eq!(named("é%C3%A9"), to(ApiOperation::Agent, "éé"));
    }
}
