//! The path in front of the endpoints, for a proxy that also serves other things. It is `/truedy` in
//! `https://example.com/truedy/mcp`.

use std::fmt;
use std::str::FromStr;

/// The longest path, in bytes.
const LONGEST: usize = 128;

/// A path in front of `/mcp`, `/sse` and `/enter`, or an empty one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PublicPath(String);

impl PublicPath {
    /// Returns a path without this prefix. A proxy may have removed the prefix already.
    pub(crate) fn below<'a>(&self, path: &'a str) -> &'a str {
        let rest = path.strip_prefix(self.0.as_str()).filter(|rest| rest.is_empty() || rest.starts_with('/'));
        match rest {
            Some("") => "/",
            Some(rest) => rest,
            None => path,
        }
    }
}

impl FromStr for PublicPath {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let example = "for example /truedy where clients reach https://example.com/truedy/mcp";
        let path = text.strip_suffix('/').unwrap_or(text);
        let segments = path.strip_prefix('/').ok_or_else(|| format!("a path that begins with a slash, {example}"))?;
        let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
        let is_good =
            |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(plain) && !segment.is_empty();
        if path.len() > LONGEST || !segments.split('/').all(is_good) {
            return Err(format!(
                "a path of letters, digits, hyphens, dots, underscores and tildes, at most {LONGEST} characters, {example}"
            ));
        }
        if matches!(segments.rsplit('/').next(), Some("mcp" | "sse" | "messages" | "enter")) {
            return Err(format!("the path in front of the endpoint, without the endpoint itself, {example}"));
        }
        Ok(Self(path.to_owned()))
    }
}

impl fmt::Display for PublicPath {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_taken_off_where_it_is_and_nowhere_else() {
        let path: PublicPath = "/apps/truedy/".parse().unwrap();
        assert_eq!(path.to_string(), "/apps/truedy");
        for (given, below) in [
            ("/apps/truedy/mcp", "/mcp"),
            ("/mcp", "/mcp"),
            ("/apps/truedy", "/"),
            ("/apps/truedy/", "/"),
            ("/apps/truedymcp", "/apps/truedymcp"),
            ("/other/apps/truedy/mcp", "/other/apps/truedy/mcp"),
            ("/apps/truedy/apps/truedy/mcp", "/apps/truedy/mcp"),
        ] {
            assert_eq!(path.below(given), below, "{given}");
        }
        assert_eq!(PublicPath::default().below("/mcp"), "/mcp");
    }

    #[test]
    fn what_is_no_path_is_refused() {
        let long = format!("/{}", "a".repeat(LONGEST));
        for bad in [
            "",
            "/",
            "//",
            "truedy",
            "https://example.com/truedy",
            "/a//b",
            "/a/../b",
            "/.",
            "/a b",
            "/a?b",
            "/a#b",
            "/%61",
            "/ä",
            "/a\"",
            "/truedy/mcp",
            "/mcp",
            "/sse/",
            &long,
        ] {
            assert!(bad.parse::<PublicPath>().is_err(), "{bad}");
        }
    }
}
