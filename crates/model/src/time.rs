//! Time. A tick passes for everybody at once, and only when nothing is left that would be done at once: whatever
//! takes longer than that is a fault, so that runs without faults are as prompt as a healthy system.
//!
//! What may take any time without a fault: a handler, and the queue.

use crate::{
    protocol::Protocol,
    state::{Fetch, Sender, State, WORKERS, What},
};

impl Protocol {
    pub(crate) fn time_may_pass(&self, state: &State) -> bool {
        let under_way = state.pipes.iter().any(|pipe| {
            let reads = match pipe.from {
                Sender::Worker(number) => !state.workers[number].stopped,
                Sender::Client => !state.client_stopped,
                Sender::Nobody => true,
            };
            pipe.slow == 0 && (reads || !pipe.what.is_carried_out())
        });
        !under_way
            && !self.is_client_pressed(state)
            && (0..WORKERS).all(|number| !self.is_pressed(state, number))
    }

    pub(crate) fn tick(&self, state: &mut State) {
        let lease = self.bounds.lease;
        let older = |age: &mut u8| *age = (*age + 1).min(lease);
        for caller in &mut state.callers {
            caller.left = caller.left.saturating_sub(1);
        }
        for entry in state.entries.iter_mut().flatten() {
            entry.left = entry.left.saturating_sub(1);
            if let Some(pending) = &mut entry.pending {
                older(&mut pending.idle);
            }
        }
        for worker in &mut state.workers {
            if let Fetch::Arriving(delivery) = &mut worker.fetch {
                older(&mut delivery.age);
                delivery.left = delivery.left.saturating_sub(1);
            }
            for hand in worker.hands.iter_mut().flatten() {
                older(&mut hand.age);
                hand.left = hand.left.saturating_sub(1);
            }
        }
        for pipe in &mut state.pipes {
            pipe.slow = pipe.slow.saturating_sub(1);
            match &mut pipe.what {
                What::Renew {
                    verdict: Some(Some(age)),
                    ..
                }
                | What::Renew {
                    age, verdict: None, ..
                } => older(age),
                What::Claim {
                    answer: Some(Some(delivery)),
                    ..
                } => {
                    older(&mut delivery.age);
                    delivery.left = delivery.left.saturating_sub(1);
                }
                _ => {}
            }
        }
    }
}
