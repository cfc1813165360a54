//! The two ways in which the protocol is spoken.

use rmcp::model::ProtocolVersion;

/// The newest protocol.
pub(crate) const MODERN: &str = "2026-07-28";
/// The newest one that begins with a handshake.
pub(crate) const LEGACY: &str = "2025-11-25";

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Era {
    /// `initialize` first; a person is asked while a call is open. 2025-11-25.
    Legacy,
    /// Everything with each request; a person is asked between two requests. 2026-07-28.
    Modern,
}

impl Era {
    pub(crate) const BOTH: [Self; 2] = [Self::Legacy, Self::Modern];

    pub(crate) fn version(self) -> ProtocolVersion {
        match self {
            Self::Legacy => ProtocolVersion::V_2025_11_25,
            Self::Modern => ProtocolVersion::V_2026_07_28,
        }
    }
}

/// Tells each story twice, once in each era of the protocol.
macro_rules! in_both_eras {
    ($($story:ident),+ $(,)?) => { $(
        mod $story {
            use crate::support::era::Era;

            #[tokio::test]
            async fn legacy() {
                super::$story(Era::Legacy).await;
            }

            #[tokio::test]
            async fn modern() {
                super::$story(Era::Modern).await;
            }
        }
    )+ };
}
pub(crate) use in_both_eras;
