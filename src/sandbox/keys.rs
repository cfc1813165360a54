//! The API keys of the sandbox.

/// An API key of the first organization, the one with agents and numbers to try things on.
pub const KEY: &str = "truedy_SandboxFirstKey00000000000000001";

/// Another API key of the first organization: it sees the same account and shares its rate limit.
pub const SECOND_KEY: &str = "truedy_SandboxSecondKey0000000000000002";

/// An API key of the first organization that was revoked: it is answered 401.
pub const REVOKED_KEY: &str = "truedy_SandboxRevokedKey000000000000003";

/// An API key of the second organization, which must never see anything of the first.
pub const OTHER_ORGANIZATION_KEY: &str = "truedy_SandboxOtherOrganization00000004";
