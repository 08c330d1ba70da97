//! What Redis does: carries out commands one at a time, in the order of each connection, those of different
//! connections in any order.

use crate::{
    action::Action,
    protocol::Protocol,
    rules::Settles,
    state::{Delivery, Entry, Fetch, Id, Owner, Pending, Phase, Pipe, Sender, Stage, State, What},
};

impl Protocol {
    pub(crate) fn offer_server(&self, state: &State, actions: &mut Vec<Action>) {
        for pipe in &state.pipes {
            if !pipe.what.is_carried_out() {
                actions.push(Action::Execute(*pipe));
                if pipe.from == Sender::Nobody {
                    actions.push(Action::Vanish(*pipe));
                }
            }
        }
        for id in Id::all() {
            let Some(entry) = state.entry(id) else {
                continue;
            };
            let lapsed = entry
                .pending
                .is_some_and(|pending| pending.idle >= self.bounds.lease);
            if !entry.present && lapsed && self.rules.purges {
                actions.push(Action::Purge(id));
            }
            for (number, worker) in state.workers.iter().enumerate() {
                let takes = match entry.pending {
                    None => !entry.delivered,
                    Some(pending) => {
                        lapsed
                            || (!self.rules.claims_after_a_lease
                                && pending.owner != Owner::Worker(number))
                    }
                };
                // A worker that stands still may have asked before.
                if takes
                    && entry.present
                    && worker.stage == Stage::Serving
                    && worker.fetch == Fetch::Ready
                    && worker.free(self.bounds.terminals)
                {
                    actions.push(Action::Deliver(number, id));
                }
            }
        }
    }

    /// A new entry, or one whose lease lapsed.
    pub(crate) fn deliver(&self, state: &mut State, number: usize, id: Id) -> Option<()> {
        let entry = state.entry_mut(id)?;
        let deliveries = entry.pending.map_or(0, |pending| pending.deliveries) + 1;
        let delivery = entry.give(id, number, deliveries);
        state.workers[number].fetch = Fetch::Arriving(delivery);
        Some(())
    }

    /// The next command of what was sent.
    pub(crate) fn execute(&self, state: &mut State, pipe: Pipe) -> Option<()> {
        let place = state.pipes.iter().position(|other| *other == pipe)?;
        let owner = match pipe.from {
            Sender::Worker(worker) => Owner::Worker(worker),
            Sender::Client | Sender::Nobody => Owner::Nobody,
        };
        let mut what = pipe.what;
        match &mut what {
            What::Write { id, left, taken } => {
                *taken = Some(true);
                let caller = &mut state.callers[id.caller];
                caller.sent = caller.phase != Phase::Ended;
                state.entries[id.index()] = Some(Entry::new(*left));
            }
            What::Settle {
                id,
                reply,
                delete,
                ack,
            } => self.settle_next(state, *id, reply, delete, ack),
            What::Renew { id, age, verdict } => {
                *verdict = Some(self.renew_now(state, *id, owner).map(|idle| match idle {
                    0 => *age,
                    since_touched => since_touched,
                }));
            }
            What::Claim {
                id,
                deliveries,
                answer,
            } => *answer = Some(self.claim_now(state, *id, owner, *deliveries)),
            What::HandBack {
                id,
                deliveries,
                done,
            } => {
                *done = true;
                let (lease, deliveries) = (self.bounds.lease, deliveries.saturating_sub(1));
                let may = |pending: &&mut Pending| {
                    !self.rules.hands_back_only_its_own || pending.owner == owner
                };
                let entry = state.entry_mut(*id);
                if let Some(pending) = entry.and_then(|entry| entry.pending.as_mut()).filter(may) {
                    *pending = Pending {
                        owner,
                        idle: lease,
                        deliveries,
                    };
                }
            }
            What::Letter { id, done } => {
                *done = true;
                if let Some(entry) = state.entry_mut(*id) {
                    entry.lettered = true;
                }
            }
        }
        state.pipes[place].what = what;
        Some(())
    }

    fn settle_next(
        &self,
        state: &mut State,
        id: Id,
        reply: &mut bool,
        delete: &mut bool,
        ack: &mut bool,
    ) {
        let replies_now = match self.rules.settles {
            Settles::ReplyFirst | Settles::AckBeforeDelete => true,
            Settles::ReplyLast => !*delete && !*ack,
        };
        let acks_now = match self.rules.settles {
            Settles::AckBeforeDelete => true,
            Settles::ReplyFirst | Settles::ReplyLast => !*delete,
        };
        if *reply && replies_now {
            *reply = false;
            if let Some(entry) = state.entry_mut(id) {
                entry.replied = true;
                entry.owed = false;
            }
            let caller = &mut state.callers[id.caller];
            // Who has gone for good does not look.
            if caller.slot.is_some() || caller.waits() {
                caller.unread += 1;
            }
        } else if *ack && acks_now {
            *ack = false;
            if let Some(entry) = state.entry_mut(id) {
                entry.pending = None;
            }
        } else {
            *delete = false;
            if let Some(entry) = state.entry_mut(id).filter(|entry| entry.present) {
                entry.present = false;
                entry.owed = !entry.replied && !entry.lettered && entry.left > 0;
            }
        }
    }

    /// Gives the idle time that stands behind the lease if it is the asker's: 0 if it was renewed just now.
    fn renew_now(&self, state: &mut State, id: Id, owner: Owner) -> Option<u8> {
        let entry = state.entry_mut(id)?;
        let pending = entry.pending?;
        let touched_long_ago = pending.idle >= RENEWAL;
        let mine = pending.owner == owner;
        if touched_long_ago && !entry.present {
            entry.pending = None;
            return None;
        }
        if touched_long_ago && (mine || !self.rules.renews_only_its_own) {
            entry.pending = Some(Pending {
                owner,
                idle: 0,
                ..pending
            });
            return Some(0);
        }
        mine.then_some(pending.idle)
    }

    fn claim_now(
        &self,
        state: &mut State,
        id: Id,
        owner: Owner,
        deliveries: u8,
    ) -> Option<Delivery> {
        let entry = state.entry_mut(id)?;
        let pending = entry.pending?;
        if self.rules.takes_again_only_its_own && pending.owner != owner {
            return None;
        }
        if !entry.present {
            entry.pending = None;
            return None;
        }
        match owner {
            Owner::Worker(number) => Some(entry.give(id, number, deliveries)),
            Owner::Nobody => {
                let _unread = entry.give(id, 0, deliveries);
                entry.pending.as_mut()?.owner = Owner::Nobody;
                None
            }
        }
    }
}

/// Ticks without a touch after which a renewal is due, and after which Redis carries it out.
pub(crate) const RENEWAL: u8 = 1;

impl Entry {
    fn new(left: u8) -> Self {
        Self {
            left,
            present: true,
            delivered: false,
            pending: None,
            replied: false,
            lettered: false,
            owed: false,
        }
    }

    fn give(&mut self, id: Id, worker: usize, deliveries: u8) -> Delivery {
        self.delivered = true;
        self.pending = Some(Pending {
            owner: Owner::Worker(worker),
            idle: 0,
            deliveries,
        });
        Delivery {
            id,
            deliveries,
            expired: self.left == 0,
            left: self.left,
            age: 0,
        }
    }
}
