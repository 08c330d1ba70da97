//! The client's steps: caller, writer, waiting map and reply reader. Each is one critical section of
//! `crates/streams/src/client/waiting.rs`, so that their interleavings are all there are.

use crate::{
    action::Action,
    protocol::Protocol,
    state::{COPIES, Caller, Id, Phase, Pipe, Sender, Slot, State, What},
};

impl Protocol {
    pub(crate) fn offer_client(&self, state: &State, actions: &mut Vec<Action>) {
        for (number, caller) in state.callers.iter().enumerate() {
            match caller.phase {
                Phase::Idle => actions.push(Action::Ask(number)),
                Phase::Unparked => actions.push(Action::Park(number)),
                Phase::Waiting => {
                    if caller.left == 0 {
                        actions.push(Action::TimeOut(number));
                    } else if state.departures > 0 {
                        actions.push(Action::Leave(number));
                    }
                }
                Phase::Absent | Phase::Ended | Phase::ToldUnsent => {}
            }
            if caller.parcel && state.write_of(number).is_none() {
                if caller.left > 0 && caller.copies < COPIES as u8 {
                    actions.push(Action::Write(number));
                }
                // A request that is late, or for whose repetition there is no budget.
                if caller.left < self.bounds.patience || caller.copies > 0 {
                    actions.push(Action::GiveUp(number));
                }
            }
            if caller.unread > 0 {
                actions.push(Action::Read(number));
            }
            if caller.withdraw.contains(&true) {
                actions.push(Action::Withdraw(number));
            }
        }
    }

    /// Whether the client has to act before time goes on.
    pub(crate) fn is_client_pressed(&self, state: &State) -> bool {
        let mut actions = Vec::new();
        self.offer_client(state, &mut actions);
        actions.retain(|action| !matches!(action, Action::Ask(_) | Action::Leave(_)));
        !state.client_stopped && !actions.is_empty()
    }

    pub(crate) fn ask(&self, state: &mut State, number: usize) {
        let caller = &mut state.callers[number];
        caller.left = self.bounds.patience;
        caller.parcel = true;
        caller.phase = Phase::Unparked;
        if self.rules.parks_first {
            caller.park();
        }
    }

    pub(crate) fn write(&self, state: &mut State, number: usize) {
        let caller = &mut state.callers[number];
        caller.parcel = false;
        match &mut caller.slot {
            Some(slot) if slot.caller => slot.writing = true,
            None if caller.phase == Phase::Unparked => {}
            // Not wanted any more.
            _ => return,
        }
        let id = Id {
            caller: number,
            copy: usize::from(caller.copies),
        };
        caller.copies += 1;
        let left = caller.left;
        let taken = None;
        state.send(Sender::Client, What::Write { id, left, taken });
    }

    pub(crate) fn give_up(&self, state: &mut State, number: usize) {
        let caller = &mut state.callers[number];
        caller.parcel = false;
        if caller.slot.is_some_and(|slot| !slot.perhaps_written) {
            self.wake(state, number, Phase::ToldUnsent);
        }
    }

    /// The answer to a write: `Some(true)` if Redis took it, `None` if the connection broke.
    pub(crate) fn write_ended(&self, state: &mut State, id: Id, taken: Option<bool>) {
        let caller = &mut state.callers[id.caller];
        if taken.is_none() {
            caller.parcel = caller.waits() && usize::from(caller.copies) < COPIES;
        }
        let Some(slot) = &mut caller.slot else {
            // The reply was faster; perhaps that of another write.
            if taken == Some(true) && !caller.waits() {
                caller.withdraw[id.copy] = self.rules.withdraws_late_copies;
                let left_over = state
                    .entry(id)
                    .is_some_and(|entry| entry.present && !entry.replied);
                state.seen.left_over |= left_over && !self.rules.withdraws_late_copies;
            }
            return;
        };
        slot.writing = false;
        let perhaps_written = slot.perhaps_written;
        match taken {
            Some(true) if slot.caller => slot.entries[id.copy] = true,
            Some(true) => caller.withdraw[id.copy] = true,
            Some(false) => {}
            None => slot.perhaps_written = true,
        }
        if !slot.caller {
            caller.slot = None;
        } else if taken == Some(false) && !(self.rules.remembers_unclear_writes && perhaps_written)
        {
            self.wake(state, id.caller, Phase::ToldUnsent);
        }
    }

    pub(crate) fn read(&self, state: &mut State, number: usize) {
        state.callers[number].unread -= 1;
        let longest = state
            .callers
            .iter()
            .position(|caller| caller.slot.is_some_and(|slot| slot.caller));
        let target = match longest {
            Some(longest) if !self.rules.matches_by_id => longest,
            _ => number,
        };
        let caller = &mut state.callers[target];
        match caller.slot {
            Some(slot) if slot.caller => {
                state.seen.crossed |= target != number;
                self.wake(state, target, Phase::Ended);
            }
            Some(_left) => caller.slot = None,
            None => state.seen.missed |= caller.waits(),
        }
    }

    /// Wakes a caller that is parked.
    fn wake(&self, state: &mut State, number: usize, with: Phase) {
        let caller = &mut state.callers[number];
        let Some(slot) = caller.slot else {
            return;
        };
        if with == Phase::Ended {
            let copies = slot.entries.iter().filter(|entry| **entry).count();
            if copies + usize::from(slot.perhaps_written) > 1 {
                caller.withdraw = slot.entries;
            }
        }
        state.seen.answered_twice |= !caller.waits();
        caller.end(with);
        if self.rules.answers_once {
            caller.slot = None;
            caller.unread = 0;
        }
    }

    /// A caller that was not answered goes. What is known of its request is withdrawn.
    pub(crate) fn leave(&self, state: &mut State, number: usize, timed_out: bool) {
        if !timed_out {
            state.departures -= 1;
        }
        let caller = &mut state.callers[number];
        let Some(slot) = &mut caller.slot else {
            caller.end(Phase::Ended);
            return;
        };
        let sent = slot.writing || slot.perhaps_written || slot.entries.contains(&true);
        caller.withdraw = slot.entries;
        slot.caller = false;
        if !slot.writing {
            caller.slot = None;
            caller.unread = 0;
        }
        caller.end(if timed_out && !sent {
            Phase::ToldUnsent
        } else {
            Phase::Ended
        });
    }

    pub(crate) fn reader_reconnects(&self, state: &mut State) {
        for caller in &mut state.callers {
            state.seen.missed |= caller.waits() && caller.unread > 0;
            caller.unread = 0;
        }
    }
}

impl Caller {
    pub(crate) fn park(&mut self) {
        self.phase = Phase::Waiting;
        self.slot = Some(Slot {
            caller: true,
            writing: false,
            perhaps_written: false,
            entries: [false; COPIES],
        });
    }

    fn end(&mut self, phase: Phase) {
        self.phase = phase;
        self.left = 0;
        self.parcel = false;
        self.copies = 0;
        self.sent &= phase == Phase::ToldUnsent;
    }
}

impl State {
    /// The write of a caller's request that is under way and not given up.
    pub(crate) fn write_of(&self, number: usize) -> Option<&Pipe> {
        self.pipes.iter().find(|pipe| {
            pipe.from == Sender::Client
                && matches!(pipe.what, What::Write { id, .. } if id.caller == number)
        })
    }

    pub(crate) fn withdraw(&mut self, number: usize) {
        let wanted = std::mem::take(&mut self.callers[number].withdraw);
        for (copy, wanted) in wanted.into_iter().enumerate() {
            let id = Id {
                caller: number,
                copy,
            };
            if let Some(entry) = self.entry_mut(id).filter(|_| wanted) {
                entry.present = false;
            }
        }
    }
}
