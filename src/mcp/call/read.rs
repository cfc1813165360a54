//! A call that only reads.

use std::sync::Arc;

use serde_json::{Map, Value};

use crate::guard::RequestedChange;
use crate::mcp::call::context::CallContext;
use crate::mcp::call::messages::Stage;
use crate::mcp::call::service::{CallResult, Service, done, refuse, words};
use crate::tools::Read;

impl Service {
    /// Answers a call that only reads.
    pub(crate) async fn read<T: Read>(
        self: Arc<Self>,
        arguments: Map<String, Value>,
        call_context: CallContext,
    ) -> CallResult {
        let _held = self.hold::<T>(&arguments);
        let outcome = async {
            let inline = self.admit_inline::<T>(&arguments);
            let tool = Self::parse::<T>(arguments)?;
            call_context.rights.admit(T::NAME, T::SCOPE, true)?;
            self.policy.admit(T::NAME, T::EFFECT, &RequestedChange::default())?;
            inline?;
            let answer = tool.read(self.tool_context(&call_context).await?).await;
            answer.map(|answer| done(&answer)).map_err(|failure| words(failure, T::EFFECT, Stage::Before))
        };
        let mut reply = outcome.await.unwrap_or_else(refuse);
        self.cleanse(&mut reply);
        reply
    }
}
