//! The entries that this worker has and their leases.
//!
//! A lease starts when Redis delivered the entry, on Redis's clock, and is moved on by each renewal. It
//! is measured here from the moment *before* the renewal was sent, so that the local view never
//! outlasts Redis's. Once it has lapsed the entry may be somebody else's and is not renewed any more;
//! work that runs goes on, since the first answer wins.

use std::{
    collections::{HashMap, hash_map},
    sync::Mutex,
    time::Duration,
};

use tokio::{sync::Notify, task::AbortHandle, time::Instant};

use crate::{lock, wire::EntryId};

/// How many renewals fit into a lease: one may fail or be late without the lease being lost.
pub(super) const RENEWALS_PER_LEASE: u32 = 3;

/// The entries in hand. Bounded by the terminals.
#[derive(Debug)]
pub(super) struct Running {
    lease: Duration,
    held: Mutex<HashMap<EntryId, Held>>,
    changed: Notify,
}

#[derive(Debug)]
struct Held {
    /// When Redis delivered it, or the last renewal that succeeded was sent.
    since: Instant,
    /// Somebody else has it now.
    lost: bool,
    work: Option<AbortHandle>,
}

impl Running {
    pub(super) fn new(lease: Duration) -> Self {
        Self {
            lease,
            held: Mutex::default(),
            changed: Notify::new(),
        }
    }

    /// Takes an entry in hand that was delivered at `since`. False if it is in hand already: then its
    /// lease starts anew, as it does for Redis, and it must not be run a second time.
    pub(super) fn begin(&self, id: EntryId, since: Instant) -> bool {
        let new = match lock(&self.held).entry(id) {
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(Held {
                    since,
                    lost: false,
                    work: None,
                });
                true
            }
            hash_map::Entry::Occupied(mut occupied) => {
                let held = occupied.get_mut();
                held.since = held.since.max(since);
                held.lost = false;
                false
            }
        };
        self.changed.notify_waiters();
        new
    }

    /// Notes the task that works on an entry, so that it can be cut.
    pub(super) fn works(&self, id: EntryId, work: AbortHandle) {
        if let Some(held) = lock(&self.held).get_mut(&id) {
            held.work = Some(work);
        }
    }

    /// Whether the lease holds at `now`. A tenth is kept back for what lies between this look and the
    /// work that it allows.
    pub(super) fn holds(&self, id: EntryId, now: Instant) -> bool {
        lock(&self.held)
            .get(&id)
            .is_some_and(|held| !held.lost && now < held.since + self.lease * 9 / 10)
    }

    /// The entries whose lease should be renewed at `now`; none that lapsed.
    pub(super) fn due(&self, now: Instant) -> Vec<EntryId> {
        let held = lock(&self.held);
        held.iter()
            .filter(|(_, held)| {
                !held.lost && now >= held.since + self.renewal() && now < held.since + self.lease
            })
            .map(|(id, _)| *id)
            .collect()
    }

    /// These were renewed by a command sent at `sent`: they are ours, whatever was thought before.
    pub(super) fn renewed(&self, ids: &[EntryId], sent: Instant) {
        let mut held = lock(&self.held);
        for id in ids {
            if let Some(held) = held.get_mut(id) {
                held.since = held.since.max(sent);
                held.lost = false;
            }
        }
    }

    /// These are somebody else's now, or were withdrawn by their caller.
    pub(super) fn lost(&self, ids: &[EntryId]) {
        let mut held = lock(&self.held);
        for id in ids {
            if let Some(held) = held.get_mut(id) {
                held.lost = true;
            }
        }
    }

    /// Puts an entry out of hand; false if it was not in hand.
    pub(super) fn end(&self, id: EntryId) -> bool {
        let was = lock(&self.held).remove(&id).is_some();
        self.changed.notify_waiters();
        was
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.held).len()
    }

    pub(super) fn has(&self, id: EntryId) -> bool {
        lock(&self.held).contains_key(&id)
    }

    /// Cuts all work that runs and puts everything out of hand.
    pub(super) fn cut(&self) {
        for held in std::mem::take(&mut *lock(&self.held)).into_values() {
            if let Some(work) = held.work {
                work.abort();
            }
        }
        self.changed.notify_waiters();
    }

    /// Resolves when nothing is in hand.
    pub(super) async fn empty(&self) {
        self.wait(HashMap::is_empty).await;
    }

    /// Resolves when something is in hand.
    pub(super) async fn filled(&self) {
        self.wait(|held| !held.is_empty()).await;
    }

    /// The time between two renewals of one entry.
    pub(super) fn renewal(&self) -> Duration {
        self.lease / RENEWALS_PER_LEASE
    }

    async fn wait(&self, reached: impl Fn(&HashMap<EntryId, Held>) -> bool) {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            if reached(&lock(&self.held)) {
                return;
            }
            changed.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LEASE: Duration = Duration::from_secs(9);

    fn id(seq: u64) -> EntryId {
        EntryId { ms: 1, seq }
    }

    #[test]
    fn a_lease_is_renewed_from_a_third_on_and_never_once_it_lapsed() {
        let start = Instant::now();
        let running = Running::new(LEASE);
        assert!(running.begin(id(1), start));
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(running.due(after(2)), vec![]);
        assert_eq!(running.due(after(3)), vec![id(1)]);
        assert_eq!(running.due(after(9)), vec![]);

        running.renewed(&[id(1)], after(4));
        assert_eq!(running.due(after(6)), vec![]);
        assert_eq!(running.due(after(12)), vec![id(1)]);
        running.lost(&[id(1)]);
        assert_eq!(running.due(after(12)), vec![]);
        assert!(running.has(id(1)), "the work goes on");
    }

    #[test]
    fn work_starts_only_while_the_lease_holds() {
        let start = Instant::now();
        let running = Running::new(LEASE);
        running.begin(id(1), start);
        assert!(running.holds(id(1), start + Duration::from_secs(8)));
        assert!(!running.holds(id(1), start + Duration::from_millis(8_100)));
        running.lost(&[id(1)]);
        assert!(!running.holds(id(1), start));
    }

    #[test]
    fn an_entry_in_hand_is_not_begun_twice() {
        let start = Instant::now();
        let running = Running::new(LEASE);
        assert!(running.begin(id(1), start));
        running.lost(&[id(1)]);
        assert!(!running.begin(id(1), start + LEASE));
        assert!(
            running.holds(id(1), start + LEASE),
            "delivered to us again, so it is ours again"
        );
        running.end(id(1));
        assert!(running.begin(id(1), start));
    }
}
