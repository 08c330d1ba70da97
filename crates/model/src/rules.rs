//! The switches of the protocol, and the bounds of one exploration.

use crate::state::{CALLERS, TERMINALS};

/// The rules that the protocol keeps. Each broken variant turns one of them off.
#[derive(Debug, Clone, Copy)]
pub struct Rules {
    /// A caller is parked before its request is handed to the writer.
    pub parks_first: bool,
    /// An answered caller's slot is gone, so that a second reply finds nobody.
    pub answers_once: bool,
    /// A reply goes to the caller whose request id it carries, not to whoever waits longest.
    pub matches_by_id: bool,
    /// After a reconnect the reply reader goes on where it stopped, not at the end of the stream.
    pub keeps_its_place: bool,
    /// A caller is told that nothing was sent only if no earlier write of it may have got through.
    pub remembers_unclear_writes: bool,
    /// An entry whose id comes after the reply of an earlier write is withdrawn.
    pub withdraws_late_copies: bool,
    /// Another worker's entry is claimed only when nobody touched it for a lease.
    pub claims_after_a_lease: bool,
    /// Work starts only while the worker's own view says that the lease holds.
    pub starts_under_lease: bool,
    /// A delivery of what is in hand already is not begun a second time.
    pub begins_once: bool,
    /// What runs is renewed at all.
    pub renews: bool,
    /// A lease that lapsed by the worker's own clock is not renewed.
    pub lets_lapsed_go: bool,
    /// A renewal, a claim after a reconnect and a handing back each change an entry only while it still
    /// belongs to the consumer that asks, looked at in the same step on the server.
    pub renews_only_its_own: bool,
    /// See above.
    pub takes_again_only_its_own: bool,
    /// See above.
    pub hands_back_only_its_own: bool,
    /// References to entries that are gone are removed from the pending list.
    pub purges: bool,
    /// At the end of a drain work is cut before it is handed back.
    pub cuts_before_handing_back: bool,
    /// In which order finished work is settled.
    pub settles: Settles,
}

/// The order of the commands in which a finished request is settled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Settles {
    /// Reply, delete, acknowledge.
    ReplyFirst,
    /// Delete, acknowledge, reply.
    ReplyLast,
    /// Reply, acknowledge, delete.
    AckBeforeDelete,
}

/// What one exploration covers. Everything that can happen within these bounds is explored.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Callers with one request each, at most two. There are always two workers.
    pub callers: usize,
    /// Terminals of each worker, at most two.
    pub terminals: usize,
    /// Ticks that a caller waits.
    pub patience: u8,
    /// Ticks after which an entry that nobody touched may be claimed. A renewal is due after one.
    pub lease: u8,
    /// Deliveries before an entry becomes a dead letter.
    pub deliveries: u8,
    /// Faults, of any kind and at any moment: a worker crashes or stands still, a connection breaks, a
    /// command is slow, Redis refuses a write.
    pub faults: u8,
    /// Workers that are told to drain.
    pub drains: u8,
    /// Callers that leave before their time is up.
    pub departures: u8,
    /// Whether steps whose order makes no difference are taken as one where that can be known.
    pub hurried: bool,
}

impl Rules {
    /// The protocol as it should be.
    pub const fn intended() -> Self {
        Self {
            parks_first: true,
            answers_once: true,
            matches_by_id: true,
            keeps_its_place: true,
            remembers_unclear_writes: true,
            withdraws_late_copies: true,
            claims_after_a_lease: true,
            starts_under_lease: true,
            begins_once: true,
            renews: true,
            lets_lapsed_go: true,
            renews_only_its_own: true,
            takes_again_only_its_own: true,
            hands_back_only_its_own: true,
            purges: true,
            cuts_before_handing_back: true,
            settles: Settles::ReplyFirst,
        }
    }
}

impl Bounds {
    /// Two callers and nothing that goes wrong.
    pub const fn calm() -> Self {
        Self {
            callers: CALLERS,
            terminals: 1,
            patience: 3,
            lease: 2,
            deliveries: 2,
            faults: 0,
            drains: 0,
            departures: 0,
            hurried: true,
        }
    }

    pub(crate) fn check(&self) {
        assert!(self.callers <= CALLERS, "more callers than the state holds");
        assert!(
            self.terminals <= TERMINALS,
            "more terminals than the state holds"
        );
        assert!(self.lease >= 2, "a renewal has to fit into a lease");
    }
}
