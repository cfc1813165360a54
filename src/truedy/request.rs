//! One request to the API: its address, its content, and whether it may be sent again.

use std::time::Duration;

use http::Method;
use serde_json::Value;

/// What a request does. This decides whether it may be repeated and how its failure is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// A GET.
    Read,
    /// A POST that changes nothing.
    Search,
    /// Changes a named state. Sending it twice has the same result, but may overwrite a change made in between.
    Set,
    /// Removes a named object.
    Delete,
    /// Creates something, spends money or stores a secret. Truedy cannot tell two of the same from each other.
    Create,
}

impl RequestKind {
    /// Whether the request changes anything.
    pub fn changes(self) -> bool {
        !matches!(self, Self::Read | Self::Search)
    }

    /// Name of the kind, as a label of metrics.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Search => "search",
            Self::Set => "set",
            Self::Delete => "delete",
            Self::Create => "create",
        }
    }

    /// How often the request may be sent at most, with the first time. `retry` decides whether it is repeated at all.
    pub(super) fn attempts(self) -> u32 {
        match self {
            Self::Read => 3,
            Self::Search | Self::Set | Self::Create => 2,
            Self::Delete => 1,
        }
    }

    /// How long all attempts together may take.
    pub(super) fn timeout(self) -> Duration {
        Duration::from_secs(match self {
            Self::Read => 15,
            Self::Search | Self::Set | Self::Delete => 25,
            // Truedy may take 165 s: five tries of its own, 30 s each, and the waits between them (contract §1).
            Self::Create => 170,
        })
    }

    /// How long one attempt may take.
    pub(super) fn attempt_timeout(self) -> Duration {
        if self == Self::Read { Duration::from_secs(10) } else { self.timeout() }
    }
}

/// A request. It is not `Debug`, since its body may hold carrier secrets.
pub struct Request {
    pub(super) method: Method,
    pub(super) path: Vec<String>,
    pub(super) query: Vec<(&'static str, String)>,
    pub(super) body: Option<Value>,
    pub(super) kind: RequestKind,
    pub(super) verifies: bool,
    pub(super) body_limit: usize,
}

impl Request {
    /// Creates a read. The path consists of fixed words and checked ids. Each part becomes one path segment.
    pub fn get<'a>(path: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::GET, path, None, RequestKind::Read)
    }

    /// Creates a POST with a JSON body.
    pub fn post<'a>(path: impl IntoIterator<Item = &'a str>, kind: RequestKind, body: Value) -> Self {
        Self::new(Method::POST, path, Some(body), kind)
    }

    /// Creates a DELETE.
    pub fn delete<'a>(path: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::DELETE, path, None, RequestKind::Delete)
    }

    fn new<'a>(
        method: Method,
        path: impl IntoIterator<Item = &'a str>,
        body: Option<Value>,
        kind: RequestKind,
    ) -> Self {
        Self {
            method,
            path: path.into_iter().map(str::to_owned).collect(),
            query: Vec::new(),
            body,
            kind,
            verifies: false,
            body_limit: 256 * 1024,
        }
    }

    /// Adds a query parameter.
    #[must_use]
    pub fn query(mut self, name: &'static str, value: impl ToString) -> Self {
        self.query.push((name, value.to_string()));
        self
    }

    /// Raises the limit of the response body from 256 KiB to 2 MiB, for lists.
    #[must_use]
    pub fn list(mut self) -> Self {
        self.body_limit = 2 * 1024 * 1024;
        self
    }

    /// Marks a read that finds out what a change did. It may use the reserved share of the rate limit.
    #[must_use]
    pub fn verifying(mut self, verifies: bool) -> Self {
        self.verifies = verifies;
        self
    }
}
