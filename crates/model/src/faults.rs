//! What goes wrong. Each of these costs one of the faults that the bounds allow, and may come at any moment.

use crate::{
    action::Action,
    protocol::Protocol,
    state::{Caller, Fetch, Pipe, Sender, State, What},
};

impl Protocol {
    pub(crate) fn offer_faults(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, worker) in state.workers.iter().enumerate() {
            if worker.stopped {
                actions.push(Action::Continue(number));
            }
        }
        if state.client_stopped {
            actions.push(Action::ContinueClient);
        }
        if state.faults == 0 {
            return;
        }
        if !state.client_stopped && state.callers.iter().any(Caller::waits) {
            actions.push(Action::StopClient);
        }
        for (number, worker) in state.workers.iter().enumerate() {
            // One that has nothing in hand, nothing under way and nothing pending loses nothing.
            if state.is_idle(number) {
                continue;
            }
            actions.push(Action::Crash(number));
            if !worker.stopped {
                actions.push(Action::Stop(number));
            }
            if matches!(worker.fetch, Fetch::Arriving(_)) {
                actions.push(Action::LoseDelivery(number));
            }
        }
        for pipe in &state.pipes {
            if pipe.slow == 0 {
                actions.push(Action::Slow(*pipe));
            }
            if pipe.from != Sender::Nobody {
                actions.push(Action::Break(*pipe));
            }
            if matches!(pipe.what, What::Write { taken: None, .. }) {
                actions.push(Action::Refuse(*pipe));
            }
        }
        if !self.rules.keeps_its_place {
            actions.push(Action::ReaderReconnects);
        }
    }

    /// The sender gives its connection up. What was not carried out yet may still be: it goes on without a
    /// sender, and may vanish.
    pub(crate) fn break_connection(&self, state: &mut State, pipe: Pipe) -> Option<()> {
        let broken = state.take_pipe(pipe)?;
        state.pipes.push(Pipe {
            from: Sender::Nobody,
            ..broken
        });
        match (broken.from, broken.what) {
            (Sender::Worker(number), what) => self.worker_loses(state, number, what),
            (Sender::Client, What::Write { id, .. }) => self.write_ended(state, id, None),
            (Sender::Client | Sender::Nobody, _) => {}
        }
        Some(())
    }

    pub(crate) fn slow(&self, state: &mut State, pipe: Pipe) -> Option<()> {
        let pipe = state.pipes.iter_mut().find(|other| **other == pipe)?;
        // Longer than any lease. It does not last for ever: commands have a response timeout.
        pipe.slow = self.bounds.lease + 1;
        Some(())
    }

    pub(crate) fn refuse(&self, state: &mut State, pipe: Pipe) -> Option<()> {
        let pipe = state.pipes.iter_mut().find(|other| **other == pipe)?;
        if let What::Write { taken, .. } = &mut pipe.what {
            *taken = Some(false);
        }
        Some(())
    }
}

impl State {
    pub(crate) fn take_pipe(&mut self, pipe: Pipe) -> Option<Pipe> {
        let place = self.pipes.iter().position(|other| *other == pipe)?;
        Some(self.pipes.remove(place))
    }

    /// Whether a worker is as if it had just begun, so that nothing that happens to it makes a difference.
    fn is_idle(&self, number: usize) -> bool {
        let from = Sender::Worker(number);
        let owner = crate::state::Owner::Worker(number);
        let mut entries = self.entries.iter().flatten();
        self.workers[number] == crate::state::Worker::new()
            && self.pipes.iter().all(|pipe| pipe.from != from)
            && entries.all(|entry| entry.pending.is_none_or(|pending| pending.owner != owner))
    }
}
