//! The end of a worker that was told to: finish, cut, look at what is pending, hand it back, end.

use crate::{
    action::Action,
    protocol::Protocol,
    state::{CALLERS, COPIES, Fetch, Id, Owner, Sender, Stage, State, TERMINALS, What, Worker},
};

impl Protocol {
    pub(crate) fn offer_drain(&self, state: &State, number: usize, actions: &mut Vec<Action>) {
        let worker = &state.workers[number];
        match worker.stage {
            Stage::Serving if state.drains > 0 => actions.push(Action::Drain(number)),
            Stage::Serving => {}
            // What its read brought is taken in hand first; then the drain time may be over at any moment.
            Stage::Draining if worker.fetch == Fetch::Ready => actions.push(Action::CutAll(number)),
            Stage::Draining => {}
            Stage::Parting => actions.push(Action::LookBack(number)),
            Stage::HandingBack(rows) => {
                let left = Id::all().filter(|id| rows[id.index()].is_some());
                actions.extend(left.map(|id| Action::HandBack(number, id)));
                let from = Sender::Worker(number);
                if rows.iter().all(Option::is_none) && state.pipes.iter().all(|p| p.from != from) {
                    actions.push(Action::End(number));
                }
            }
        }
    }

    pub(crate) fn drain(&self, state: &mut State, number: usize) {
        state.drains -= 1;
        let worker = &mut state.workers[number];
        worker.stage = Stage::Draining;
        // The round that takes again is not begun any more.
        if matches!(worker.fetch, Fetch::Unproven | Fetch::Found(..)) {
            worker.fetch = Fetch::Ready;
        }
    }

    /// Everything that still runs is cut, and its loops end; what they sent is on its own.
    pub(crate) fn cut_all(&self, state: &mut State, number: usize) {
        state.workers[number].stage = Stage::Parting;
        if self.rules.cuts_before_handing_back {
            state.workers[number].hands = [None; TERMINALS];
            state.orphan(number);
        }
    }

    pub(crate) fn look_back(&self, state: &mut State, number: usize) {
        let mut rows = [None; CALLERS * COPIES];
        for (row, entry) in rows.iter_mut().zip(&state.entries) {
            let pending = entry.as_ref().and_then(|entry| entry.pending);
            *row = pending
                .filter(|pending| pending.owner == Owner::Worker(number))
                // What lapsed is claimable already.
                .filter(|pending| pending.idle < self.bounds.lease)
                .map(|pending| pending.deliveries);
        }
        state.workers[number].stage = Stage::HandingBack(rows);
    }

    pub(crate) fn hand_back(&self, state: &mut State, number: usize, id: Id) -> Option<()> {
        let Stage::HandingBack(rows) = &mut state.workers[number].stage else {
            return None;
        };
        let what = What::HandBack {
            id,
            deliveries: rows[id.index()].take()?,
            done: false,
        };
        state.send(Sender::Worker(number), what);
        Some(())
    }
}

impl State {
    /// A process is gone and a new one takes its place, under a name of its own.
    pub(crate) fn replace(&mut self, number: usize) {
        self.orphan(number);
        for pending in self
            .entries
            .iter_mut()
            .flatten()
            .flat_map(|entry| &mut entry.pending)
        {
            if pending.owner == Owner::Worker(number) {
                pending.owner = Owner::Nobody;
            }
        }
        self.workers[number] = Worker::new();
    }

    fn orphan(&mut self, number: usize) {
        for pipe in &mut self.pipes {
            if pipe.from == Sender::Worker(number) {
                pipe.from = Sender::Nobody;
            }
        }
    }
}
