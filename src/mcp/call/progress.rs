//! Sends progress notifications to a client while its call runs.

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::ProgressNotificationParam;
use rmcp::service::RequestContext;
use tokio::time::Instant;

use crate::mcp::call::service::CallResult;

/// The interval of progress notifications, for a client that asked for them.
pub(crate) const PROGRESS: Duration = Duration::from_secs(5);

/// Waits for a call and sends progress notifications to a client that asked for them. A quick call sends none. Over
/// HTTP its response then stays one JSON document.
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
                // An error means that the client has gone, so it is ignored.
                drop(context.peer.notify_progress(progress).await);
            }
        }
    }
}
