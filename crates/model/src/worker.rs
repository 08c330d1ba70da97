//! The worker's steps while it serves: taking what it was given, starting, finishing, settling, and the lease
//! loop beside it.

use crate::{
    action::Action,
    protocol::Protocol,
    server::RENEWAL,
    state::{
        Delivery, Fetch, Hand, Id, Owner, Pipe, Sender, Stage, State, TERMINALS, What, Work, Worker,
    },
};

impl Protocol {
    pub(crate) fn offer_worker(&self, state: &State, number: usize, actions: &mut Vec<Action>) {
        let worker = &state.workers[number];
        match worker.fetch {
            Fetch::Ready | Fetch::Claiming => {}
            Fetch::Arriving(_) => actions.push(Action::Take(number)),
            Fetch::Unproven if !worker.free(self.bounds.terminals) => {}
            Fetch::Unproven => {
                let mut own = Id::all()
                    .filter(|id| state.owner(*id) == Some(Owner::Worker(number)))
                    .filter(|id| !worker.has(*id))
                    .peekable();
                if own.peek().is_none() {
                    actions.push(Action::LookAgain(number, None));
                }
                actions.extend(own.map(|id| Action::LookAgain(number, Some(id))));
            }
            Fetch::Found(..) => actions.push(Action::ClaimAgain(number)),
        }
        for (terminal, hand) in worker.hands.iter().enumerate() {
            let Some(hand) = hand else {
                continue;
            };
            match hand.work {
                Work::Taken => actions.push(Action::Start(number, terminal)),
                Work::Condemned if state.sent(number, hand.id, is_letter) => {}
                Work::Condemned => actions.push(Action::Start(number, terminal)),
                Work::Running if hand.left == 0 => actions.push(Action::CutShort(number, terminal)),
                Work::Running => actions.push(Action::Finish(number, terminal)),
                Work::Finished { .. } if state.sent(number, hand.id, is_settling) => {}
                Work::Finished { failed, .. } => {
                    actions.push(Action::Settle(number, terminal));
                    if failed && hand.left == 0 {
                        actions.push(Action::Abandon(number, terminal));
                    }
                }
            }
            if hand.due {
                actions.push(Action::Renew(number, terminal));
            } else if self.is_due(hand) && !state.sent(number, hand.id, is_renewal) {
                actions.push(Action::Due(number, terminal));
            }
        }
    }

    pub(crate) fn take(&self, state: &mut State, number: usize, delivery: Delivery) -> Option<()> {
        let Delivery {
            id,
            deliveries,
            expired,
            left,
            age,
        } = delivery;
        let worker = &mut state.workers[number];
        worker.fetch = Fetch::Ready;
        let begun = worker.hands.iter_mut().flatten().find(|hand| hand.id == id);
        if let Some(hand) = begun.filter(|_| self.rules.begins_once) {
            hand.age = hand.age.min(age);
            hand.lost = false;
            return Some(());
        }
        let work = if deliveries > self.bounds.deliveries {
            Work::Condemned
        } else if expired {
            Work::Finished {
                replies: false,
                failed: false,
            }
        } else {
            Work::Taken
        };
        let free = worker.hands.iter_mut().find(|hand| hand.is_none())?;
        *free = Some(Hand {
            id,
            left,
            age,
            lost: false,
            due: false,
            work,
        });
        Some(())
    }

    pub(crate) fn look_again(&self, state: &mut State, number: usize, found: Option<Id>) {
        let pending = found.and_then(|id| state.entry(id)?.pending);
        state.workers[number].fetch = match (found, pending) {
            (Some(id), Some(pending)) => Fetch::Found(id, pending.deliveries),
            _ => Fetch::Ready,
        };
    }

    pub(crate) fn claim_again(&self, state: &mut State, number: usize) -> Option<()> {
        let Fetch::Found(id, deliveries) = state.workers[number].fetch else {
            return None;
        };
        state.workers[number].fetch = Fetch::Claiming;
        let answer = None;
        let what = What::Claim {
            id,
            deliveries,
            answer,
        };
        state.send(Sender::Worker(number), what);
        Some(())
    }

    pub(crate) fn start(&self, state: &mut State, number: usize, terminal: usize) -> Option<()> {
        let lease = self.bounds.lease;
        let place = &mut state.workers[number].hands[terminal];
        let hand = place.as_mut()?;
        if self.rules.starts_under_lease && !hand.holds(lease) {
            *place = None;
            return Some(());
        }
        let id = hand.id;
        if hand.work == Work::Condemned {
            let done = false;
            state.send(Sender::Worker(number), What::Letter { id, done });
        } else {
            hand.work = Work::Running;
        }
        state.seen.started_unheld |= state.workers.iter().enumerate().any(|(other, worker)| {
            let mut hands = worker.hands.iter().flatten();
            other != number && hands.any(|hand| hand.id == id && hand.holds(lease))
        });
        Some(())
    }

    pub(crate) fn settle(&self, state: &mut State, number: usize, terminal: usize) -> Option<()> {
        let hand = state.workers[number].hands[terminal]?;
        let Work::Finished { replies, .. } = hand.work else {
            return None;
        };
        let what = What::Settle {
            id: hand.id,
            reply: replies,
            delete: true,
            ack: true,
        };
        state.send(Sender::Worker(number), what);
        Some(())
    }

    pub(crate) fn renew(&self, state: &mut State, number: usize, terminal: usize) -> Option<()> {
        let hand = state.workers[number].hands[terminal].as_mut()?;
        hand.due = false;
        let what = What::Renew {
            id: hand.id,
            age: 0,
            verdict: None,
        };
        state.send(Sender::Worker(number), what);
        Some(())
    }

    /// The worker reads the answer to what it sent.
    pub(crate) fn worker_reads(&self, state: &mut State, number: usize, what: What) {
        match what {
            What::Write { .. } => {}
            What::Claim { answer, .. } => {
                state.workers[number].fetch = match answer.flatten() {
                    Some(delivery) => Fetch::Arriving(delivery),
                    None => Fetch::Ready,
                };
            }
            What::HandBack { .. } => {}
            What::Letter { id, .. } => {
                if let Some(hand) = state.hand_mut(number, id) {
                    hand.work = Work::Finished {
                        replies: true,
                        failed: false,
                    };
                }
            }
            What::Renew { id, verdict, .. } => {
                if let Some(hand) = state.hand_mut(number, id) {
                    match verdict.flatten() {
                        Some(age) => {
                            hand.age = hand.age.min(age);
                            hand.lost = false;
                        }
                        None => hand.lost = true,
                    }
                }
            }
            What::Settle { id, .. } => {
                state.seen.settled_pending |=
                    state.entry(id).is_some_and(|entry| entry.pending.is_some());
                state.workers[number].let_go(id);
            }
        }
    }

    /// The connection broke before the worker read the answer.
    pub(crate) fn worker_loses(&self, state: &mut State, number: usize, what: What) {
        match what {
            What::Write { .. } | What::HandBack { .. } | What::Renew { .. } => {}
            What::Claim { .. } => state.workers[number].fetch = Fetch::Unproven,
            What::Letter { id, .. } => state.workers[number].let_go(id),
            What::Settle { id, .. } => {
                if let Some(hand) = state.hand_mut(number, id)
                    && let Work::Finished { failed, .. } = &mut hand.work
                {
                    *failed = true;
                }
            }
        }
    }

    fn is_due(&self, hand: &Hand) -> bool {
        let lapsed = hand.age >= self.bounds.lease;
        self.rules.renews
            && !hand.lost
            && hand.age >= RENEWAL
            && !(lapsed && self.rules.lets_lapsed_go)
    }

    /// Whether a worker has to act before time goes on.
    pub(crate) fn is_pressed(&self, state: &State, number: usize) -> bool {
        let worker = &state.workers[number];
        let mut actions = Vec::new();
        self.offer_worker(state, number, &mut actions);
        // Work takes as long as it takes; everything else is done at once.
        actions.retain(|action| !matches!(action, Action::Finish(..)));
        let parting = !matches!(worker.stage, Stage::Serving | Stage::Draining);
        !worker.stopped && (parting || !actions.is_empty())
    }
}

impl State {
    pub(crate) fn owner(&self, id: Id) -> Option<Owner> {
        Some(self.entry(id)?.pending?.owner)
    }

    pub(crate) fn hand_mut(&mut self, worker: usize, id: Id) -> Option<&mut Hand> {
        let mut hands = self.workers[worker].hands.iter_mut().flatten();
        hands.find(|hand| hand.id == id)
    }

    /// Whether a command of this kind is under way.
    fn sent(&self, worker: usize, id: Id, kind: fn(&What) -> Option<Id>) -> bool {
        let mut pipes = self.pipes.iter();
        pipes.any(|pipe: &Pipe| pipe.from == Sender::Worker(worker) && kind(&pipe.what) == Some(id))
    }
}

impl Worker {
    pub(crate) fn let_go(&mut self, id: Id) {
        for terminal in 0..TERMINALS {
            self.hands[terminal].take_if(|hand| hand.id == id);
        }
    }
}

fn is_settling(what: &What) -> Option<Id> {
    match what {
        What::Settle { id, .. } => Some(*id),
        _ => None,
    }
}

fn is_renewal(what: &What) -> Option<Id> {
    match what {
        What::Renew { id, .. } => Some(*id),
        _ => None,
    }
}

fn is_letter(what: &What) -> Option<Id> {
    match what {
        What::Letter { id, .. } => Some(*id),
        _ => None,
    }
}
