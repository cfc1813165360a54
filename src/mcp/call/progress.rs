//! Tells a client that its call still runs.

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::ProgressNotificationParam;
use rmcp::service::RequestContext;
use tokio::time::Instant;

use crate::mcp::call::service::CallResult;

/// How often a client that asked for it is told that a call still runs.
pub(crate) const PROGRESS: Duration = Duration::from_secs(5);

/// Waits for a call, and tells a client that wants to know that it still runs. Quick calls say nothing: over HTTP their
/// answer stays one piece of JSON.
pub(crate) async fn reporting(
    call: impl Future<Output = CallResult>,
    context: &RequestContext<RoleServer>,
) -> CallResult {
    let Some(token) = context.meta.get_progress_token() else {
        return call.await;
    };
    tokio::pin!(call);
    let begun = Instant::now();
    loop {
        tokio::select! {
            reply = &mut call => return reply,
            () = tokio::time::sleep(PROGRESS) => {
                let seconds = begun.elapsed().as_secs_f64().round();
                let progress = ProgressNotificationParam::new(token.clone(), seconds).with_message("waiting for Truedy");
                // Who has gone away does not want to know.
                drop(context.peer.notify_progress(progress).await);
            }
        }
    }
}
