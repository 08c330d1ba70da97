//! What comes before a read: what was delivered before.
//!
//! After a reconnect, entries may have been delivered to a connection that broke before they arrived: whatever is
//! pending for this worker and not running is taken again, as the same delivery. What lapsed meanwhile, or was handed
//! back, is no longer this worker's to take so: it is delivered once more, here or elsewhere.
//!
//! A sweep looks for what lapsed. `CLAIM` does that with a read, but never purges references to entries that are gone
//! (withdrawn by a caller while a worker died with them), so that a rare sweep is made there as well.

use std::{sync::Arc, time::Duration};

use tokio::{sync::OwnedSemaphorePermit, time::Instant};

use super::{Fetch, SWEEPS_PER_LEASE};
use crate::{
    wire::{Claim, Group, PendingEntry, Whose, WireError},
    worker::along,
};

/// Leases between two sweeps where there is `CLAIM`.
const LEASES_PER_PURGE: u32 = 6;

/// Lapsed entries that a sweep looks at beyond those it can take, so that what waits for its last delivery
/// does not hide what lapsed behind it.
const BEYOND: usize = 64;

impl Fetch {
    /// What comes before a read: after a failure, and whenever it is time, what was delivered before. What is done
    /// does not wait for that.
    pub(super) async fn catch_up(
        &mut self,
        unproven: bool,
        free: &mut OwnedSemaphorePermit,
    ) -> Result<(), WireError> {
        let core = Arc::clone(&self.core);
        let sweeps = Instant::now() >= self.next_sweep;
        if unproven || sweeps || !self.may_go_along() || !along::fits(&self.done) {
            self.leave_done();
        }
        let connection = self.link.connection()?;
        if unproven {
            core.saw_server(&connection.server.info());
            self.client_id.send_replace(connection.client_id().await?);
        }
        if self.group_missing {
            let made = Group::create(&core.group.names, connection).await?;
            self.group_missing = false;
            if made {
                core.made_group(self.group_seen);
            }
        }
        if unproven {
            self.take_again(free).await?;
        }
        if sweeps {
            self.sweep(free).await?;
        }
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
        // What was handed back, or has lapsed since, is anybody's: a sweep takes it, as one more delivery.
        let of_others = pending.extract_if(.., |row| row.idle >= core.group.lease);
        if of_others.count() > 0 {
            self.next_sweep = Instant::now();
        }
        self.last_chance
            .keep_one(&mut pending, |row| row.deliveries);
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
        self.last_chance
            .keep_one(&mut lapsed, |row| row.deliveries + 1);
        let more = lapsed.len() > free.num_permits();
        lapsed.truncate(free.num_permits());
        self.claim(&lapsed, Claim::Lapsed, free).await?;
        let reads_take_over = reads_claim && !self.last_chance.is_taken();
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
            let left = self.take_all(fetched, sent, |_| sent, free);
            // Nothing new comes before all that is pending was taken.
            self.leave_done();
            self.hand_back(&left).await?;
            pending = later;
        }
        Ok(())
    }
}
