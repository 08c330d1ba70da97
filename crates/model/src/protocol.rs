//! The model as the checker sees it: which steps a state offers, and what each leads to.

use stateright::{Model, Property};

use crate::{
    action::Action,
    properties,
    rules::{Bounds, Rules},
    state::{
        CALLERS, COPIES, Caller, Fetch, Phase, Seen, Sender, State, WORKERS, What, Work, Worker,
    },
};

/// The protocol under some rules, within some bounds.
#[derive(Debug, Clone, Copy)]
pub struct Protocol {
    /// What is kept.
    pub rules: Rules,
    /// What is explored.
    pub bounds: Bounds,
}

impl Model for Protocol {
    type State = State;
    type Action = Action;

    fn init_states(&self) -> Vec<State> {
        self.bounds.check();
        let callers = std::array::from_fn(|number| {
            Caller::new(if number < self.bounds.callers {
                Phase::Idle
            } else {
                Phase::Absent
            })
        });
        vec![State {
            callers,
            client_stopped: false,
            entries: [None; CALLERS * COPIES],
            workers: [Worker::new(); WORKERS],
            pipes: Vec::new(),
            faults: self.bounds.faults,
            drains: self.bounds.drains,
            departures: self.bounds.departures,
            seen: Seen::default(),
        }]
    }

    fn actions(&self, state: &State, actions: &mut Vec<Action>) {
        if !state.client_stopped {
            self.offer_client(state, actions);
        }
        self.offer_server(state, actions);
        for (number, worker) in state.workers.iter().enumerate() {
            if !worker.stopped {
                self.offer_worker(state, number, actions);
                self.offer_drain(state, number, actions);
            }
        }
        for pipe in &state.pipes {
            let reads = match pipe.from {
                Sender::Client => !state.client_stopped,
                Sender::Worker(number) => !state.workers[number].stopped,
                Sender::Nobody => false,
            };
            if reads && pipe.what.is_carried_out() {
                actions.push(Action::Answer(*pipe));
            }
        }
        self.offer_faults(state, actions);
        if self.time_may_pass(state) {
            actions.push(Action::Tick);
        }
    }

    fn next_state(&self, last: &State, action: Action) -> Option<State> {
        let mut next = last.clone();
        self.step(&mut next, action)?;
        next.tidy();
        self.hurry(&mut next);
        (next != *last).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl Protocol {
    fn step(&self, state: &mut State, action: Action) -> Option<()> {
        match action {
            Action::Tick => self.tick(state),
            Action::Ask(number) => self.ask(state, number),
            Action::Park(number) => state.callers[number].park(),
            Action::Write(number) => self.write(state, number),
            Action::GiveUp(number) => self.give_up(state, number),
            Action::Read(number) => self.read(state, number),
            Action::TimeOut(number) => self.leave(state, number, true),
            Action::Leave(number) => self.leave(state, number, false),
            Action::Withdraw(number) => state.withdraw(number),
            Action::Deliver(number, id) => return self.deliver(state, number, id),
            Action::Purge(id) => state.entry_mut(id)?.pending = None,
            Action::Take(number) => {
                let Fetch::Arriving(delivery) = state.workers[number].fetch else {
                    return None;
                };
                return self.take(state, number, delivery);
            }
            Action::LookAgain(number, found) => self.look_again(state, number, found),
            Action::ClaimAgain(number) => return self.claim_again(state, number),
            Action::Start(number, terminal) => return self.start(state, number, terminal),
            Action::Finish(number, terminal) | Action::CutShort(number, terminal) => {
                let done = matches!(action, Action::Finish(..));
                state.workers[number].hands[terminal].as_mut()?.work = Work::Finished {
                    replies: done,
                    failed: false,
                };
            }
            Action::Settle(number, terminal) => return self.settle(state, number, terminal),
            Action::Abandon(number, terminal) => state.workers[number].hands[terminal] = None,
            Action::Due(number, terminal) => {
                state.workers[number].hands[terminal].as_mut()?.due = true;
            }
            Action::Renew(number, terminal) => return self.renew(state, number, terminal),
            Action::Drain(number) => self.drain(state, number),
            Action::CutAll(number) => self.cut_all(state, number),
            Action::LookBack(number) => self.look_back(state, number),
            Action::HandBack(number, id) => return self.hand_back(state, number, id),
            Action::End(number) => state.replace(number),
            Action::Execute(pipe) => return self.execute(state, pipe),
            Action::Answer(pipe) => {
                let answered = state.take_pipe(pipe)?;
                match (answered.from, answered.what) {
                    (Sender::Worker(number), what) => self.worker_reads(state, number, what),
                    (_, What::Write { id, taken, .. }) => {
                        self.write_ended(state, id, taken);
                    }
                    _ => {}
                }
            }
            Action::Vanish(pipe) => drop(state.take_pipe(pipe)?),
            Action::ContinueClient => state.client_stopped = false,
            Action::Continue(number) => state.workers[number].stopped = false,
            Action::Crash(_)
            | Action::Stop(_)
            | Action::StopClient
            | Action::Break(_)
            | Action::LoseDelivery(_)
            | Action::Slow(_)
            | Action::Refuse(_)
            | Action::ReaderReconnects => return self.fault(state, action),
        }
        Some(())
    }

    /// Once no fault can come in between, what a worker does by itself is one step with what led to it, where its
    /// order among other steps makes no difference. There are far fewer states then.
    fn hurry(&self, state: &mut State) {
        if state.faults > 0 || !self.bounds.hurried {
            return;
        }
        let mut actions = Vec::new();
        loop {
            actions.clear();
            for number in (0..WORKERS).filter(|number| !state.workers[*number].stopped) {
                self.offer_worker(state, number, &mut actions);
                let answers = state.pipes.iter().filter(|pipe| {
                    pipe.from == Sender::Worker(number)
                        && pipe.slow == 0
                        && pipe.what.is_carried_out()
                });
                actions.extend(answers.map(|pipe| Action::Answer(*pipe)));
            }
            let alone = actions.iter().copied().find(|action| match action {
                Action::Take(number) => {
                    let worker = &state.workers[*number];
                    !matches!(worker.fetch, Fetch::Arriving(delivery) if worker.has(delivery.id))
                }
                // A renewal that is under way may still change what the lease says.
                Action::Start(number, terminal) => state.workers[*number].hands[*terminal]
                    .is_some_and(|hand| hand.holds(self.bounds.lease)),
                Action::LookAgain(_, None)
                | Action::CutShort(..)
                | Action::Due(..)
                | Action::Renew(..)
                | Action::Answer(_) => true,
                _ => false,
            });
            match alone {
                Some(action) if self.step(state, action).is_some() => state.tidy(),
                _ => return,
            }
        }
    }

    fn fault(&self, state: &mut State, action: Action) -> Option<()> {
        state.faults -= 1;
        match action {
            Action::Crash(number) => state.replace(number),
            Action::Stop(number) => state.workers[number].stopped = true,
            Action::StopClient => state.client_stopped = true,
            Action::Break(pipe) => return self.break_connection(state, pipe),
            Action::LoseDelivery(number) => state.workers[number].fetch = Fetch::Unproven,
            Action::Slow(pipe) => return self.slow(state, pipe),
            Action::Refuse(pipe) => return self.refuse(state, pipe),
            Action::ReaderReconnects => self.reader_reconnects(state),
            _ => return None,
        }
        Some(())
    }
}
