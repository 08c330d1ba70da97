//! The loop that takes work from the stream; one per worker, so that nothing competes for terminals.
//!
//! A round asks for exactly as many entries as terminals are free: the backlog stays in Redis, where any
//! worker can take it and an autoscaler can see it. First comes what lapsed elsewhere, then what is
//! new ([`catch_up`]). Servers with `XREADGROUP … CLAIM` bring both in one read, and wake it when a lease lapses;
//! elsewhere a sweep looks for lapsed leases a few times per lease, and a read waits no longer than
//! until the next sweep.
//!
//! The group is made only where a read found it missing, never to be safe: under memory pressure a
//! creation is refused while reads go on, and a worker that reconnects then must still drain the stream.
//! The first read after a failure does not wait on the server, so that this part counts as up when, and
//! only when, a read succeeded.
//!
//! What is done by then is settled along with the next read ([`along`]), which asks for as many more: their terminals
//! are free by the time it is carried out. So it is with what handlers are done with at once, and where all terminals
//! are busy with the next of them that is done. Were one of them not free after all, since Redis refused its reply,
//! what came for it is handed back.

mod catch_up;

use std::{sync::Arc, time::Duration};

use tokio::{
    select,
    sync::{OwnedSemaphorePermit, Semaphore, watch},
    time::Instant,
};

use super::{
    along::{self, Brought},
    core::Core,
    finished::Finished,
    last_chance::LastChance,
    request::Handler,
    take::{Delivered, take},
    work::Work,
};
use crate::{
    error::Fault,
    link::Link,
    mutex::lock,
    read_limit::ReadLimit,
    wire::{EntryId, Fetched, Read, WireError},
};

/// Sweeps per lease where there is no `CLAIM`.
pub(super) const SWEEPS_PER_LEASE: u32 = 4;

/// The longest that a read waits on the server.
pub(super) const MAX_BLOCK: Duration = Duration::from_secs(5);

/// How long handlers of one read are asked whether they are done at once, so that one that takes its time, and does not
/// let go of the thread, holds up nothing but itself.
const DONE_AT_ONCE: Duration = Duration::from_millis(5);

/// For how long nothing goes along with a read after Redis refused that: what is read meanwhile would find its
/// terminals taken, and would have to be handed back.
const REFUSED: Duration = Duration::from_secs(1);

pub(super) struct Fetch {
    pub core: Arc<Core>,
    pub handler: Handler,
    /// Whether handlers are asked whether they are done at once.
    pub asks_here: bool,
    /// What is done, to go along with the next read.
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
    pub last_chance: LastChance,
    /// Until when nothing goes along.
    pub alone_until: Instant,
}

impl Drop for Fetch {
    fn drop(&mut self) {
        self.leave_done();
    }
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
    }

    /// All terminals that are free; nothing once the worker stops. At least one, unless something is done, whose
    /// terminal is about to be.
    async fn free(&mut self) -> Option<OwnedSemaphorePermit> {
        let mut free = Arc::clone(&self.terminals).try_acquire_many_owned(0).ok()?;
        self.add_free(&mut free);
        // Not where a sweep comes first: that is for terminals that are free, and what is done does not wait for it.
        let reads_next = self.link.is_proven() && Instant::now() < self.next_sweep;
        let may_go_along = reads_next && self.may_go_along();
        while free.num_permits() == 0 && self.done.is_empty() {
            select! {
                biased;
                _ = self.stop.wait_for(|stop| *stop) => return None,
                done = self.core.settle.for_read(), if may_go_along => self.done = done,
                one = Arc::clone(&self.terminals).acquire_owned() => free.merge(one.ok()?),
            }
            self.add_free(&mut free);
        }
        (!*self.stop.borrow()).then_some(free)
    }

    fn add_free(&self, free: &mut OwnedSemaphorePermit) {
        let more = u32::try_from(self.terminals.available_permits()).unwrap_or(u32::MAX);
        if let Ok(more) = Arc::clone(&self.terminals).try_acquire_many_owned(more) {
            free.merge(more);
        }
    }

    fn may_go_along(&self) -> bool {
        along::is_open(&self.core) && Instant::now() >= self.alone_until
    }

    /// Leaves what is done to the loop that settles.
    fn leave_done(&mut self) {
        self.core.settle.leave(self.done.drain(..));
    }

    async fn round(&mut self, mut free: OwnedSemaphorePermit) -> Result<(), WireError> {
        if !self.link.is_open() {
            // Connecting takes its time, and whoever waits for these has another connection.
            self.leave_done();
        }
        self.link.connect().await?;
        let unproven = !self.link.is_proven();
        self.catch_up(unproven, &mut free).await?;
        let most = free.num_permits() + self.done.len();
        let most = most.min(self.limit.get());
        if most == 0 {
            return Ok(());
        }
        let core = Arc::clone(&self.core);
        let until_sweep = self.next_sweep.saturating_duration_since(Instant::now());
        let take_over = !self.last_chance.is_taken();
        let longest = if take_over {
            MAX_BLOCK
        } else {
            core.group.lease / SWEEPS_PER_LEASE
        };
        let read = Read {
            most,
            block: (!unproven).then_some(until_sweep.min(longest)),
            take_over,
        };
        let sent = Instant::now();
        let overtaken = self.link.overtaken();
        let done = std::mem::take(&mut self.done);
        let were_free = free.num_permits();
        let connection = self.link.connection()?;
        let Brought {
            mut fetched,
            free_since: others_since,
            refused,
        } = select! {
            read = along::read(&core, connection, read, done) => read?,
            error = overtaken => return Err(error),
        };
        if refused {
            self.alone_until = Instant::now() + REFUSED;
        }
        self.link.succeeded();
        self.limit.came(fetched.deliveries.len());
        self.group_seen = true;
        self.add_free(&mut free);
        let mut put_off = self.last_chance.put_off(&mut fetched.deliveries);
        let free_since = |terminal| {
            if terminal < were_free {
                sent
            } else {
                others_since
            }
        };
        put_off.extend(self.take_all(fetched, sent, free_since, &mut free));
        self.hand_back(&put_off).await
    }

    /// Gives these back as if the delivery had not been made.
    async fn hand_back(&mut self, entries: &[EntryId]) -> Result<(), WireError> {
        if entries.is_empty() {
            return Ok(());
        }
        let connection = self.link.connection()?;
        let reads_claim = connection.server.reads_with_claim();
        self.core.group.hand_back(connection, entries).await?;
        if !reads_claim {
            // Reads bring what is new alone; a sweep finds these before that.
            self.next_sweep = Instant::now();
        }
        Ok(())
    }

    /// Takes in hand what a command brought that was `sent` then, and calls the handlers. Each terminal was free for it
    /// since a time of its own. Gives those that found no terminal free: one was counted on whose reply Redis refused,
    /// or went to an entry that was let go of here since the command was sent.
    fn take_all(
        &mut self,
        fetched: Fetched,
        sent: Instant,
        free_since: impl Fn(usize) -> Instant,
        free: &mut OwnedSemaphorePermit,
    ) -> Vec<EntryId> {
        let Fetched {
            deliveries,
            redis_time,
        } = fetched;
        let clock = {
            let mut clock = lock(&self.core.clock);
            if !clock.sample(sent, Instant::now(), redis_time) {
                tracing::warn!(
                    "Redis's clock was set; requests from before count their time from now on"
                );
            }
            clock.clone()
        };
        let delivered = clock.local(redis_time);
        let mut works: Vec<Work> = Vec::with_capacity(deliveries.len());
        let (mut taken, mut left) = (0, Vec::new());
        for delivery in deliveries {
            let id = delivery.entry.id;
            // What runs here was only given to us again, and needs no terminal.
            if delivery.deliveries > 1 && self.core.running.again(id, delivered) {
                continue;
            }
            let Some(terminal) = free.split(1) else {
                // Where the group was lost, what runs here comes as if for the first time.
                if !self.core.running.again(id, delivered) {
                    left.push(id);
                }
                continue;
            };
            if self.last_chance.made(id, delivery.deliveries) {
                // Until it is done reads take nothing over, so sweeps do.
                let soon = Instant::now() + self.core.group.lease / SWEEPS_PER_LEASE;
                self.next_sweep = self.next_sweep.min(soon);
            }
            let when = Delivered {
                at: delivered,
                age: clock.age(id, redis_time),
                free_since: free_since(taken),
            };
            taken += 1;
            works.extend(take(&self.core, delivery, when, terminal));
        }
        // Only when all are in hand, and their leases are kept, may a handler take its time.
        let here_until = self.asks_here.then(|| Instant::now() + DONE_AT_ONCE);
        for work in works {
            let done = work.start(&self.core, &self.handler, here_until);
            self.done.extend(done);
        }
        left
    }
}
