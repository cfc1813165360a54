//! Finds an issuer's keys: at the operator's URL, or by discovery from the issuer (RFC 8414 or OIDC).

use serde_json::Value;
use url::Url;

use crate::domain::{SecureUrl, clean_to};
use crate::http::auth::fetch::{Fetcher, NoDocument};
use crate::http::auth::oauth_options::check_url;

/// How many characters of a foreign name the log shows.
const SHOWN: usize = 200;

/// Where the keys of an issuer are.
#[derive(Debug, Clone)]
pub(crate) enum KeysAt {
    /// At this URL.
    Url(SecureUrl),
    /// At the URL that this issuer publishes: its name, character by character, and the same as a URL.
    Discovered { issuer: String, url: SecureUrl },
}

impl KeysAt {
    /// Whether everything is fetched by https.
    pub(crate) fn is_https(&self) -> bool {
        let (Self::Url(url) | Self::Discovered { url, .. }) = self;
        url.is_https()
    }

    /// Returns the URL of the keys. The error tells the operator what was found instead.
    pub(crate) async fn find(&self, fetcher: &Fetcher) -> Result<SecureUrl, String> {
        let (issuer, url) = match self {
            Self::Url(url) => return Ok(url.clone()),
            Self::Discovered { issuer, url } => (issuer, url.as_url()),
        };
        // An address without a document does not replace an earlier error. Most issuers publish at one of the addresses
        // and nothing at the others.
        let mut told = None;
        for place in places(url) {
            let document = match fetcher.json(&place).await {
                Ok(document) => document,
                Err(NoDocument::Exchange(why)) => return Err(format!("{place}: {why}")),
                Err(why) => {
                    told.get_or_insert_with(|| format!("{place}: {why}"));
                    continue;
                }
            };
            match keys_of(&document, issuer, self.is_https()) {
                Ok(url) => return Ok(url),
                Err(why) => told = Some(format!("{place}: {why}")),
            }
        }
        Err(told.unwrap_or_default() + "; --oauth-jwks-url names the keys where the issuer does not")
    }
}

/// Returns the addresses where an issuer may publish its description, in the order that MCP clients use.
fn places(url: &Url) -> Vec<Url> {
    let path = url.path().trim_end_matches('/');
    let mut paths = vec![
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        paths.push(format!("{path}/.well-known/openid-configuration"));
    }
    let place = |path: String| {
        let mut place = url.clone();
        place.set_path(&path);
        place
    };
    paths.into_iter().map(place).collect()
}

/// Returns the URL of the keys from an issuer's description of itself.
fn keys_of(document: &Value, issuer: &str, https: bool) -> Result<SecureUrl, String> {
    let text = |name: &str| document.get(name).and_then(Value::as_str);
    // RFC 8414 §3.3: the description of another issuer must not be used.
    match text("issuer") {
        Some(name) if name == issuer => {}
        Some(other) => {
            let other = clean_to(other, SHOWN);
            return Err(format!("it describes the issuer {other}; --oauth-issuer must be its name, exactly"));
        }
        None => return Err("it names no issuer".to_owned()),
    }
    let url = text("jwks_uri").and_then(|text| Url::parse(text).ok()).ok_or("it has no address `jwks_uri`")?;
    let why = "its `jwks_uri` is no address that can be used";
    let url = check_url("jwks_uri", &url, "").map_err(|_| why)?;
    // Keys that are fetched by http could be replaced by anybody, whatever the source of the description.
    if url.is_https() != https {
        return Err(why.to_owned());
    }
    Ok(url)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::issuer::Issuer;

    fn secure(url: &str) -> SecureUrl {
        SecureUrl::new(Url::parse(url).unwrap()).unwrap()
    }

    /// Returns the URL of the keys of this issuer, or why it was not found.
    async fn keys(name: &str) -> Result<String, String> {
        let at = KeysAt::Discovered { issuer: name.to_owned(), url: secure(name) };
        let fetcher = Fetcher::new(at.is_https(), None).unwrap();
        at.find(&fetcher).await.map(|url| url.to_string())
    }

    #[tokio::test]
    async fn each_of_the_three_places_is_enough() {
        for place in [
            "/.well-known/oauth-authorization-server/realms/x",
            "/.well-known/openid-configuration/realms/x",
            "/realms/x/.well-known/openid-configuration",
        ] {
            let issuer = Issuer::start().await;
            let name = format!("{}/realms/x", issuer.url());
            // Some hosts answer every request with a page.
            issuer.put("/.well-known/oauth-authorization-server/realms/x", "<html>");
            issuer.put(place, &issuer.description(&name, json!({})));
            assert_eq!(keys(&name).await.as_deref(), Ok(issuer.jwks_url().as_str()), "{place}");
            assert_eq!(issuer.asked().last().map(String::as_str), Some(place));
        }
    }

    #[tokio::test]
    async fn a_description_of_somebody_else_is_named_and_not_used() {
        let issuer = Issuer::start().await;
        let other = format!("{}/", issuer.url());
        issuer.put("/.well-known/openid-configuration", &issuer.description(&other, json!({})));
        let told = keys(issuer.url()).await.unwrap_err();
        assert!(told.contains(&format!("it describes the issuer {other};")), "{told}");
        assert_eq!(keys(&other).await.as_deref(), Ok(issuer.jwks_url().as_str()));
    }

    #[tokio::test]
    async fn an_issuer_that_describes_itself_nowhere_is_told_with_the_way_out() {
        let issuer = Issuer::start().await;
        let told = keys(issuer.url()).await.unwrap_err();
        assert!(told.contains("the answer has status 404; --oauth-jwks-url"), "{told}");
        for bad in [json!("https://keys.example/k"), json!("http://keys.example/k"), json!(null)] {
            issuer.put(
                "/.well-known/openid-configuration",
                &issuer.description(issuer.url(), json!({ "jwks_uri": bad })),
            );
            assert!(keys(issuer.url()).await.unwrap_err().contains("jwks_uri"), "{bad}");
        }
        issuer.put("/.well-known/openid-configuration", &" ".repeat(300 * 1024));
        assert!(keys(issuer.url()).await.is_err());
    }

    #[test]
    fn an_issuer_is_looked_for_where_the_standards_say() {
        let all = |issuer: &str| places(secure(issuer).as_url()).iter().map(Url::to_string).collect::<Vec<_>>();
        let bare = [
            "https://a.example/.well-known/oauth-authorization-server",
            "https://a.example/.well-known/openid-configuration",
        ];
        assert_eq!(all("https://a.example"), bare);
        assert_eq!(all("https://a.example/"), bare);
        let with_path = [
            "https://a.example:8443/.well-known/oauth-authorization-server/realms/x",
            "https://a.example:8443/.well-known/openid-configuration/realms/x",
            "https://a.example:8443/realms/x/.well-known/openid-configuration",
        ];
        assert_eq!(all("https://a.example:8443/realms/x"), with_path);
        assert_eq!(all("https://a.example:8443/realms/x/"), with_path);
    }

    #[test]
    fn only_the_issuers_own_description_is_believed_and_only_a_safe_address_in_it() {
        let issuer = "https://a.example/x";
        let at = |keys: Value| keys_of(&json!({ "issuer": issuer, "jwks_uri": keys }), issuer, true);
        assert_eq!(at(json!("https://keys.example/k?v=1")).unwrap().as_url().as_str(), "https://keys.example/k?v=1");
        for bad in [
            json!(null),
            json!(7),
            json!("keys"),
            json!("http://a.example/k"),
            json!("http://127.0.0.1/k"),
            json!("file:///etc/passwd"),
            json!("https://user:hunter2@a.example/k"),
            json!("https://a.example/k#x"),
        ] {
            assert!(at(bad.clone()).is_err_and(|why| !why.contains("hunter2")), "{bad}");
        }
        for other in ["https://a.example/x/", "https://a.example", "https://A.example/x", ""] {
            let document = json!({ "issuer": other, "jwks_uri": "https://a.example/k" });
            assert!(keys_of(&document, issuer, true).unwrap_err().contains("exactly"), "{other}");
        }
        assert!(keys_of(&json!([]), issuer, true).is_err());
        assert!(keys_of(&json!({ "jwks_uri": "https://a.example/k" }), issuer, true).is_err());
    }
}
