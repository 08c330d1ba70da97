//! What must hold in every state.

use stateright::Property;

use crate::{
    protocol::Protocol,
    state::{Hand, Id, Phase, State, What, Work},
};

/// No caller is woken twice.
pub const ONE_ANSWER: &str = "no caller gets two answers";
/// No caller is woken with what another one asked for.
pub const OWN_ANSWER: &str = "no caller gets another's answer";
/// No reply is read and dropped while its caller waits, or is about to.
pub const NO_MISSED_REPLY: &str = "no reply goes by while its caller waits";
/// Who is told "Redis did not take the request; no worker will see it" can rely on it.
pub const UNSENT_IS_UNSENT: &str = "who is told that nothing was sent can rely on it";
/// What nobody waits for is withdrawn, if the client knows where it lies.
pub const NOTHING_LEFT_OVER: &str = "nothing is left to be worked on for nobody";
/// An entry leaves the stream by a reply, a dead letter, an expiry or a withdrawal.
pub const NOTHING_LOST: &str = "no entry disappears unanswered";
/// An entry on the stream is new or pending: some worker will be given it.
pub const NOTHING_STRANDED: &str = "every entry on the stream will be given to a worker";
/// What was settled is not pending.
pub const SETTLED_IS_SETTLED: &str = "what was settled is not pending";
/// A worker that is given what it has in hand does not begin it again.
pub const ONE_HAND: &str = "no worker has an entry in hand twice";
/// No two workers believe at the same moment that the lease of an entry is theirs.
pub const ONE_HOLDER: &str = "a lease has one holder";
/// No worker starts work on an entry whose lease another worker holds.
pub const HELD_AT_START: &str = "no work is started that another worker holds";
/// Until something goes wrong no entry is worked on twice at once.
pub const NOT_TWICE_IN_CALM: &str = "without a fault no work is done twice";

pub(crate) fn all() -> Vec<Property<Protocol>> {
    vec![
        Property::always(ONE_ANSWER, |_, state: &State| !state.seen.answered_twice),
        Property::always(OWN_ANSWER, |_, state: &State| !state.seen.crossed),
        Property::always(NO_MISSED_REPLY, |_, state: &State| !state.seen.missed),
        Property::always(UNSENT_IS_UNSENT, |_, state: &State| {
            let mut callers = state.callers.iter();
            !callers.any(|caller| caller.phase == Phase::ToldUnsent && caller.sent)
        }),
        Property::always(NOTHING_LEFT_OVER, |_, state: &State| !state.seen.left_over),
        Property::always(NOTHING_LOST, |_, state: &State| {
            Id::all().all(|id| {
                let owed = state.entry(id).is_some_and(|entry| entry.owed);
                !owed || state.will_be_replied(id)
            })
        }),
        Property::always(NOTHING_STRANDED, |_, state: &State| {
            Id::all().all(|id| {
                let stranded = state.entry(id).is_some_and(|entry| {
                    entry.present && entry.delivered && entry.pending.is_none()
                });
                !stranded || state.will_be_deleted(id)
            })
        }),
        Property::always(SETTLED_IS_SETTLED, |_, state: &State| {
            !state.seen.settled_pending
        }),
        Property::always(ONE_HAND, |_, state: &State| {
            state.workers.iter().all(|worker| {
                let [one, two] = worker.hands.map(|hand| hand.map(|hand| hand.id));
                one.is_none() || one != two
            })
        }),
        Property::always(ONE_HOLDER, |model: &Protocol, state: &State| {
            Id::all().all(|id| {
                let holders = state
                    .hands(id)
                    .filter(|hand| hand.holds(model.bounds.lease));
                holders.count() <= 1
            })
        }),
        Property::always(HELD_AT_START, |_, state: &State| !state.seen.started_unheld),
        Property::always(NOT_TWICE_IN_CALM, |model: &Protocol, state: &State| {
            state.faults < model.bounds.faults
                || Id::all().all(|id| {
                    let running = state.hands(id).filter(|hand| hand.work == Work::Running);
                    running.count() <= 1
                })
        }),
    ]
}

impl State {
    /// Whether nothing waits, nothing is pending and nothing is under way.
    pub fn is_at_rest(&self) -> bool {
        let callers = self.callers.iter().all(|caller| match caller.phase {
            Phase::Ended | Phase::ToldUnsent => caller.slot.is_none(),
            Phase::Absent => true,
            Phase::Idle | Phase::Unparked | Phase::Waiting => false,
        });
        let workers = self
            .workers
            .iter()
            .all(|worker| worker.hands.iter().all(Option::is_none));
        callers && workers && self.entries.iter().all(Option::is_none) && self.pipes.is_empty()
    }

    fn hands(&self, id: Id) -> impl Iterator<Item = &Hand> {
        let hands = self
            .workers
            .iter()
            .flat_map(|worker| worker.hands.iter().flatten());
        hands.filter(move |hand| hand.id == id)
    }

    /// Whether a command that deletes this entry is still on its way to Redis.
    fn will_be_deleted(&self, entry: Id) -> bool {
        self.pipes
            .iter()
            .any(|pipe| matches!(pipe.what, What::Settle { id, delete: true, .. } if id == entry))
    }

    /// Whether some reply to this entry is still on its way to Redis.
    fn will_be_replied(&self, entry: Id) -> bool {
        let in_hand = self
            .hands(entry)
            .any(|hand| matches!(hand.work, Work::Finished { replies: true, .. }));
        let under_way = self
            .pipes
            .iter()
            .any(|pipe| matches!(pipe.what, What::Settle { id, reply: true, .. } if id == entry));
        in_hand || under_way
    }
}
