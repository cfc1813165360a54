//! Checks the `Host` and `Origin` headers. This protects the server against DNS rebinding.

use std::fmt;

use http::uri::Authority;
use http::{HeaderMap, Uri, header};
use url::{Host, Url};

/// A host name with one port, or with any port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    name: String,
    port: Option<u16>,
}

/// An origin, or a group of origins, whose pages may call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AllowedOrigin {
    /// Any page of this machine, on any port.
    Loopback,
    /// This origin: scheme, host and port.
    Exact(String),
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct NotLetIn(pub(crate) &'static str);

/// Schemes whose pages have the origin `null` or no origin.
const NO_ORIGIN: [&str; 9] = ["about", "blob", "data", "file", "ftp", "javascript", "mailto", "ws", "wss"];

const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

impl AllowedHost {
    /// Returns the names by which this machine reaches itself.
    pub fn loopback() -> Vec<Self> {
        LOOPBACK.iter().map(|name| Self { name: (*name).to_owned(), port: None }).collect()
    }

    /// Parses a name from the operator. Without a port, any port matches.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = "a host name as clients send it, with or without a port, for example mcp.example.com";
        let (name, port) = split(text).ok_or_else(|| expected.to_owned())?;
        if name.contains('*') {
            return Err(format!("no wildcard: {expected}"));
        }
        // Browsers and clients send names in this form.
        Host::parse(&name).map_err(|_| expected.to_owned())?;
        Ok(Self { name, port })
    }

    /// Checks whether a request's host is this host.
    pub(crate) fn is(&self, host: &str) -> bool {
        split(host).is_some_and(|(name, port)| self.fits(&name, port))
    }

    fn fits(&self, name: &str, port: Option<u16>) -> bool {
        self.name == name && (self.port.is_none() || self.port == port)
    }
}

impl fmt::Display for AllowedHost {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(formatter, "{}:{port}", self.name),
            None => formatter.write_str(&self.name),
        }
    }
}

impl AllowedOrigin {
    /// Parses an origin from the operator.
    pub fn parse(text: &str) -> Result<Self, String> {
        let expected = "an origin: scheme, host and, unless it is the usual one, port, for example https://app.example.com or chrome-extension://abcdefgh";
        let bare = text.strip_suffix('/').unwrap_or(text);
        // A wildcard would be read as a name, which no page ever has.
        if bare.contains('*') {
            return Err(format!("no wildcard: {expected}"));
        }
        let url = Url::parse(bare).map_err(|_| expected.to_owned())?;
        let origin = match url.scheme() {
            "http" | "https" => url.origin().ascii_serialization(),
            // The form that browsers send for pages of an extension or a desktop program.
            scheme if !NO_ORIGIN.contains(&scheme) => own_origin(bare).ok_or_else(|| expected.to_owned())?,
            _ => return Err(expected.to_owned()),
        };
        if origin == bare { Ok(Self::Exact(origin)) } else { Err(expected.to_owned()) }
    }

    /// Checks whether the operator named this origin. Only pages of such an origin may read responses.
    pub(crate) fn is_configured(&self) -> bool {
        matches!(self, Self::Exact(_))
    }

    fn fits(&self, origin: &str) -> bool {
        match self {
            Self::Exact(exact) => exact == origin,
            Self::Loopback => {
                let rest = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
                rest.and_then(split).is_some_and(|(name, _)| LOOPBACK.contains(&name.as_str()))
            }
        }
    }
}

/// Checks that the request names this server, exactly once and without anything else beside the name.
pub(crate) fn check_host(headers: &HeaderMap, uri: &Uri, allowed: &[AllowedHost]) -> Result<(), NotLetIn> {
    let mut hosts = headers.get_all(header::HOST).iter();
    let (Some(host), None) = (hosts.next(), hosts.next()) else {
        return Err(NotLetIn("exactly one Host header is needed"));
    };
    let fits = |text: &str| split(text).is_some_and(|(name, port)| allowed.iter().any(|host| host.fits(&name, port)));
    let told = host.to_str().is_ok_and(fits);
    // A request in absolute form has a second host in its URI, which must also be allowed.
    let named = uri.authority().is_none_or(|authority| fits(authority.as_str()));
    if told && named {
        Ok(())
    } else {
        Err(NotLetIn("this Host is not allowed; the operator names it with --allow-host"))
    }
}

/// Returns the entry that allows the page's origin; `None` for a request without an origin. Errors on other origins.
pub(crate) fn check_origin<'a>(
    headers: &HeaderMap,
    allowed: &'a [AllowedOrigin],
) -> Result<Option<&'a AllowedOrigin>, NotLetIn> {
    let mut origins = headers.get_all(header::ORIGIN).iter();
    let Some(origin) = origins.next() else { return Ok(None) };
    let not_let_in = NotLetIn("pages of this Origin may not call; the operator names it with --allow-origin");
    if origins.next().is_some() {
        return Err(not_let_in);
    }
    let text = origin.to_str().map_err(|_| not_let_in)?;
    allowed.iter().find(|allowed| allowed.fits(text)).map(Some).ok_or(not_let_in)
}

/// Returns an origin of another scheme unchanged: `chrome-extension://ID`, `app://name`, `tauri://localhost:1420`.
fn own_origin(text: &str) -> Option<String> {
    let (scheme, rest) = text.split_once("://")?;
    let (host, port) = rest.split_once(':').map_or((rest, None), |(host, port)| (host, Some(port)));
    let is_scheme = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"+-.".contains(&byte);
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    let good = scheme.bytes().all(is_scheme)
        && !host.is_empty()
        && host.bytes().all(is_host)
        && port.is_none_or(|port| port.parse::<u16>().is_ok());
    good.then(|| text.to_owned())
}

/// Splits an authority into its host, in lower case, and its port. Returns `None` for any other text.
fn split(text: &str) -> Option<(String, Option<u16>)> {
    if text.is_empty() || !text.is_ascii() || text.contains(['@', '/', '?', '#', '\\', ' ']) {
        return None;
    }
    let authority: Authority = text.parse().ok()?;
    let name = authority.host().to_ascii_lowercase();
    let port = match text.get(authority.host().len()..) {
        Some("") => None,
        Some(rest) => Some(rest.strip_prefix(':')?.parse().ok()?),
        None => return None,
    };
    (!name.ends_with('.') && !name.is_empty()).then_some((name, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(hosts: &[&str], uri: &str, allowed: &[AllowedHost]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, host.parse().unwrap());
        }
        check_host(&headers, &uri.parse().unwrap(), allowed).is_ok()
    }

    fn origin(origin: &str, allowed: &[AllowedOrigin]) -> bool {
        let mut headers = HeaderMap::new();
        headers.append(header::ORIGIN, origin.parse().unwrap());
        check_origin(&headers, allowed).is_ok()
    }

    #[test]
    fn only_the_servers_own_names_pass() {
        let allowed = AllowedHost::loopback();
        for good in ["localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080", "127.0.0.1", "[::1]:8080", "[::1]"]
        {
            assert!(host(&[good], "/mcp", &allowed), "{good}");
        }
        for bad in [
            "evil.example",
            "localhost.evil.example",
            "evil@localhost",
            "user:pass@localhost:8080",
            "localhost.",
            "localhost:",
            "localhost:99999",
            "localhost:80:80",
            "localhost:8080x",
            "127.0.0.1.nip.io",
            "127.1",
            "0.0.0.0:8080",
            "::1",
            "localhost/evil",
            "localhost#",
            "",
        ] {
            assert!(!host(&[bad], "/mcp", &allowed), "{bad:?}");
        }
        assert!(!host(&[], "/mcp", &allowed), "none");
        assert!(!host(&["localhost", "localhost"], "/mcp", &allowed), "two");
        assert!(!host(&["localhost", "evil.example"], "/mcp", &allowed), "two");
        assert!(!host(&["localhost"], "http://evil.example/mcp", &allowed), "absolute form");
        assert!(host(&["localhost"], "http://localhost/mcp", &allowed), "absolute form of our own");
    }

    #[test]
    fn an_operator_names_hosts_exactly() {
        let allowed: Vec<AllowedHost> = ["mcp.example.com", "Other.example.com:8443"]
            .iter()
            .map(|text| AllowedHost::parse(text).unwrap())
            .collect();
        for (name, passes) in [
            ("mcp.example.com", true),
            ("MCP.example.com:443", true),
            ("other.example.com:8443", true),
            ("other.example.com", false),
            ("other.example.com:443", false),
            ("x.mcp.example.com", false),
            ("localhost", false),
        ] {
            assert_eq!(host(&[name], "/mcp", &allowed), passes, "{name}");
        }
        for bad in [
            "",
            "*",
            "*.example.com",
            "https://mcp.example.com",
            "mcp.example.com/mcp",
            "a b",
            "x@y",
            "mcp.example.com.",
        ] {
            assert!(AllowedHost::parse(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn pages_of_elsewhere_do_not_pass() {
        let loopback = [AllowedOrigin::Loopback];
        for good in ["http://localhost", "http://localhost:6274", "https://127.0.0.1:1", "http://[::1]:3000"] {
            assert!(origin(good, &loopback) && !origin(good, &[]), "{good}");
        }
        for bad in [
            "null",
            "http://evil.example",
            "http://localhost.evil.example",
            "file://",
            "http://evil@localhost",
            "localhost",
        ] {
            assert!(!origin(bad, &loopback), "{bad}");
        }
        let exact = [AllowedOrigin::parse("https://app.example.com").unwrap()];
        for (text, passes) in [
            ("https://app.example.com", true),
            ("https://app.example.com:8443", false),
            ("http://app.example.com", false),
            ("https://x.app.example.com", false),
            ("http://localhost", false),
        ] {
            assert_eq!(origin(text, &exact), passes, "{text}");
        }
        for own in [
            "chrome-extension://abcdefghijklmnopabcdefghijklmnop",
            "moz-extension://2b8c6c1e-0a9f-4f4e-9c1d-0d4c5a0f6b11",
            "app://obsidian.md",
            "app://-",
            "vscode-webview://1a2b3c",
            "tauri://localhost",
            "capacitor://localhost:8100",
        ] {
            let allowed = [AllowedOrigin::parse(own).unwrap()];
            assert!(origin(own, &allowed) && allowed[0].is_configured(), "{own}");
            assert!(!origin(&format!("{own}x"), &allowed) && !origin("null", &allowed), "{own}");
        }
        for bad in [
            "*",
            "null",
            "app.example.com",
            "https://app.example.com/path",
            "ftp://app.example.com",
            "file://",
            "file:///x",
            "data://x",
            "javascript://x",
            "app://",
            "app:x",
            "app://x/path",
            "app://a@b",
            "app://x?y",
            "app://x:99999",
            "chrome-extension://*",
            "https://a@b.c",
            "https://*.b.c",
        ] {
            assert!(AllowedOrigin::parse(bad).is_err(), "{bad}");
        }
    }
}
