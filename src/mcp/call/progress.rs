//! Sends progress notifications to a client while its call runs.

use std::time::Duration;

use rmcp::RoleServer;
use rmcp::model::ProgressNotificationParam;
use rmcp::service::RequestContext;
use tokio::time::Instant;

use crate::mcp::call::service::CallResult;

/// The interval of progress notifications, for a client that asked for them.
pub(crate) const PROGRESS: Duration = Duration::from_secs(5);
/// The same while the whole list of numbers is read.
const READING: Duration = Duration::from_secs(1);

/// Waits for a call and sends progress notifications to a client that asked for them. A quick call sends none. Over
/// HTTP its response then stays one JSON document. `reading` tells how far a whole reading of the numbers is.
pub(crate) async fn reporting(
    call: impl Future<Output = CallResult>,
    context: &RequestContext<RoleServer>,
    reading: impl Fn() -> Option<(usize, Option<u64>)>,
) -> CallResult {
    let Some(token) = context.meta.get_progress_token() else {
        return call.await;
    };
    tokio::pin!(call);
    let begun = Instant::now();
    let (mut told, mut said) = (0.0, begun);
    loop {
        tokio::select! {
            reply = &mut call => return reply,
            () = tokio::time::sleep(READING) => {}
        }
        let seconds = begun.elapsed().as_secs_f64().round();
        let progress = match reading() {
            Some((read, total)) if count(read) > told => {
                told = count(read);
                let progress = ProgressNotificationParam::new(token.clone(), told).with_message("reading the numbers");
                let total = total.and_then(|total| usize::try_from(total).ok());
                total.map_or(progress.clone(), |total| progress.with_total(count(total)))
            }
            // The value of a progress notification must grow.
            None if told < seconds && said.elapsed() >= PROGRESS => {
                told = seconds;
                ProgressNotificationParam::new(token.clone(), seconds).with_message("waiting for Truedy")
            }
            _ => continue,
        };
        said = Instant::now();
        // An error means that the client has gone, so it is ignored.
        drop(context.peer.notify_progress(progress).await);
    }
}

/// Returns a count of rows as the protocol sends it.
fn count(rows: usize) -> f64 {
    u32::try_from(rows).map_or(f64::MAX, f64::from)
}
