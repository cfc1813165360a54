//! Reads the scopes in the claims of a verified token, in the forms that issuers use. Recognises tokens of other kinds.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::guard::Scope;

/// Claims in which issuers are known to put scopes: RFC 9068, Entra and Okta, Auth0, and again Entra.
const KNOWN: [&str; 4] = ["scope", "scp", "permissions", "roles"];

/// Whether the claims show a token of another kind: an ID token, a refresh token or a logout token.
///
/// Issuers sign those with the same keys. If the client and this server share a name, even the audience is the same.
pub(crate) fn is_of_another_kind(claims: &Map<String, Value>) -> bool {
    // Sources: Keycloak's `typ`; OpenID Connect Core §3.1.3.6; OpenID Connect Back-Channel Logout §2.4.
    let kind = claims.get("typ").and_then(Value::as_str).unwrap_or("Bearer");
    let others = ["ID", "Refresh", "Offline", "Logout", "Serialized-ID"];
    others.iter().any(|other| kind.eq_ignore_ascii_case(other))
        || ["at_hash", "c_hash", "events"].iter().any(|name| claims.contains_key(*name))
}

/// The form in which an issuer writes scopes.
#[derive(Debug, Clone)]
pub(crate) struct ScopeForm {
    /// The claims that are read, all of them. If it is empty, the usual claims are read.
    claims: Vec<String>,
    /// The prefix of the name of a scope.
    prefix: String,
}

impl ScopeForm {
    /// Creates a form with these claims and this prefix.
    pub(crate) fn new(claims: Vec<String>, prefix: Option<String>) -> Self {
        Self { claims, prefix: prefix.unwrap_or_default() }
    }

    /// Returns the name of a scope at the issuer.
    pub(crate) fn name(&self, scope: Scope) -> String {
        format!("{}{scope}", self.prefix)
    }

    /// Returns the scopes of this server that the claims name.
    pub(crate) fn read(&self, claims: &Map<String, Value>) -> BTreeSet<Scope> {
        self.words(claims).into_iter().filter_map(|word| self.parse(word)).collect()
    }

    fn words<'a>(&self, claims: &'a Map<String, Value>) -> Vec<&'a str> {
        if self.claims.is_empty() {
            let usual = claims.get("scope").filter(|scope| scope.is_string() || scope.is_array());
            return usual.or_else(|| claims.get("scp")).map(words).unwrap_or_default();
        }
        self.claims.iter().filter_map(|name| claims.get(name)).flat_map(words).collect()
    }

    fn parse(&self, word: &str) -> Option<Scope> {
        match word.strip_prefix(&self.prefix) {
            Some(name) => Scope::parse(name),
            // A prefix that is a URI names the server that a scope is for. Entra requires it in requests and omits it
            // in tokens.
            None if self.prefix.contains("://") => Scope::parse(word),
            None => None,
        }
    }

    /// Says which option the operator could set so that this server's scopes in a token count.
    ///
    /// `None` if the token has none of them.
    pub(crate) fn advice(&self, claims: &Map<String, Value>) -> Option<String> {
        KNOWN.iter().find_map(|claim| {
            let found = claims.get(*claim).map(words)?;
            let ours = |word: &&str| Scope::ALL.iter().any(|scope| word.ends_with(scope.as_str()));
            let word = found.into_iter().find(ours)?;
            let is_bare = Scope::parse(word).is_some();
            Some(if is_bare && self.prefix.is_empty() {
                format!("its claim `{claim}` names some: --oauth-scope-claim {claim}")
            } else if is_bare {
                format!("its claim `{claim}` names some without the prefix: leave out --oauth-scope-prefix")
            } else {
                format!("its claim `{claim}` names some with something before their names: --oauth-scope-prefix")
            })
        })
    }
}

/// Returns the words of a claim: a text with spaces between them, or a list of texts.
fn words(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => text.split(' ').collect(),
        Value::Array(all) => all.iter().filter_map(Value::as_str).flat_map(|text| text.split(' ')).collect(),
        _ => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(claims: &[&str], prefix: &str) -> ScopeForm {
        ScopeForm::new(claims.iter().map(|&claim| claim.to_owned()).collect(), Some(prefix.to_owned()))
    }

    fn read(form: &ScopeForm, claims: &Value) -> Vec<&'static str> {
        form.read(claims.as_object().unwrap()).into_iter().map(Scope::as_str).collect()
    }

    #[test]
    fn scopes_stand_in_the_claims_that_the_operator_names_and_in_no_other() {
        let claims = json!({ "scope": "numbers:read", "scp": ["numbers:assign"], "permissions": ["numbers:purchase"], "roles": "numbers:release" });
        assert_eq!(read(&form(&[], ""), &claims), ["numbers:read"]);
        assert_eq!(read(&form(&["permissions"], ""), &claims), ["numbers:purchase"]);
        assert_eq!(read(&form(&["scp", "roles"], ""), &claims), ["numbers:assign", "numbers:release"]);
        assert_eq!(read(&form(&["https://example.com/scopes"], ""), &claims), [""; 0]);
    }

    #[test]
    fn a_prefix_is_part_of_the_name_unless_it_names_the_server() {
        let claims = json!({ "scope": "numbers:read truedy.numbers:assign api://truedy/numbers:purchase" });
        assert_eq!(read(&form(&[], "truedy."), &claims), ["numbers:assign"]);
        assert_eq!(read(&form(&[], "api://truedy/"), &claims), ["numbers:read", "numbers:purchase"]);
        assert_eq!(read(&form(&[], ""), &claims), ["numbers:read"]);
        for wrong in
            ["TRUEDY.numbers:read", "truedy.truedy.numbers:read", "truedy.", "truedy.numbers:*", "x.numbers:read"]
        {
            assert_eq!(read(&form(&[], "truedy."), &json!({ "scope": wrong })), [""; 0], "{wrong}");
        }
        assert_eq!(form(&[], "truedy.").name(Scope::NumbersRead), "truedy.numbers:read");
    }

    #[test]
    fn whoever_set_it_up_is_told_what_would_count() {
        let told = |form: &ScopeForm, claims: Value| form.advice(claims.as_object().unwrap()).unwrap_or_default();
        assert!(
            told(&form(&[], ""), json!({ "permissions": ["numbers:read"] }))
                .contains("--oauth-scope-claim permissions")
        );
        assert!(told(&form(&[], ""), json!({ "scope": "x/numbers:read" })).contains("something before their names"));
        assert!(told(&form(&[], "t."), json!({ "scope": "numbers:read" })).contains("leave out --oauth-scope-prefix"));
        assert_eq!(told(&form(&[], ""), json!({ "scope": "openid", "roles": 7 })), "");
    }

    #[test]
    fn what_is_for_the_client_to_read_is_not_to_call_with() {
        for other in
            [json!({ "typ": "ID" }), json!({ "typ": "refresh" }), json!({ "at_hash": "x" }), json!({ "events": {} })]
        {
            assert!(is_of_another_kind(other.as_object().unwrap()), "{other}");
        }
        for fine in [json!({}), json!({ "typ": "Bearer" }), json!({ "typ": "JWT" }), json!({ "nonce": "x" })] {
            assert!(!is_of_another_kind(fine.as_object().unwrap()), "{fine}");
        }
    }
}
