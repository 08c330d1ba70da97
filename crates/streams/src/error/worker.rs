//! Why a worker ends.

use super::ConfigError;

/// Why [`Worker::serve`](crate::Worker::serve) ended early.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// Settings that contradict each other.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// One of the worker's loops panicked, which is a bug. What the worker had is taken over by others when
    /// its leases have lapsed.
    #[error("the loop of the worker that is called {part} ended by itself")]
    Ended {
        /// Which one: `fetch`, `settle`, `janitor`, `sentinels` or `lease`.
        part: &'static str,
    },
    /// The thread that renews leases could not be started.
    #[error("the lease thread could not be started: {0}")]
    Thread(#[source] std::io::Error),
}
