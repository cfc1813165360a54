//! The life of the server: open, draining, shut. Everything that must know looks here.

use tokio::sync::watch;

/// How far the end has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LifecyclePhase {
    /// Serving.
    Open,
    /// Still serving, and asking every client to come by another connection next time.
    Draining,
    /// Nothing new is taken; what runs is finished.
    Shut,
}

/// The phase, for all to see.
pub(crate) struct Lifecycle(watch::Sender<LifecyclePhase>);

impl Default for Lifecycle {
    fn default() -> Self {
        Self(watch::Sender::new(LifecyclePhase::Open))
    }
}

impl Lifecycle {
    /// Whether it is ready for more.
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

    /// Resolves once it has come so far.
    pub(crate) async fn reached(&self, phase: LifecyclePhase) {
        let mut changes = self.0.subscribe();
        // The sender lives as long as this does.
        drop(changes.wait_for(|now| *now >= phase).await);
    }
}
