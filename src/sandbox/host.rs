//! Checks that a request names this machine.
//!
//! Web pages from elsewhere must not use the sandbox, even if they rebind their host name to this machine.

use http::header::{HOST, HeaderName, ORIGIN};
use http::request::Parts;
use http::uri::Authority;

/// Whether a request names this machine as its only host, and does not come from a page of another machine.
pub(super) fn is_of_this_machine(parts: &Parts) -> bool {
    let texts = |name: HeaderName| parts.headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    let mut hosts = texts(HOST);
    let host = hosts.next().is_some_and(is_loopback) && hosts.next().is_none();
    let mut origins = texts(ORIGIN);
    let page = |origin: &str| origin.split_once("://").is_some_and(|(_, authority)| is_loopback(authority));
    // A request in absolute form names a host in its target as well, so that host is checked too.
    let named = parts.uri.authority().is_none_or(|authority| is_loopback(authority.as_str()));
    host && named && origins.all(page)
}

/// Whether this is a name of this machine, with or without a port.
fn is_loopback(authority: &str) -> bool {
    let parsed = authority.parse::<Authority>().ok().filter(|_| !authority.contains('@'));
    parsed.is_some_and(|parsed| {
        let port = authority.get(parsed.host().len()..).unwrap_or_default();
        let has_port = port.is_empty() || parsed.port_u16().is_some();
        has_port && matches!(parsed.host().to_ascii_lowercase().as_str(), "localhost" | "127.0.0.1" | "[::1]")
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    #[test]
    fn only_this_machine_is_named() {
        let passes = |headers: &[(&str, &str)]| {
            let mut request = Request::builder().uri("/sandbox/faults");
            for (name, value) in headers {
                request = request.header(*name, *value);
            }
            is_of_this_machine(&request.body(()).unwrap().into_parts().0)
        };
        for good in ["127.0.0.1:8787", "localhost", "LOCALHOST:1", "[::1]:8787", "[::1]"] {
            assert!(passes(&[("host", good)]), "{good}");
            assert!(passes(&[("host", "localhost"), ("origin", &format!("http://{good}"))]), "{good}");
        }
        for bad in [
            "",
            "evil.example",
            "localhost.evil.example",
            "127.0.0.1.nip.io",
            "x@localhost",
            "localhost:x",
            "localhost:",
            "127.1",
            "0.0.0.0",
            "localhost/x",
            "::1",
        ] {
            assert!(!passes(&[("host", bad)]), "{bad}");
            assert!(!passes(&[("host", "localhost"), ("origin", &format!("http://{bad}"))]), "{bad}");
        }
        assert!(!passes(&[]) && !passes(&[("host", "localhost"), ("host", "localhost")]));
        assert!(!passes(&[("host", "localhost"), ("origin", "null")]));
        let absolute = Request::builder().uri("http://evil.example/sandbox/faults").header("host", "localhost");
        assert!(!is_of_this_machine(&absolute.body(()).unwrap().into_parts().0));
    }
}
