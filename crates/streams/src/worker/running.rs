//! The entries that this worker has and their leases.
//!
//! A lease starts when Redis delivered the entry, on Redis's clock, and is moved on by each renewal. It
//! is measured here from the moment *before* the renewal was sent, so that the local view never
//! outlasts Redis's. Once it has lapsed the entry may be somebody else's and is not renewed any more;
//! work that runs goes on, since the first answer wins.
//!
//! An entry is in hand as long as its [`InHand`] lives, which travels with the work from the delivery to
//! the moment it is settled: whatever becomes of the work, the entry and the terminal are let go.
//!
//! A delivery of what is in hand already counts on the work that has it. So work that finds its lease lapsed lets
//! go of the entry in the same step: were there time between the two, a delivery could come in it that nobody runs.

use std::{
    collections::{HashMap, hash_map},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use prometheus::IntGauge;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit},
    task::AbortHandle,
    time::Instant,
};

use super::occupancy::Occupancy;
use crate::{mutex::lock, wire::EntryId};

/// How many renewals fit into a lease: one may fail or be late without the lease being lost.
pub(super) const RENEWALS_PER_LEASE: u32 = 3;

/// The entries in hand. Bounded by the terminals.
#[derive(Debug)]
pub(super) struct Running {
    lease: Duration,
    inner: Mutex<Inner>,
    /// The first was taken in hand, or the last was let go.
    changed: Notify,
    /// How many there are, for the metrics.
    gauge: IntGauge,
    /// What the hold is measured by.
    pub occupancy: Occupancy,
}

#[derive(Debug, Default)]
struct Inner {
    held: HashMap<EntryId, Held>,
    /// Whether what runs was cut; what begins to run after that is cut at once.
    cut: bool,
    /// Tells one taking in hand of an entry from the next.
    serial: u64,
}

/// One entry in hand, and the terminal that it occupies.
#[derive(Debug)]
pub(super) struct InHand {
    pub entry: EntryId,
    serial: u64,
    /// Whether it was worked on.
    pub worked: bool,
    running: Arc<Running>,
    /// Given back after the entry was let go.
    _terminal: OwnedSemaphorePermit,
}

#[derive(Debug)]
struct Held {
    serial: u64,
    /// When Redis delivered it, or the last renewal that succeeded was sent.
    since: Instant,
    /// Somebody else has it now.
    lost: bool,
    work: Option<AbortHandle>,
}

impl Running {
    pub(super) fn new(lease: Duration, gauge: IntGauge) -> Self {
        Self {
            lease,
            inner: Mutex::default(),
            changed: Notify::new(),
            gauge,
            occupancy: Occupancy::new(),
        }
    }

    /// Takes an entry in hand that was delivered at `since`, to a terminal that could have had it at
    /// `waited_since`. Nothing if it is in hand already: then its lease starts anew, as it does for Redis, and it
    /// must not be run a second time.
    pub(super) fn begin(
        self: &Arc<Self>,
        entry: EntryId,
        since: Instant,
        waited_since: Instant,
        terminal: OwnedSemaphorePermit,
    ) -> Option<InHand> {
        let mut inner = lock(&self.inner);
        let is_first = inner.held.is_empty();
        let serial = inner.serial;
        match inner.held.entry(entry) {
            hash_map::Entry::Vacant(vacant) => {
                vacant.insert(Held {
                    serial,
                    since,
                    lost: false,
                    work: None,
                });
            }
            hash_map::Entry::Occupied(mut occupied) => {
                occupied.get_mut().begin_anew(since);
                return None;
            }
        }
        inner.serial += 1;
        drop(inner);
        if is_first {
            self.changed.notify_waiters();
        }
        self.gauge.inc();
        self.occupancy.begins(waited_since);
        Some(InHand {
            entry,
            serial,
            worked: false,
            running: Arc::clone(self),
            _terminal: terminal,
        })
    }

    /// Whether an entry that was delivered at `since` is in hand already: then its lease starts anew.
    pub(super) fn again(&self, entry: EntryId, since: Instant) -> bool {
        let mut inner = lock(&self.inner);
        let held = inner.held.get_mut(&entry);
        held.map(|held| held.begin_anew(since)).is_some()
    }

    /// Notes the task that works on an entry, so that it can be cut.
    pub(super) fn works(&self, id: EntryId, work: AbortHandle) {
        let mut inner = lock(&self.inner);
        if inner.cut {
            work.abort();
        }
        if let Some(held) = inner.held.get_mut(&id) {
            held.work = Some(work);
        }
    }

    /// Whether work may start: the lease holds at `now`, with a tenth kept back for what lies between this look and
    /// the work that it allows. If it does not, the entry is let go in this step.
    pub(super) fn may_start(&self, in_hand: &InHand, now: Instant) -> bool {
        let inner = lock(&self.inner);
        let held = inner.held.get(&in_hand.entry);
        let holds = held.is_some_and(|held| !held.lost && now < held.since + self.lease * 9 / 10);
        if !holds {
            self.let_go(inner, in_hand);
        }
        holds
    }

    /// The entries whose lease should be renewed at `now`; none that lapsed.
    pub(super) fn due(&self, now: Instant) -> Vec<EntryId> {
        let inner = lock(&self.inner);
        let held = inner.held.iter();
        held.filter(|(_, held)| {
            !held.lost && now >= held.since + self.renewal() && now < held.since + self.lease
        })
        .map(|(id, _)| *id)
        .collect()
    }

    /// These were renewed by a command sent at `sent`: they are ours, whatever was thought before.
    pub(super) fn renewed(&self, ids: &[EntryId], sent: Instant) {
        let mut inner = lock(&self.inner);
        for id in ids {
            if let Some(held) = inner.held.get_mut(id) {
                held.begin_anew(sent);
            }
        }
    }

    /// A command sent at `sent` found these to be somebody else's, or withdrawn by their caller. Gives how many of them
    /// are in hand; what was delivered after that is ours.
    pub(super) fn lost(&self, ids: impl Iterator<Item = EntryId>, sent: Instant) -> usize {
        let mut inner = lock(&self.inner);
        let mut lost = 0;
        for id in ids {
            if let Some(held) = inner.held.get_mut(&id).filter(|held| held.since <= sent) {
                held.lost = true;
                lost += 1;
            }
        }
        lost
    }

    pub(super) fn len(&self) -> usize {
        lock(&self.inner).held.len()
    }

    pub(super) fn has(&self, id: EntryId) -> bool {
        lock(&self.inner).held.contains_key(&id)
    }

    /// Cuts all work that runs, and all that begins yet. It is out of hand as soon as the runtime dropped it.
    pub(super) fn cut(&self) {
        let mut inner = lock(&self.inner);
        inner.cut = true;
        for held in inner.held.values() {
            if let Some(work) = &held.work {
                work.abort();
            }
        }
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
            if reached(&lock(&self.inner).held) {
                return;
            }
            changed.await;
        }
    }

    /// Removes an entry, unless it was let go before and has been taken in hand anew.
    fn let_go(&self, mut inner: MutexGuard<'_, Inner>, in_hand: &InHand) {
        if let hash_map::Entry::Occupied(occupied) = inner.held.entry(in_hand.entry)
            && occupied.get().serial == in_hand.serial
        {
            occupied.remove();
            let was_last = inner.held.is_empty();
            drop(inner);
            if was_last {
                self.changed.notify_waiters();
            }
        }
    }
}

impl Held {
    /// It is ours since then, whatever was thought before.
    fn begin_anew(&mut self, since: Instant) {
        self.since = self.since.max(since);
        self.lost = false;
    }
}

impl Drop for InHand {
    fn drop(&mut self) {
        self.running.gauge.dec();
        self.running.occupancy.ends(self.worked);
        self.running.let_go(lock(&self.running.inner), self);
    }
}

#[cfg(test)]
mod tests {
    use tokio::sync::Semaphore;

    use super::*;

    const LEASE: Duration = Duration::from_secs(9);

    fn running() -> Arc<Running> {
        let gauge = IntGauge::new("in_hand", "for the test").expect("valid");
        Arc::new(Running::new(LEASE, gauge))
    }

    fn begin(running: &Arc<Running>, id: EntryId, since: Instant) -> Option<InHand> {
        let terminal = Arc::new(Semaphore::new(1)).try_acquire_owned();
        running.begin(id, since, Instant::now(), terminal.expect("free"))
    }

    fn id(seq: u64) -> EntryId {
        EntryId { ms: 1, seq }
    }

    #[test]
    fn a_lease_is_renewed_from_a_third_on_and_never_once_it_lapsed() {
        let start = Instant::now();
        let running = running();
        let _in_hand = begin(&running, id(1), start).expect("new");
        let after = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(running.due(after(2)), vec![]);
        assert_eq!(running.due(after(3)), vec![id(1)]);
        assert_eq!(running.due(after(9)), vec![]);

        running.renewed(&[id(1)], after(4));
        assert_eq!(running.due(after(6)), vec![]);
        assert_eq!(running.due(after(12)), vec![id(1)]);
        running.lost([id(1)].into_iter(), after(12));
        assert_eq!(running.due(after(12)), vec![]);
        assert!(running.has(id(1)), "the work goes on");
    }

    #[test]
    fn work_starts_only_while_the_lease_holds() {
        let start = Instant::now();
        let running = running();
        let in_hand = begin(&running, id(1), start).expect("new");
        assert!(running.may_start(&in_hand, start + Duration::from_secs(8)));
        running.lost([id(1)].into_iter(), Instant::now());
        assert!(!running.may_start(&in_hand, start));
        let late = begin(&running, id(2), start).expect("new");
        assert!(!running.may_start(&late, start + Duration::from_millis(8_100)));
    }

    #[test]
    fn what_is_delivered_again_is_run_by_the_work_that_has_it_or_by_its_own() {
        let start = Instant::now();
        let running = running();
        let first = begin(&running, id(1), start).expect("new");
        assert!(!running.may_start(&first, start + LEASE));
        let second = begin(&running, id(1), start + LEASE).expect("the first has let it go");
        drop(first);
        assert!(running.has(id(1)), "the second's, not the first's");
        assert!(running.may_start(&second, start + LEASE));
    }

    #[test]
    fn what_was_found_lost_before_it_was_delivered_again_is_ours() {
        let start = Instant::now();
        let running = running();
        let in_hand = begin(&running, id(1), start).expect("new");
        assert!(running.again(id(1), start + LEASE));
        assert!(!running.again(id(2), start), "not in hand");
        let asked = start + LEASE - Duration::from_millis(1);
        assert_eq!(running.lost([id(1), id(2)].into_iter(), asked), 0);
        assert!(running.may_start(&in_hand, start + LEASE));
        assert_eq!(running.lost([id(1)].into_iter(), start + LEASE), 1);
        assert!(!running.may_start(&in_hand, start + LEASE));
    }

    #[test]
    fn an_entry_in_hand_is_not_begun_twice() {
        let start = Instant::now();
        let running = running();
        let in_hand = begin(&running, id(1), start).expect("new");
        running.lost([id(1)].into_iter(), Instant::now());
        assert!(begin(&running, id(1), start + LEASE).is_none());
        assert!(
            running.may_start(&in_hand, start + LEASE),
            "delivered to us again, so it is ours again"
        );
        assert_eq!((running.len(), running.gauge.get()), (1, 1));
        drop(in_hand);
        assert_eq!((running.len(), running.gauge.get()), (0, 0));
        assert!(begin(&running, id(1), start).is_some());
    }

    #[tokio::test]
    async fn work_that_is_cut_or_dies_lets_its_entry_go() {
        let running = running();
        for number in [1, 2] {
            let in_hand = begin(&running, id(number), Instant::now()).expect("new");
            let work = tokio::spawn(async move {
                let _in_hand = in_hand;
                assert_ne!(number, 2, "dies on its own");
                std::future::pending::<()>().await;
            });
            running.works(id(number), work.abort_handle());
        }
        running.cut();
        running.empty().await;
        assert_eq!(running.gauge.get(), 0);

        let in_hand = begin(&running, id(3), Instant::now()).expect("new");
        let late = tokio::spawn(async move {
            let _in_hand = in_hand;
            std::future::pending::<()>().await;
        });
        running.works(id(3), late.abort_handle());
        running.empty().await;
    }
}
