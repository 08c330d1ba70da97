//! A worker as health checks see it.

use std::sync::Arc;

use super::core::Core;
use crate::{
    health::{NotReady, WorkerHealth},
    mutex::lock,
};

/// A view of a worker that stays valid while it serves and after. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Monitor {
    pub(super) core: Arc<Core>,
}

impl Monitor {
    /// Whether requests are being taken: Redis answers, the group is in place, and it is not draining.
    ///
    /// # Errors
    ///
    /// The first thing that is in the way.
    pub fn readiness(&self) -> Result<(), NotReady> {
        if self.core.is_draining() {
            return Err(NotReady::Draining);
        }
        self.core.status.readiness()
    }

    /// Resolves when requests are being taken, for the first time or again. That may never be, so give it a
    /// time limit.
    pub async fn ready(&self) {
        self.core.status.ready().await;
    }

    /// The state of every part.
    pub fn health(&self) -> WorkerHealth {
        let core = &*self.core;
        let observation = lock(&core.observation).clone();
        WorkerHealth {
            server: lock(&core.server).clone(),
            consumer: core.group.consumer.clone(),
            group: core.group.names.group.clone(),
            terminals: core.terminals(),
            terminals_active: core.running.len(),
            lease: core.group.lease,
            backlog: observation.as_ref().map(|seen| seen.backlog),
            workers: observation.map(|seen| seen.workers).unwrap_or_default(),
            faults: core.status.faults(),
        }
    }
}
