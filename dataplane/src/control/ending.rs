//! The word that the servers end.

use tokio::sync::watch;

/// Hears when the servers end.
#[derive(Clone, Debug)]
pub struct Ending(watch::Receiver<bool>);

impl Ending {
    /// Hears it from `told`, once that holds `true` or its sender is gone.
    pub fn new(told: watch::Receiver<bool>) -> Self {
        Self(told)
    }

    /// Returns when the servers end.
    pub async fn wait(&self) {
        // An error means that the sender is gone, which is an end, too.
        let _ = self.0.clone().wait_for(|ends| *ends).await;
    }

    /// What `work` gives, or `None` where the end comes first.
    pub async fn or<T>(&self, work: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            () = self.wait() => None,
            done = work => Some(done),
        }
    }
}
