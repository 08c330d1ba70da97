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
//! A request that ends its worker takes along what the worker had in hand besides, and all of that lapses
//! and is delivered again at the same time. So that the innocent do not die with it until they are dead
//! letters together, a worker makes only one last delivery at a time: of two requests that died with the
//! same workers, one is then alone among its like, and only the one to blame dies once more.
//!
//! The group is made only where a read found it missing, never to be safe: under memory pressure a
//! creation is refused while reads go on, and a worker that reconnects then must still drain the stream.
//! The first read after a failure does not wait on the server, so that this part counts as up when, and
//! only when, a read succeeded.
//!
//! What handlers are done with at once is settled along with the next read ([`along`]), which asks for as many more:
//! their terminals are free by the time it is carried out. Were one of them not free after all, since Redis refused
//! its reply, what came for it is handed back.

use std::{sync::Arc, time::Duration};

use tokio::{
    select,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};

use super::{along, core::Core, request::Handler, settle::Finished, take::take, work::Work};
use crate::{
    error::Fault,
    link::Link,
    mutex::lock,
    read_limit::ReadLimit,
    wire::{Claim, Delivery, EntryId, Fetched, Group, PendingEntry, Read, Whose, WireError},
};

/// Sweeps per lease where there is no `CLAIM`.
pub(super) const SWEEPS_PER_LEASE: u32 = 4;

/// Leases between two sweeps where there is.
const LEASES_PER_PURGE: u32 = 6;

/// Lapsed entries that a sweep looks at beyond those it can take, so that what waits for its last delivery
/// does not hide what lapsed behind it.
const BEYOND: usize = 64;

/// The longest that a read waits on the server.
pub(super) const MAX_BLOCK: Duration = Duration::from_secs(5);

/// How long handlers of one read are asked whether they are done at once, so that one that takes its time, and does not
/// let go of the thread, holds up nothing but itself.
const DONE_AT_ONCE: Duration = Duration::from_millis(5);

pub(super) struct Fetch {
    pub core: Arc<Core>,
    pub handler: Handler,
    /// Whether handlers are asked whether they are done at once.
    pub asks_here: bool,
    /// What they are done with, to go along with the next read.
    pub done: Vec<Finished>,
    pub link: Link,
    pub terminals: Arc<Semaphore>,
    /// Changes when no more work is to be taken.
    pub stop: watch::Receiver<bool>,
    /// The connection that reads, for whoever has to wake it.
    pub client_id: watch::Sender<Option<i64>>,
    /// How many requests come with one answer.
    pub limit: ReadLimit,
    /// The last command found no group.
    pub group_missing: bool,
    /// A read succeeded at some time, so that there was a group.
    pub group_seen: bool,
    pub next_sweep: Instant,
    /// The last delivery that was made here, in hand still or not.
    pub last_chance: Option<EntryId>,
}

impl Fetch {
    pub(super) async fn run(mut self) {
        while let Some(free) = self.free().await {
            let Err(error) = self.round(free).await else {
                continue;
            };
            self.leave_done();
            self.client_id.send_replace(None);
            if error.fault == Fault::Timeout {
                self.limit.timed_out();
            }
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
        self.leave_done();
    }

    /// All terminals that are free; nothing once the worker stops. At least one, unless something is done, whose
    /// terminal is about to be.
    async fn free(&mut self) -> Option<OwnedSemaphorePermit> {
        let least = u32::from(self.done.is_empty());
        let stop = &mut self.stop;
        let mut free = select! {
            biased;
            _ = stop.wait_for(|stop| *stop) => return None,
            free = Arc::clone(&self.terminals).acquire_many_owned(least) => free.ok()?,
        };
        self.add_free(&mut free);
        Some(free)
    }

    fn add_free(&self, free: &mut OwnedSemaphorePermit) {
        let more = u32::try_from(self.terminals.available_permits()).unwrap_or(u32::MAX);
        if let Ok(more) = Arc::clone(&self.terminals).try_acquire_many_owned(more) {
            free.merge(more);
        }
    }

    /// Leaves what is done to the loop that settles.
    fn leave_done(&mut self) {
        for finished in self.done.drain(..) {
            self.core.settle.push(finished);
        }
    }

    async fn round(&mut self, mut free: OwnedSemaphorePermit) -> Result<(), WireError> {
        let core = Arc::clone(&self.core);
        self.link.connect().await?;
        let unproven = !self.link.is_proven();
        let sweeps = Instant::now() >= self.next_sweep;
        // What is done does not wait for other commands than a read.
        if unproven || sweeps || !along::may_go(&core, &self.done) {
            self.leave_done();
        }
        let connection = self.link.connection()?;
        if unproven {
            core.saw_server(&connection.server.info());
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
        if sweeps {
            self.sweep(&mut free).await?;
        }
        // Nor is what was pending followed by anything new before all of it was taken.
        if unproven || sweeps {
            self.leave_done();
        }
        let most = free.num_permits() + self.done.len();
        let most = most.min(self.limit.get());
        if most == 0 {
            return Ok(());
        }
        let until_sweep = self.next_sweep.saturating_duration_since(Instant::now());
        let take_over = !self.has_last_chance();
        let longest = if take_over {
            MAX_BLOCK
        } else {
            core.group.lease / SWEEPS_PER_LEASE
        };
        let block = (!unproven).then_some(until_sweep.min(longest));
        let sent = Instant::now();
        let overtaken = self.link.overtaken();
        let done = std::mem::take(&mut self.done);
        let read = Read {
            most,
            block,
            take_over,
        };
        let connection = self.link.connection()?;
        let mut fetched = select! {
            fetched = along::read(&core, connection, read, done) => fetched?,
            error = overtaken => return Err(error),
        };
        self.link.succeeded();
        self.limit.came(fetched.deliveries.len());
        self.group_seen = true;
        self.add_free(&mut free);
        self.put_off(&mut fetched.deliveries, free.num_permits())
            .await?;
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
        self.keep_one_last_chance(&mut pending, |row| row.deliveries);
        pending.truncate(free.num_permits());
        self.claim(&pending, Claim::Own, free).await
    }

    /// Takes over what no worker has renewed for a lease. What lapsed here while it runs (Redis was away
    /// for longer than a lease) becomes ours again unless somebody else was faster.
    async fn sweep(&mut self, free: &mut OwnedSemaphorePermit) -> Result<(), WireError> {
        let core = Arc::clone(&self.core);
        let lease = core.group.lease;
        let connection = self.link.connection()?;
        let reads_claim = connection.server.reads_with_claim();
        // What runs here must not hide what is to be taken over behind it.
        let most = free.num_permits() + core.running.len() + BEYOND;
        let (own, mut lapsed): (Vec<_>, Vec<_>) = core
            .group
            .pending(connection, Whose::Everybodys, lease, most)
            .await?
            .into_iter()
            .partition(|row| core.running.has(row.id));
        let sent = Instant::now();
        if !own.is_empty() {
            let own: Vec<_> = own.iter().map(|row| row.id).collect();
            let renewed = core.group.renew(connection, &own).await?;
            core.running.renewed(&renewed, sent);
        }
        self.keep_one_last_chance(&mut lapsed, |row| row.deliveries + 1);
        let more = lapsed.len() > free.num_permits();
        lapsed.truncate(free.num_permits());
        self.claim(&lapsed, Claim::Lapsed, free).await?;
        let reads_take_over = reads_claim && !self.has_last_chance();
        let period = if more {
            // The next free terminal is for the rest of them: they have waited for a lease already.
            Duration::ZERO
        } else if reads_take_over {
            lease * LEASES_PER_PURGE
        } else {
            lease / SWEEPS_PER_LEASE
        };
        self.next_sweep = Instant::now() + period;
        Ok(())
    }

    /// Claims these entries and takes them in hand, as many at once as get through.
    async fn claim(
        &mut self,
        mut pending: &[PendingEntry],
        claim: Claim,
        free: &mut OwnedSemaphorePermit,
    ) -> Result<(), WireError> {
        let core = Arc::clone(&self.core);
        while !pending.is_empty() {
            let (now, later) = pending.split_at(self.limit.get().min(pending.len()));
            let connection = self.link.connection()?;
            let sent = Instant::now();
            let fetched = core.group.claim(connection, now, claim).await?;
            self.limit.came(now.len());
            self.take_all(fetched, sent, free);
            pending = later;
        }
        Ok(())
    }

    /// Whether a last delivery is in hand: then nothing is taken over that would be another. A read with
    /// `CLAIM` cannot choose, so that it is left to the sweeps meanwhile.
    fn has_last_chance(&self) -> bool {
        self.last_chance
            .is_some_and(|entry| self.core.running.has(entry))
    }

    /// Whether this is the last delivery before a request becomes a dead letter. Where it is the first as
    /// well, nothing is known against the request.
    fn is_last_chance(&self, deliveries: u64) -> bool {
        deliveries > 1 && deliveries == self.core.max_deliveries
    }

    /// Of entries that could be claimed, drops all but one of those whose delivery would be their last.
    fn keep_one_last_chance(
        &self,
        pending: &mut Vec<PendingEntry>,
        deliveries: impl Fn(&PendingEntry) -> u64,
    ) {
        let mut one = self.has_last_chance();
        pending.retain(|row| {
            !self.is_last_chance(deliveries(row)) || !std::mem::replace(&mut one, true)
        });
    }

    /// Of entries that were read, hands back, as if the delivery had not been made: all but one of those whose delivery
    /// is their last, and what there are no `places` for.
    async fn put_off(
        &mut self,
        deliveries: &mut Vec<Delivery>,
        mut places: usize,
    ) -> Result<(), WireError> {
        let mut one = self.has_last_chance();
        let mut put_off = Vec::new();
        deliveries.retain(|delivery| {
            let id = delivery.entry.id;
            let last = self.is_last_chance(delivery.deliveries);
            // What runs here already was only given to us again, and goes on.
            let is_new = (last || places == 0) && !self.core.running.has(id);
            let takes = places > 0 && !(last && is_new && std::mem::replace(&mut one, true));
            if takes {
                places -= 1;
            } else if is_new {
                put_off.push(id);
            }
            takes
        });
        if !put_off.is_empty() {
            let connection = self.link.connection()?;
            self.core.group.hand_back(connection, &put_off).await?;
        }
        Ok(())
    }

    fn take_all(&mut self, fetched: Fetched, sent: Instant, free: &mut OwnedSemaphorePermit) {
        if !lock(&self.core.clock).sample(sent, Instant::now(), fetched.redis_time) {
            tracing::warn!(
                "Redis's clock was set; requests from before count their time from now on"
            );
        }
        let mut works: Vec<Work> = Vec::with_capacity(fetched.deliveries.len());
        for delivery in fetched.deliveries {
            // Never short: no more was asked for.
            let Some(terminal) = free.split(1) else {
                break;
            };
            if self.is_last_chance(delivery.deliveries) {
                self.last_chance = Some(delivery.entry.id);
                // Until it is done reads take nothing over, so sweeps do.
                let soon = Instant::now() + self.core.group.lease / SWEEPS_PER_LEASE;
                self.next_sweep = self.next_sweep.min(soon);
            }
            works.extend(take(
                &self.core,
                delivery,
                sent,
                fetched.redis_time,
                terminal,
            ));
        }
        // Only when all are in hand, and their leases are kept, may a handler take its time.
        let here_until = self.asks_here.then(|| Instant::now() + DONE_AT_ONCE);
        for work in works {
            let done = work.start(&self.core, &self.handler, here_until);
            self.done.extend(done);
        }
    }
}
