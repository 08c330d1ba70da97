//! The worker: takes requests from the stream, runs a handler on each, and answers.
//!
//! The rooms: [`serve`] is a worker's life; [`fetch`] asks for what it has free terminals for, with care for a
//! request's [`last_chance`]; [`take`] tells work from what is none; [`work`] calls the handler; [`running`] knows
//! what is in hand and until when; [`lease`] renews, on a thread of its own; what is done is [`finished`];
//! [`settle`] replies, deletes and acknowledges, as does the next read for what is done by then, see [`along`];
//! [`dead_letters`] takes what cannot be worked on; [`janitor`] keeps house; [`drain`] ends it all in order.

mod along;
mod core;
mod dead_letters;
mod drain;
mod fetch;
mod finished;
mod janitor;
mod last_chance;
mod lease;
mod metrics;
mod monitor;
mod occupancy;
mod request;
mod running;
mod serve;
mod settle;
mod take;
mod work;

use std::{future::Future, sync::Arc};

use bytes::Bytes;

use self::{core::Core, request::handler as any_handler};
pub use self::{drain::Drained, monitor::Monitor, request::Request};
use crate::{
    config::WorkerConfig,
    error::{ConfigError, Failure, WorkerError},
};

/// Serves requests with a bounded number of terminals.
#[derive(Debug)]
pub struct Worker {
    core: Arc<Core>,
}

impl Worker {
    /// Makes a worker. Nothing is taken from the stream before [`serve`](Self::serve).
    ///
    /// # Errors
    ///
    /// Only for settings that are out of bounds or contradict each other, and for a registry that holds the
    /// metrics of a worker already; Redis need not be reachable.
    #[allow(clippy::unused_async, reason = "symmetric to Client::connect")]
    pub async fn connect(config: WorkerConfig) -> Result<Self, ConfigError> {
        Ok(Self {
            core: Arc::new(Core::new(config)?),
        })
    }

    /// A view for health checks.
    pub fn monitor(&self) -> Monitor {
        Monitor {
            core: Arc::clone(&self.core),
        }
    }

    /// Serves requests, `terminals` at a time, until `shutdown` resolves; then drains: what runs may
    /// finish within the drain time, the rest is handed back to the group.
    ///
    /// The handler's future is dropped when its request's deadline passes and when the drain time is
    /// over. A handler that panics is answered as such and costs nothing else. One that blocks its
    /// thread cannot be cut, but keeps its lease.
    ///
    /// # Errors
    ///
    /// When it cannot begin: no terminals (or more than 2⁶¹ − 1), or no thread for the leases. And when one of its own
    /// loops panicked, which is a bug. No fault of Redis ends it, and no panic of a handler.
    pub async fn serve<H, F, B>(
        self,
        terminals: usize,
        handler: H,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Drained, WorkerError>
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<B, Failure>> + Send + 'static,
        B: Into<Bytes>,
    {
        serve::serve(self.core, terminals, any_handler(handler), shutdown).await
    }
}
