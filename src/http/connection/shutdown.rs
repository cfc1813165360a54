//! The lifecycle of the server: open, draining, shut. All parts that depend on the phase read it here.

use tokio::sync::watch;

/// A phase of the lifecycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LifecyclePhase {
    /// The server serves.
    Open,
    /// The server still serves. It asks every client to use another connection next time.
    Draining,
    /// The server accepts nothing new. Running requests are finished.
    Shut,
}

/// The current phase, shared by all parts of the server.
pub(crate) struct Lifecycle(watch::Sender<LifecyclePhase>);

impl Default for Lifecycle {
    fn default() -> Self {
        Self(watch::Sender::new(LifecyclePhase::Open))
    }
}

impl Lifecycle {
    /// Whether the server is ready for more requests.
    pub(crate) fn is_open(&self) -> bool {
        *self.0.borrow() == LifecyclePhase::Open
    }

    pub(crate) fn go_on_to(&self, phase: LifecyclePhase) {
        self.0.send_if_modified(|now| {
            let later = *now < phase;
            if later {
                *now = phase;
            }
            later
        });
    }

    /// Resolves once this phase or a later one is reached.
    pub(crate) async fn reached(&self, phase: LifecyclePhase) {
        let mut changes = self.0.subscribe();
        // `self` owns the sender, so the channel stays open meanwhile.
        drop(changes.wait_for(|now| *now >= phase).await);
    }
}
