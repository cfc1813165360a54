//! The settings of `http` for access tokens of an OAuth issuer, and the address by which clients reach the server.

use clap::Args;
use url::Url;

use crate::config::{ConfigError, Settings};
use crate::http::{AllowedHost, Listen, OAuth, OAuthOptions};

#[derive(Debug, Args)]
pub struct OAuthArgs {
    /// Issuer whose access tokens (JWT) open the door: `iss`, exactly, for example `https://login.example.com`. It says itself where its keys are (discovery by RFC 8414 or OIDC).
    #[arg(long, value_name = "URL", env = "TRUEDY_MCP_OAUTH_ISSUER", hide_env_values = true)]
    pub oauth_issuer: Option<String>,

    /// What `aud` of an access token may say, any text, for example `api://truedy`; one of several is enough. Without it, the address by which clients reach this server.
    #[arg(
        long,
        value_name = "AUDIENCE,…",
        env = "TRUEDY_MCP_OAUTH_AUDIENCE",
        hide_env_values = true,
        value_delimiter = ',',
        requires = "oauth_issuer"
    )]
    pub oauth_audience: Vec<String>,

    /// Where the issuer's keys are, if it is not to be asked, for example `https://login.example.com/.well-known/jwks.json`.
    #[arg(
        long,
        value_name = "URL",
        env = "TRUEDY_MCP_OAUTH_JWKS_URL",
        hide_env_values = true,
        requires = "oauth_issuer"
    )]
    pub oauth_jwks_url: Option<Url>,

    /// Claims that hold the scopes, as text or list, for example `permissions` or `scp,roles`; without it `scope`, or else `scp`.
    #[arg(
        long,
        value_name = "CLAIM,…",
        env = "TRUEDY_MCP_OAUTH_SCOPE_CLAIM",
        hide_env_values = true,
        value_delimiter = ',',
        requires = "oauth_issuer"
    )]
    pub oauth_scope_claim: Vec<String>,

    /// What the issuer has before the names of scopes, for example `api://truedy/`. Clients ask with it; tokens may leave it out if `://` is in it.
    #[arg(
        long,
        value_name = "TEXT",
        env = "TRUEDY_MCP_OAUTH_SCOPE_PREFIX",
        hide_env_values = true,
        requires = "oauth_issuer"
    )]
    pub oauth_scope_prefix: Option<String>,

    /// Claim that names the tenant; without it everybody is of the tenant `default`.
    #[arg(
        long,
        value_name = "CLAIM",
        env = "TRUEDY_MCP_OAUTH_TENANT_CLAIM",
        hide_env_values = true,
        requires = "oauth_issuer"
    )]
    pub oauth_tenant_claim: Option<String>,

    /// Which value of that claim stands for which tenant, for example `acme-inc=acme`; without any, the value is the tenant's name.
    #[arg(long, value_name = "VALUE=TENANT,…", env = "TRUEDY_MCP_OAUTH_TENANT", hide_env_values = true, value_delimiter = ',', value_parser = mapping, requires = "oauth_tenant_claim")]
    pub oauth_tenant: Vec<(String, String)>,

    /// The MCP endpoint as clients reach it, for example `https://mcp.example.com/mcp`. Without it: an audience that is such an address, or else the first name of `--allow-host`, or this machine.
    #[arg(long, value_name = "URL", env = "TRUEDY_MCP_PUBLIC_URL", hide_env_values = true, requires = "oauth_issuer")]
    pub public_url: Option<Url>,
}

fn mapping(text: &str) -> Result<(String, String), String> {
    let pair = text.trim().split_once('=').filter(|(value, tenant)| !value.is_empty() && !tenant.is_empty());
    pair.map(|(value, tenant)| (value.to_owned(), tenant.to_owned()))
        .ok_or_else(|| "a value and a tenant, for example acme-inc=acme".to_owned())
}

/// How clients reach the server, according to its other settings.
pub(crate) struct Reached<'a> {
    /// Whether clients use https, either with the server or with a proxy in front of it.
    pub https: bool,
    /// Whether there is such a proxy.
    pub proxy: bool,
    /// The names of the server.
    pub hosts: &'a [AllowedHost],
    /// The address on which the server listens.
    pub listen: &'a Listen,
}

impl OAuthArgs {
    /// Builds the verification of the issuer's tokens, if an issuer is named. Nothing is fetched.
    pub(crate) fn verification(
        &self,
        settings: &Settings,
        reached: &Reached<'_>,
    ) -> Result<Option<OAuth>, ConfigError> {
        let Some(issuer) = &self.oauth_issuer else { return Ok(None) };
        let audiences: Vec<String> = self.oauth_audience.iter().map(|audience| audience.trim().to_owned()).collect();
        let public_url = match &self.public_url {
            Some(url) => url.clone(),
            None => public_url(&audiences, reached).ok_or_else(|| {
                let why = "--oauth-issuer: the address by which clients reach this server is not known; name it, for example --public-url https://mcp.example.com/mcp.";
                ConfigError(why.to_owned())
            })?,
        };
        let options = OAuthOptions {
            issuer: issuer.clone(),
            audiences,
            public_url,
            jwks_url: self.oauth_jwks_url.clone(),
            scope_claims: self.oauth_scope_claim.iter().map(|claim| claim.trim().to_owned()).collect(),
            scope_prefix: self.oauth_scope_prefix.clone(),
            tenant_claim: self.oauth_tenant_claim.clone(),
            tenants: self.oauth_tenant.iter().cloned().collect(),
            ca_pem: settings.ca_pem()?,
        };
        OAuth::new(options).map(Some).map_err(ConfigError)
    }
}

/// Returns the endpoint as clients reach it, if the operator does not give it.
fn public_url(audiences: &[String], reached: &Reached<'_>) -> Option<Url> {
    // An audience may be any address, even an unused one. So it must be a name of this server, if the server has names.
    let host = |url: &Url| {
        url.host_str().map(|host| url.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}")))
    };
    let is_ours = |url: &Url| {
        let name = |allowed: &AllowedHost| {
            let allowed = allowed.to_string();
            host(url).is_some_and(|host| host == allowed) || url.host_str() == Some(allowed.as_str())
        };
        reached.hosts.is_empty() || reached.hosts.iter().any(name)
    };
    let is_address = |url: &Url| matches!(url.scheme(), "http" | "https") && url.host_str().is_some();
    let named =
        audiences.iter().filter_map(|audience| Url::parse(audience).ok()).find(|url| is_address(url) && is_ours(url));
    named.or_else(|| {
        let port = match reached.listen {
            Listen::Tcp(address) if !reached.proxy => Some(address.port()),
            _ => None,
        };
        let address = match (reached.hosts.first().map(ToString::to_string), reached.listen) {
            // Without https, no client reaches the server under a name.
            (Some(_), _) if !reached.https => return None,
            (Some(host), _) => match port.filter(|port| *port != 443 && !host.contains(':')) {
                Some(port) => format!("https://{host}:{port}/mcp"),
                None => format!("https://{host}/mcp"),
            },
            // Port 0 means that the port is unknown until the server listens.
            (None, Listen::Tcp(address)) if address.ip().is_loopback() && address.port() != 0 => {
                format!("{}://{address}/mcp", if reached.https { "https" } else { "http" })
            }
            (None, _) => return None,
        };
        Url::parse(&address).ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OPEN: &str = "0.0.0.0:8443";

    fn found(audiences: &[&str], hosts: &[&str], (https, proxy): (bool, bool), listen: &str) -> Option<String> {
        let hosts: Vec<AllowedHost> = hosts.iter().map(|host| AllowedHost::parse(host).unwrap()).collect();
        let audiences: Vec<String> = audiences.iter().map(|&audience| audience.to_owned()).collect();
        let listen: Listen = listen.parse().unwrap();
        public_url(&audiences, &Reached { https, proxy, hosts: &hosts, listen: &listen }).map(|url| url.to_string())
    }

    #[test]
    fn the_address_is_an_audience_at_a_name_of_ours_or_the_first_name() {
        let ours = "https://mcp.example.com/mcp";
        let both = ["mcp.example.com", "b.example.com"];
        for (audiences, hosts, expected) in [
            (&[][..], &both[..], Some(ours)),
            (&["api://truedy"], &both[..], Some(ours)),
            (&["0f3a-11"], &both[..1], Some(ours)),
            // An identifier that looks like an address is not an address of this server.
            (&["https://api.example.com/truedy/"], &both[..], Some(ours)),
            (&["https://api.example.com/x", "https://b.example.com/x"], &both[..], Some("https://b.example.com/x")),
            (&["https://mcp.example.com:8443/mcp"], &both[..], Some("https://mcp.example.com:8443/mcp")),
            (&[ours], &[], Some(ours)),
            (&["api://truedy"], &[], None),
        ] {
            assert_eq!(found(audiences, hosts, (true, true), OPEN).as_deref(), expected, "{audiences:?} {hosts:?}");
        }
    }

    #[test]
    fn without_a_proxy_the_address_has_the_port_and_this_machine_needs_no_name() {
        let (tls, plain) = ((true, false), (false, false));
        assert_eq!(found(&[], &["a.example"], tls, OPEN).as_deref(), Some("https://a.example:8443/mcp"));
        assert_eq!(found(&[], &["a.example"], tls, "0.0.0.0:443").as_deref(), Some("https://a.example/mcp"));
        assert_eq!(found(&[], &["a.example:444"], tls, OPEN).as_deref(), Some("https://a.example:444/mcp"));
        assert_eq!(found(&[], &["a.example"], plain, "127.0.0.1:8080"), None);
        assert_eq!(found(&[], &[], plain, "127.0.0.1:8080").as_deref(), Some("http://127.0.0.1:8080/mcp"));
        assert_eq!(found(&[], &[], tls, "[::1]:8443").as_deref(), Some("https://[::1]:8443/mcp"));
        assert_eq!(found(&[], &[], plain, "127.0.0.1:0"), None);
        assert_eq!(found(&[], &[], plain, "unix:/run/x"), None);
    }
}
