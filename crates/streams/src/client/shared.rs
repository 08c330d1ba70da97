//! What callers and loops share.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use common::breaker::{CircuitBreaker, State};

use super::{
    admission::{Admission, Admitted},
    metrics::ClientMetrics,
    outbox::Outbox,
    policy::retry_after_fault,
    waiting::Waiting,
};
use crate::{
    error::{Fault, Refusal, RequestError},
    health::ServerInfo,
    keys::StreamNames,
    mutex::lock,
    status::Status,
    trace::Traces,
    wire::Observation,
};

pub(super) struct Shared {
    pub names: StreamNames,
    pub reply_stream: String,
    pub send_timeout: Duration,
    pub max_body: usize,
    pub admission: Admission,
    pub waiting: Waiting,
    pub outbox: Outbox,
    pub breaker: CircuitBreaker,
    pub status: Arc<Status>,
    pub metrics: ClientMetrics,
    pub traces: Traces,
    /// Requests asked for, admitted or not.
    pub asked: AtomicU64,
    pub server: Mutex<Option<ServerInfo>>,
    pub observation: Mutex<Option<Observation>>,
}

impl Shared {
    /// Why the last write was refused, if the next one would be as well.
    pub(super) fn write_refusal(&self) -> Option<Fault> {
        self.status
            .fault_of("writer")
            .filter(|fault| fault.refuses_writes())
    }

    /// Ends every wait, and those to come.
    pub(super) fn close(&self) {
        self.status.close();
        self.waiting.close();
    }

    pub(super) fn admit(&self, budget: Duration) -> Result<Admitted<'_>, RequestError> {
        if self.breaker.state() != State::Closed {
            return Err(RequestError::Refused {
                reason: Refusal::CircuitOpen,
                retry_after: retry_after_fault(),
            });
        }
        self.admission.admit(budget, self.outbox.unwritten())
    }

    pub(super) fn saw_server(&self, server: &ServerInfo) {
        let known = lock(&self.server).replace(server.clone());
        if known.as_ref() == Some(server) {
            return;
        }
        tracing::info!(
            server = server.server,
            version = server.version,
            commands = ?server.commands,
            reply_stream = self.reply_stream,
            "connected to Redis"
        );
        if server.may_evict_streams() {
            tracing::warn!(
                policy = server.eviction_policy,
                "Redis may evict the streams when it is full; set maxmemory-policy to noeviction"
            );
        }
        self.metrics.streams.set_server(server);
    }

    /// Changes whenever somebody asked for something.
    pub(super) fn activity(&self) -> u64 {
        self.asked.load(Ordering::Relaxed)
    }
}
