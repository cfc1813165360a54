//! Connections that have not sent a request yet. If the limit is reached, the oldest of them is closed.
//!
//! On loopback all processes of the machine have the same peer address. So a limit for each peer would also block the
//! browser.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;

/// How long the closed connection may take to release its permit.
const GOING: Duration = Duration::from_secs(1);

/// One connection, and whether it has sent a request.
#[derive(Default)]
pub(crate) struct UnusedConnection {
    asked: AtomicBool,
    gone: CancellationToken,
}

impl UnusedConnection {
    /// Notes that the connection has sent a request. It is not closed for a newer one from then on.
    pub(crate) fn asks(&self) {
        self.asked.store(true, Ordering::Release);
    }

    /// Serves the connection until it ends or has to be closed for a newer one.
    pub(crate) async fn unless_in_the_way(&self, serving: impl Future<Output = ()>) {
        tokio::select! {
            () = serving => {}
            () = self.gone.cancelled() => {}
        }
    }
}

/// All connections without a request, the oldest first.
#[derive(Default)]
pub(crate) struct UnusedConnections(Mutex<VecDeque<Arc<UnusedConnection>>>);

impl UnusedConnections {
    /// Adds a connection.
    pub(crate) fn add(&self) -> Arc<UnusedConnection> {
        let newcomer = Arc::<UnusedConnection>::default();
        let mut all = self.0.lock();
        // Remove connections that have ended or have sent a request.
        all.retain(|one| Arc::strong_count(one) > 1 && !one.asked.load(Ordering::Acquire));
        all.push_back(Arc::clone(&newcomer));
        newcomer
    }

    /// Closes the oldest connection without a request and returns a permit for a new one.
    ///
    /// `None` if there is no such connection, or if no permit is free within a second.
    pub(crate) async fn give_way(&self, places: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        let next = || self.0.lock().pop_front();
        let oldest =
            std::iter::from_fn(next).find(|one| Arc::strong_count(one) > 1 && !one.asked.load(Ordering::Acquire))?;
        oldest.gone.cancel();
        tokio::time::timeout(GOING, Arc::clone(places).acquire_owned()).await.ok()?.ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_oldest_that_has_not_asked_goes() {
        let (newcomers, places) = (UnusedConnections::default(), Arc::new(Semaphore::new(0)));
        let [asked, silent, young] = [(); 3].map(|()| newcomers.add());
        drop(newcomers.add());
        asked.asks();
        let going = async {
            silent.gone.cancelled().await;
            places.add_permits(1);
        };
        let (place, ()) = tokio::join!(newcomers.give_way(&places), going);
        assert!(place.is_some() && !asked.gone.is_cancelled() && !young.gone.is_cancelled());
        assert!(newcomers.give_way(&places).await.is_none() && young.gone.is_cancelled(), "it did not go in time");
        assert!(newcomers.give_way(&places).await.is_none() && !asked.gone.is_cancelled());
    }
}
