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
//!
//! The group is made only where a read found it missing, never to be safe: under memory pressure a
//! creation is refused while reads go on, and a worker that reconnects then must still drain the stream.
//! The first read after a failure does not wait on the server, so that this part counts as up when, and
//! only when, a read succeeded.

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
    /// The last command found no group.
    pub group_missing: bool,
    /// A read succeeded at some time, so that there was a group.
    pub group_seen: bool,
    pub next_sweep: Instant,
}

impl Fetch {
    pub(super) async fn run(mut self) {
        while let Some(free) = self.free().await {
            let Err(error) = self.round(free).await else {
                continue;
            };
            self.client_id.send_replace(None);
            if error.fault == Fault::NoGroup {
                let tried = std::mem::replace(&mut self.group_missing, true);
                if !tried && !self.group_seen {
                    continue; // A new service: whoever comes first makes the group.
                }
            }
            self.link.failed(&error);
            select! {
                () = self.link.pause() => {}
                _ = self.stop.changed() => return,
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
        self.link.connect().await?;
        let unproven = !self.link.is_proven();
        let connection = self.link.connection()?;
        if unproven {
            core.saw_server(connection.server.info());
            self.client_id
                .send_replace(Group::client_id(connection).await?);
        }
        if self.group_missing {
            let made = Group::create(&core.group.names, connection).await?;
            self.group_missing = false;
            if made {
                core.made_group(self.group_seen);
            }
        }
        if unproven {
            self.take_again(&mut free).await?;
        }
        if Instant::now() >= self.next_sweep {
            self.sweep(&mut free).await?;
        }
        let most = free.num_permits();
        if most == 0 {
            return Ok(());
        }
        let until_sweep = self.next_sweep.saturating_duration_since(Instant::now());
        let block = (!unproven).then_some(until_sweep.min(MAX_BLOCK));
        let sent = Instant::now();
        let overtaken = self.link.overtaken();
        let connection = self.link.connection()?;
        let fetched = select! {
            fetched = core.group.read(connection, most, block) => fetched?,
            error = overtaken => return Err(error),
        };
        self.link.succeeded();
        self.group_seen = true;
        self.take_all(fetched, sent, &mut free);
        Ok(())
    }

    /// Takes what is pending for this worker and not running here: it was delivered and never arrived.
    async fn take_again(&mut self, free: &mut OwnedSemaphorePermit) -> Result<(), WireError> {
        let core = Arc::clone(&self.core);
        let connection = self.link.connection()?;
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

    /// Takes over what no worker has renewed for a lease. What lapsed here while it runs (Redis was away
    /// for longer than a lease) becomes ours again unless somebody else was faster.
    async fn sweep(&mut self, free: &mut OwnedSemaphorePermit) -> Result<(), WireError> {
        let core = Arc::clone(&self.core);
        let lease = core.group.lease;
        let connection = self.link.connection()?;
        let period = if connection.server.reads_with_claim() {
            lease * LEASES_PER_PURGE
        } else {
            lease / SWEEPS_PER_LEASE
        };
        // What runs here must not hide what is to be taken over behind it.
        let most = free.num_permits() + core.running.len();
        let (own, mut lapsed): (Vec<_>, Vec<_>) = core
            .group
            .pending(connection, Whose::Everybodys, lease, most)
            .await?
            .into_iter()
            .partition(|row| core.running.has(row.id));
        let sent = Instant::now();
        if !own.is_empty() {
            let own: Vec<_> = own.iter().map(|row| row.id).collect();
            let renewed = core.group.renew(connection, &own, lease).await?;
            core.running.renewed(&renewed, sent);
        }
        lapsed.truncate(free.num_permits());
        if !lapsed.is_empty() {
            let sent = Instant::now();
            let fetched = core
                .group
                .claim(connection, &lapsed, lease, Recount::Next)
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
