//! The machine against a model that keeps every call ever made and derives the state from that.

use super::*;
use proptest::prelude::*;

/// One thing that can happen to a breaker.
#[derive(Clone, Debug)]
enum Step {
    Acquire,
    /// Settles one of the tickets that are out, chosen by the number.
    Settle(usize, Verdict),
    Wait(Duration),
}

const CONFIG: BreakerConfig = BreakerConfig {
    consecutive_failures: 3,
    failure_ratio: 0.5,
    minimum_calls: 6,
    window: Duration::from_millis(1000),
    slow_call: Duration::from_millis(200),
    open_for: Duration::from_millis(100),
    open_for_max: Duration::from_millis(350),
};

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let verdict = prop_oneof![
        3 => Just(Verdict::Success),
        3 => Just(Verdict::Failure),
        1 => Just(Verdict::Cancelled),
    ];
    let wait = prop_oneof![4 => 0_u64..30, 1 => 30_u64..500];
    let step = prop_oneof![
        4 => Just(Step::Acquire),
        4 => (any::<usize>(), verdict).prop_map(|(which, verdict)| Step::Settle(which, verdict)),
        2 => wait.prop_map(|ms| Step::Wait(Duration::from_millis(ms))),
    ];
    prop::collection::vec(step, 1..300)
}

#[derive(Debug)]
struct Model {
    origin: Instant,
    state: State,
    /// Number of state changes so far: which tickets are still heard.
    era: usize,
    /// When this state began, and when it ends if it is `Open`.
    since: Instant,
    until: Instant,
    probe_out: bool,
    failed_probes: u32,
    /// Every verdict since the breaker was last closed: when, and whether it was a failure.
    verdicts: Vec<(Instant, bool)>,
    changes: [u64; 3],
}

impl Model {
    fn change(&mut self, to: State, now: Instant) {
        self.state = to;
        self.era += 1;
        self.since = now;
        self.probe_out = false;
        self.verdicts.clear();
        self.changes[to as usize] += 1;
    }

    fn look(&mut self, now: Instant) {
        if self.state == State::Open && now >= self.until {
            self.change(State::HalfOpen, now);
        }
    }

    fn slice(&self, at: Instant) -> u128 {
        (at - self.since).as_millis() / (CONFIG.window.as_millis() / 10)
    }

    fn must_open(&self, now: Instant) -> bool {
        let in_a_row = self.verdicts.iter().rev().take_while(|(_, failed)| *failed);
        let lately: Vec<bool> = self
            .verdicts
            .iter()
            .filter(|(at, _)| self.slice(*at) + 10 > self.slice(now))
            .map(|(_, failed)| *failed)
            .collect();
        let failures = lately.iter().filter(|failed| **failed).count();
        in_a_row.count() >= 3 || (lately.len() >= 6 && 2 * failures >= lately.len())
    }

    fn settle(&mut self, era: usize, verdict: Verdict, taken: Instant, now: Instant) {
        if era != self.era {
            return;
        }
        let verdict = if now - taken > CONFIG.slow_call {
            Verdict::Failure
        } else {
            verdict
        };
        match (self.state, verdict) {
            (State::Closed, Verdict::Cancelled) => {}
            (State::Closed, _) => {
                self.verdicts.push((now, verdict == Verdict::Failure));
                if verdict == Verdict::Failure && self.must_open(now) {
                    self.failed_probes = 0;
                    self.change(State::Open, now);
                }
            }
            (State::HalfOpen, Verdict::Success) => self.change(State::Closed, now),
            (State::HalfOpen, Verdict::Failure) => {
                self.failed_probes += 1;
                self.change(State::Open, now);
            }
            (State::HalfOpen, Verdict::Cancelled) => self.probe_out = false,
            (State::Open, _) => panic!("a ticket was given out while open"),
        }
    }

    /// The longest the present open state may last: 100 ms, then 200, then 350.
    fn longest_open(&self) -> Duration {
        let doubled = 100_u64 << self.failed_probes.min(10);
        Duration::from_millis(doubled.min(350))
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn the_machine_does_what_the_model_does(steps in steps()) {
        let mut now = Instant::now();
        let mut machine = Machine::new(CONFIG, now).unwrap();
        let mut model = Model {
            origin: now,
            state: State::Closed,
            era: 0,
            since: now,
            until: now,
            probe_out: false,
            failed_probes: 0,
            verdicts: Vec::new(),
            changes: [0; 3],
        };
        let mut out: Vec<(Ticket, usize, Instant)> = Vec::new();

        for step in steps {
            match step {
                Step::Wait(time) => now += time,
                Step::Acquire => {
                    model.look(now);
                    let may = match model.state {
                        State::Closed => true,
                        State::HalfOpen => !model.probe_out,
                        State::Open => false,
                    };
                    match machine.acquire(now) {
                        Ok(ticket) => {
                            prop_assert!(may, "a call went through in {model:?}");
                            model.probe_out = model.state == State::HalfOpen;
                            out.push((ticket, model.era, now));
                        }
                        Err(wait) => {
                            prop_assert!(!may, "a call was refused in {model:?}");
                            if model.state == State::Open {
                                prop_assert_eq!(wait, model.until - now);
                            } else {
                                prop_assert_eq!(wait, CONFIG.open_for);
                            }
                        }
                    }
                }
                Step::Settle(which, verdict) if !out.is_empty() => {
                    let (ticket, era, taken) = out.swap_remove(which % out.len());
                    let changes = model.changes;
                    machine.settle(ticket, verdict, now);
                    model.settle(era, verdict, taken, now);
                    if model.state == State::Open && model.changes != changes {
                        // The time to stay open is drawn: the model learns it from the first refusal.
                        let open_for = machine.acquire(now).unwrap_err();
                        prop_assert!(open_for <= model.longest_open());
                        prop_assert!(open_for >= model.longest_open() / 2);
                        model.until = now + open_for;
                    }
                }
                Step::Settle(..) => {}
            }
            // Looking may end the open state by itself, so both look, or neither.
            let look = (now - model.origin).as_millis().is_multiple_of(2);
            if look {
                model.look(now);
                prop_assert_eq!(machine.state(now), model.state);
                prop_assert_eq!(machine.transitions, model.changes);
            }
        }
    }
}
