//! A URL that is safe to send secrets to, and to believe what it answers.

use std::fmt;

use url::{Host, Url};

/// A URL with https, or with http on a loopback host. Elsewhere http could be read and changed on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecureUrl(Url);

/// Why a URL is not secure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InsecureUrl {
    /// It has no host.
    NoHost,
    /// It is http to another machine.
    Clear,
    /// It is neither https nor http.
    OtherScheme,
}

impl SecureUrl {
    /// Checks a URL.
    pub fn new(url: Url) -> Result<Self, InsecureUrl> {
        let loopback = match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address.is_loopback(),
            Some(Host::Ipv6(address)) => address.is_loopback(),
            None => return Err(InsecureUrl::NoHost),
        };
        match url.scheme() {
            "https" => Ok(Self(url)),
            "http" if loopback => Ok(Self(url)),
            "http" => Err(InsecureUrl::Clear),
            _ => Err(InsecureUrl::OtherScheme),
        }
    }

    /// Whether it is https, and not http to this machine.
    pub fn is_https(&self) -> bool {
        self.0.scheme() == "https"
    }

    /// Whether it holds a user name or a password. Such a URL must not be shown.
    pub fn has_credentials(&self) -> bool {
        !self.0.username().is_empty() || self.0.password().is_some()
    }

    /// Returns the URL.
    pub fn as_url(&self) -> &Url {
        &self.0
    }
}

impl fmt::Display for SecureUrl {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}

impl InsecureUrl {
    /// Returns the sentence for an operator. `risk` says what http would do.
    pub fn why(self, risk: &str) -> String {
        match self {
            Self::NoHost => "it has no host".to_owned(),
            Self::Clear => format!("{risk}; use https (http only for 127.0.0.1, [::1] or localhost)"),
            Self::OtherScheme => "only https works".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn http_is_for_this_machine_alone() {
        let told = |text: &str| SecureUrl::new(Url::parse(text).expect("a URL")).map(|url| url.is_https());
        assert_eq!(told("https://api.example.com/v1?a#b"), Ok(true));
        for local in ["http://127.0.0.1:4318", "http://127.9.9.9", "http://[::1]:4318", "http://LOCALHOST:4318"] {
            assert_eq!(told(local), Ok(false), "{local}");
        }
        for clear in ["http://api.example.com", "http://10.0.0.1", "http://localhost.example.com", "http://0.0.0.0"] {
            assert_eq!(told(clear), Err(InsecureUrl::Clear), "{clear}");
        }
        assert_eq!(told("ftp://127.0.0.1"), Err(InsecureUrl::OtherScheme));
        assert_eq!(told("file:///etc/passwd"), Err(InsecureUrl::NoHost));
    }

    #[test]
    fn credentials_are_noticed() {
        let has = |text: &str| SecureUrl::new(Url::parse(text).expect("a URL")).map(|url| url.has_credentials());
        for with in ["https://u@a.example", "https://u:p@a.example", "https://:p@a.example"] {
            assert_eq!(has(with), Ok(true), "{with}");
        }
        assert_eq!(has("https://a.example/@"), Ok(false));
    }
}
