//! The API keys of the sandbox.

/// An API key of the first organization, which has agents and numbers for trying things.
pub const KEY: &str = "truedy_SandboxFirstKey00000000000000001";

/// Another API key of the first organization. It uses the same account and the same rate limit.
pub const SECOND_KEY: &str = "truedy_SandboxSecondKey0000000000000002";

/// A revoked API key of the first organization. Requests with it get status 401.
pub const REVOKED_KEY: &str = "truedy_SandboxRevokedKey000000000000003";

/// An API key of the second organization, which must never see anything of the first.
pub const OTHER_ORGANIZATION_KEY: &str = "truedy_SandboxOtherOrganization00000004";
