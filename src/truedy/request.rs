//! One request to the API: where it goes, what it carries, and whether it may be sent again.

use std::time::Duration;

use http::Method;
use serde_json::Value;

/// What sending a request does, which decides whether it may be repeated and how its failure is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequestKind {
    /// A GET.
    Read,
    /// A POST that changes nothing.
    Search,
    /// A change to a named state: sending it twice ends the same, but may overwrite what came between.
    Set,
    /// Removes a named thing.
    Delete,
    /// Makes something new, spends money or stores a secret. Nothing tells two of them apart.
    Create,
}

impl RequestKind {
    /// Whether it changes anything.
    pub fn changes(self) -> bool {
        !matches!(self, Self::Read | Self::Search)
    }

    /// In a word, for counting.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Search => "search",
            Self::Set => "set",
            Self::Delete => "delete",
            Self::Create => "create",
        }
    }

    /// How often it may go out at most, the first time included, where the table of `retry` allows it at all.
    pub(super) fn attempts(self) -> u32 {
        match self {
            Self::Read => 3,
            Self::Search | Self::Set | Self::Create => 2,
            Self::Delete => 1,
        }
    }

    /// How long all its attempts together may take.
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

/// A request. Not `Debug`: its body may hold carrier secrets.
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
    /// A read. The path is made of fixed words and checked ids; each part becomes one path segment.
    pub fn get<'a>(path: impl IntoIterator<Item = &'a str>) -> Self {
        Self::new(Method::GET, path, None, RequestKind::Read)
    }

    /// A POST with a JSON body.
    pub fn post<'a>(path: impl IntoIterator<Item = &'a str>, kind: RequestKind, body: Value) -> Self {
        Self::new(Method::POST, path, Some(body), kind)
    }

    /// A DELETE.
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

    /// Says that the answer is a list, which may be larger (2 MiB instead of 256 KiB).
    #[must_use]
    pub fn list(mut self) -> Self {
        self.body_limit = 2 * 1024 * 1024;
        self
    }

    /// Says that this read finds out what a change did; it may use the reserved share of the rate limit.
    #[must_use]
    pub fn verifying(mut self, verifies: bool) -> Self {
        self.verifies = verifies;
        self
    }
}
