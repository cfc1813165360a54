//! A server for one tenant, and one for several of which a test looks at one. The same cases hold for both.

use super::callers::Files;
use crate::support::expected::SCOPES;
use crate::support::fake_truedy::Upstream;
use crate::support::http_client::Served;

pub(super) const ACME: &str = "truedy_AcmeTestKey000000000000000000000a1";
pub(super) const BETA: &str = "truedy_BetaTestKey000000000000000000000b1";

/// For how many tenants a server works.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tenancy {
    /// The one that there is without a configuration.
    One,
    /// Two, of which the test looks at the first.
    Many,
}

/// Runs each set of cases twice: on a server for one tenant, and on one for many.
macro_rules! for_one_tenant_and_many {
    ($($cases:ident),+ $(,)?) => { $(
        mod $cases {
            use crate::http::tenancy::Tenancy;

            #[tokio::test]
            async fn one() {
                super::$cases(Tenancy::One).await;
            }

            #[tokio::test]
            async fn many() {
                super::$cases(Tenancy::Many).await;
            }
        }
    )+ };
}
pub(super) use for_one_tenant_and_many;

/// What a server is started with, and the Truedy of the tenant that the test looks at.
pub(super) struct Setup {
    tenancy: Tenancy,
    pub(super) upstream: Upstream,
    /// The Truedy of the other tenant, where there is one.
    other: Upstream,
    files: Files,
}

impl Setup {
    pub(super) fn new(tenancy: Tenancy) -> Self {
        Self { tenancy, upstream: Upstream::start(), other: Upstream::start(), files: Files::new() }
    }

    /// A token for somebody of the tenant.
    pub(super) fn token(&mut self, principal: &str, scopes: &[&str]) -> String {
        let tenant = match self.tenancy {
            Tenancy::One => "default",
            Tenancy::Many => "acme",
        };
        self.files.token(principal, tenant, scopes)
    }

    /// A token for somebody of the tenant who may do everything.
    pub(super) fn person(&mut self, principal: &str) -> String {
        self.token(principal, &SCOPES)
    }

    /// A token for somebody who is not this person: another one of the same tenant, or a namesake of the other tenant.
    pub(super) fn stranger(&mut self, principal: &str) -> String {
        match self.tenancy {
            Tenancy::One => self.files.token(&format!("{principal}-2"), "default", &SCOPES),
            Tenancy::Many => self.files.token(principal, "beta", &SCOPES),
        }
    }

    pub(super) async fn serve(&self, arguments: &[&str]) -> Served {
        match self.tenancy {
            Tenancy::One => self.files.serve(&self.upstream, arguments).await,
            Tenancy::Many => two_tenants(&self.files, (&self.upstream, &self.other), arguments).await,
        }
    }

    /// Fails if anything reached Truedy, of whichever tenant.
    pub(super) fn assert_nothing_sent(&self) {
        assert_eq!((self.upstream.connections(), self.other.connections()), (0, 0));
    }

    /// Fails if anything reached the Truedy of the other tenant.
    pub(super) fn assert_apart(&self) {
        assert_eq!(self.other.connections(), 0);
    }
}

/// Starts a server for two tenants with a Truedy each.
pub(super) async fn two_tenants(files: &Files, (acme, beta): (&Upstream, &Upstream), arguments: &[&str]) -> Served {
    let tenants = format!(
        "[tenants.acme]\napi_key_env = \"ACME_KEY\"\nbase_url = \"{}\"\n[tenants.beta]\napi_key_env = \"BETA_KEY\"\nbase_url = \"{}\"\n",
        acme.base_url(),
        beta.base_url()
    );
    files.serve_tenants(&tenants, arguments, &[("ACME_KEY", ACME), ("BETA_KEY", BETA)]).await
}
