//! The loop that takes work from the stream; one per worker, so that nothing competes for terminals.
//!
//! A round asks for exactly as many entries as terminals are free: the backlog stays in Redis, where any
//! worker can take it and an autoscaler can see it. First comes what lapsed elsewhere, then what is
//! new. Servers with `XREADGROUP … CLAIM` bring both in one read, and wake it when a lease lapses;
//! elsewhere a sweep looks for lapsed leases a few times per lease, and a read waits no longer than
//! until the next sweep.
//!
//! `CLAIM` never purges references to entries that are gone (withdrawn by a caller while a worker died with
//! them), so that a rare sweep is made there as well.
//!
//! After a reconnect, entries may have been delivered to a connection that broke before they arrived:
//! whatever is pending for this worker and not running is taken again, as the same delivery.

use std::{sync::Arc, time::Duration};

use tokio::{
    select,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};

use super::{Core, Handler, work::take};
use crate::{
    error::Fault,
    link::Link,
    lock,
    wire::{Fetched, Group, Recount, Whose, WireError},
};

/// Sweeps per lease where there is no `CLAIM`.
pub(super) const SWEEPS_PER_LEASE: u32 = 4;

/// Leases between two sweeps where there is.
const LEASES_PER_PURGE: u32 = 6;

/// The longest that a read waits on the server.
pub(super) const MAX_BLOCK: Duration = Duration::from_secs(5);

pub(super) struct Fetch {
    pub core: Arc<Core>,
    pub handler: Handler,
    pub link: Link,
    pub terminals: Arc<Semaphore>,
    /// Changes when no more work is to be taken.
    pub stop: watch::Receiver<bool>,
    /// The connection that reads, for whoever has to wake it.
    pub client_id: watch::Sender<Option<i64>>,
    pub group_lost: bool,
    pub next_sweep: Instant,
}

impl Fetch {
    pub(super) async fn run(mut self) {
        while let Some(free) = self.free().await {
            match self.round(free).await {
                Ok(()) => {}
                Err(error) => {
                    self.group_lost |= error.fault == Fault::NoGroup;
                    self.client_id.send_replace(None);
                    self.link.failed(&error);
                    select! {
                        () = self.link.pause() => {}
                        _ = self.stop.changed() => return,
                    }
                }
            }
        }
    }

    /// All terminals that are free, at least one; nothing once the worker stops.
    async fn free(&mut self) -> Option<OwnedSemaphorePermit> {
        let stop = &mut self.stop;
        let mut free = select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return None,
            free = Arc::clone(&self.terminals).acquire_owned() => free.ok()?,
        };
        let more = u32::try_from(self.terminals.available_permits()).unwrap_or(u32::MAX);
        if let Ok(more) = Arc::clone(&self.terminals).try_acquire_many_owned(more) {
            free.merge(more);
        }
        Some(free)
    }

    async fn round(&mut self, mut free: OwnedSemaphorePermit) -> Result<(), WireError> {
        let core = Arc::clone(&self.core);
        let (connection, fresh) = self.link.connect().await?;
        if fresh {
            core.saw_server(connection.server.info());
        }
        if fresh || self.group_lost {
            Group::create(&core.group.names, connection).await?;
            if std::mem::take(&mut self.group_lost) {
                core.metrics.groups_created.inc();
                tracing::warn!(
                    group = core.group.names.group,
                    "the consumer group was missing; created it from the start of the stream"
                );
            }
        }
        if fresh {
            self.client_id
                .send_replace(Some(Group::client_id(connection).await?));
            self.take_again(&mut free).await?;
        }
        // Everything is in place, also if the read that follows waits for long.
        self.link.succeeded();
        if Instant::now() >= self.next_sweep {
            self.sweep(&mut free).await?;
        }
        let most = free.num_permits();
        if most == 0 {
            return Ok(());
        }
        let (connection, _) = self.link.connect().await?;
        let block = self
            .next_sweep
            .saturating_duration_since(Instant::now())
            .min(MAX_BLOCK);
        let sent = Instant::now();
        let fetched = core.group.read(connection, most, block).await?;
        self.take_all(fetched, sent, &mut free);
        Ok(())
    }

    /// Takes what is pending for this worker and not running here: it was delivered and never arrived.
    async fn take_again(&mut self, free: &mut OwnedSemaphorePermit) -> Result<(), WireError> {
        let core = Arc::clone(&self.core);
        let (connection, _) = self.link.connect().await?;
        let most = core.terminals();
        let mut pending = core
            .group
            .pending(connection, Whose::Own, Duration::ZERO, most)
            .await?;
        pending.retain(|row| !core.running.has(row.id));
        pending.truncate(free.num_permits());
        if !pending.is_empty() {
            let sent = Instant::now();
            let fetched = core
                .group
                .claim(connection, &pending, Duration::ZERO, Recount::Same)
                .await?;
            self.take_all(fetched, sent, free);
        }
        Ok(())
    }

    /// Takes over what no worker has renewed for a lease.
    async fn sweep(&mut self, free: &mut OwnedSemaphorePermit) -> Result<(), WireError> {
        let core = Arc::clone(&self.core);
        let lease = core.group.lease;
        let (connection, _) = self.link.connect().await?;
        let period = if connection.server.reads_with_claim() {
            lease * LEASES_PER_PURGE
        } else {
            lease / SWEEPS_PER_LEASE
        };
        let mut pending = core
            .group
            .pending(connection, Whose::Everybodys, lease, free.num_permits())
            .await?;
        pending.retain(|row| !core.running.has(row.id));
        if !pending.is_empty() {
            let sent = Instant::now();
            let fetched = core
                .group
                .claim(connection, &pending, lease, Recount::Next)
                .await?;
            self.take_all(fetched, sent, free);
        }
        self.next_sweep = Instant::now() + period;
        Ok(())
    }

    fn take_all(&self, fetched: Fetched, sent: Instant, free: &mut OwnedSemaphorePermit) {
        if !lock(&self.core.clock).sample(sent, Instant::now(), fetched.redis_time) {
            tracing::warn!(
                "Redis's clock was set; requests from before count their time from now on"
            );
        }
        for delivery in fetched.deliveries {
            // Never short: the server gives no more than was asked for.
            let Some(terminal) = free.split(1) else {
                return;
            };
            take(
                &self.core,
                &self.handler,
                delivery,
                fetched.redis_time,
                terminal,
            );
        }
    }
}
