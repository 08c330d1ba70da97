//! The admission against a simulated system: arrivals, a stream, terminals that take as long as they are told, workers
//! that announce what they measured, and clients of which each sees the stream only when it writes to it or looks at
//! it. Time is simulated, and the same in every run.

use std::collections::VecDeque;

use tokio::time::advance;

use super::*;

const STEP: Duration = Duration::from_millis(1);
const BUDGET: Duration = Duration::from_millis(1_500);
const WORK: Duration = Duration::from_millis(100);
const TERMINALS: usize = 10;

/// What 10 terminals of 100 ms do in a second.
const CAPACITY: f64 = 100.0;

struct Simulation {
    clients: Vec<Admission>,
    /// For each client, when it looks next and how much of the next arrival is there.
    looks: Vec<Instant>,
    arriving: Vec<f64>,
    queue: VecDeque<Entry>,
    /// For each terminal, the entry that it works on and when it is done.
    terminals: Vec<Option<(Entry, Instant)>>,
    work: Duration,
    /// By which the work varies, the same in every run.
    random: fastrand::Rng,
    /// What the workers measured since they announced last: busy terminal time, and departures.
    busy: f64,
    departures: f64,
    announced: Option<f64>,
    announces: Instant,
    tally: Tally,
}

#[derive(Clone, Copy)]
struct Entry {
    added: Instant,
    predicted: Option<Duration>,
}

/// What happened since it was last taken.
#[derive(Debug, Default)]
struct Tally {
    arrived: f64,
    refused: f64,
    served: f64,
    /// Dropped or cut at the deadline.
    expired: f64,
    cut: f64,
    longest_wait: Duration,
    /// The sum of how far predictions were off.
    error: Duration,
    predicted: u32,
}

impl Simulation {
    fn new(clients: usize) -> Self {
        let now = Instant::now();
        let clients: Vec<_> = (0..clients)
            .map(|_| Admission::new(100_000, 100_000, 1_000))
            .collect();
        Self {
            looks: vec![now; clients.len()],
            arriving: vec![0.0; clients.len()],
            clients,
            queue: VecDeque::new(),
            terminals: vec![None; TERMINALS],
            work: WORK,
            random: fastrand::Rng::with_seed(4),
            busy: 0.0,
            departures: 0.0,
            announced: None,
            announces: now,
            tally: Tally::default(),
        }
    }

    /// Lets requests come at this rate, shared by the clients, for so long; gives what happened.
    async fn load(&mut self, rate: f64, lasts: Duration) -> Tally {
        let end = Instant::now() + lasts;
        while Instant::now() < end {
            advance(STEP).await;
            self.serve();
            self.announce();
            for client in 0..self.clients.len() {
                self.look(client);
                self.arriving[client] += rate / self.clients.len() as f64 * STEP.as_secs_f64();
                while self.arriving[client] >= 1.0 {
                    self.arriving[client] -= 1.0;
                    self.arrives(client);
                }
            }
        }
        std::mem::take(&mut self.tally)
    }

    fn outstanding(&self) -> u64 {
        (self.queue.len() + self.terminals.iter().flatten().count()) as u64
    }

    fn arrives(&mut self, client: usize) {
        self.tally.arrived += 1.0;
        let Ok(admitted) = self.clients[client].admit(BUDGET, 0) else {
            self.tally.refused += 1.0;
            return;
        };
        self.queue.push_back(Entry {
            added: Instant::now(),
            predicted: admitted.predicted,
        });
        drop(admitted);
        let outstanding = self.outstanding();
        self.clients[client].saw_outstanding(outstanding);
    }

    fn serve(&mut self) {
        let now = Instant::now();
        for terminal in &mut self.terminals {
            self.busy += f64::from(u8::from(terminal.is_some())) * STEP.as_secs_f64();
            if let Some((entry, done)) = *terminal
                && done <= now
            {
                *terminal = None;
                self.departures += 1.0;
                match done <= entry.added + BUDGET {
                    true => self.tally.served += 1.0,
                    false => self.tally.cut += 1.0,
                }
            }
            while terminal.is_none()
                && let Some(entry) = self.queue.pop_front()
            {
                let wait = now - entry.added;
                if wait >= BUDGET {
                    self.tally.expired += 1.0;
                    continue;
                }
                self.tally.longest_wait = wait.max(self.tally.longest_wait);
                if let Some(predicted) = entry.predicted {
                    self.tally.error += wait.abs_diff(predicted);
                    self.tally.predicted += 1;
                }
                // From four fifths to six fifths.
                let work = self.work.mul_f64(0.8 + 0.4 * self.random.f64());
                *terminal = Some((entry, now + work));
            }
        }
    }

    /// As a worker does, twice a second (`Occupancy`).
    fn announce(&mut self) {
        if Instant::now() < self.announces {
            return;
        }
        self.announces += Duration::from_millis(500);
        self.announced = match self.announced {
            None if self.departures == 0.0 => None,
            None => Some(self.busy / self.departures),
            Some(hold) => Some((8.0 * hold + self.busy) / (8.0 + self.departures)),
        };
        (self.busy, self.departures) = (0.0, 0.0);
    }

    /// As the observer does, a quarter of a second after the last.
    fn look(&mut self, client: usize) {
        let now = Instant::now();
        if now < self.looks[client] {
            return;
        }
        self.looks[client] = now + Duration::from_millis(250);
        let workers = [WorkerSummary {
            consumer: "w".into(),
            terminals: u32::try_from(self.terminals.len()).expect("few"),
            hold_us: (self.announced.unwrap_or(0.0) * 1e6) as u64,
            served: 0,
        }];
        let outstanding = self.outstanding();
        self.clients[client].saw_workers(&workers);
        self.clients[client].saw_outstanding(outstanding);
    }

    /// Some second of a load that the workers can do, after which the rate is known.
    async fn calm(clients: usize) -> Self {
        let mut simulation = Self::new(clients);
        simulation.load(CAPACITY / 2.0, SECOND * 3).await;
        simulation
    }
}

const SECOND: Duration = Duration::from_secs(1);

impl Tally {
    fn mean_error(&self) -> Duration {
        self.error / self.predicted.max(1)
    }
}

#[tokio::test(start_paused = true)]
async fn what_can_be_done_is_let_in_and_hardly_waits() {
    for load in [0.5, 0.9] {
        let mut simulation = Simulation::calm(2).await;
        let calm = simulation.load(load * CAPACITY, SECOND * 5).await;
        assert_eq!((calm.refused, calm.expired), (0.0, 0.0), "{calm:?}");
        assert!(calm.longest_wait <= WORK / 4, "{calm:?}");
    }
}

/// However much is offered and however many clients admit side by side, each by what it saw itself.
#[tokio::test(start_paused = true)]
async fn floods_keep_all_terminals_busy_and_the_queue_short() {
    for clients in [1, 3, 10] {
        for times in [1.0, 2.0, 10.0] {
            let mut simulation = Simulation::calm(clients).await;
            let onset = simulation.load(times * CAPACITY, BUDGET * 2).await;
            assert_eq!((onset.expired, onset.cut), (0.0, 0.0), "{onset:?}");
            let flood = simulation.load(times * CAPACITY, SECOND * 5).await;
            let case = format!("{clients} clients, {times} C: {flood:?}");
            assert_eq!((flood.expired, flood.cut), (0.0, 0.0), "{case}");
            assert!(flood.served >= 0.98 * CAPACITY * 5.0, "{case}");
            // A tenth of the budget, and what clients side by side let in before they see of each other.
            let longest = BUDGET / STANDING + WORK / 2 + WORK / 10 * (clients as u32 - 1);
            assert!(flood.longest_wait <= longest, "{case}");
            assert!(
                flood.mean_error() <= WORK / 4 + WORK / 20 * clients as u32,
                "{case}"
            );
            // It is over as soon as the flood is.
            simulation.load(CAPACITY / 2.0, SECOND / 2).await;
            let calm = simulation.load(CAPACITY / 2.0, SECOND * 2).await;
            assert_eq!(
                (calm.refused, calm.expired),
                (0.0, 0.0),
                "{case} then {calm:?}"
            );
            assert!(calm.longest_wait <= WORK / 4, "{case} then {calm:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_burst_fills_a_quarter_of_the_budget_and_no_more() {
    let mut simulation = Simulation::calm(2).await;
    let burst = simulation.load(20.0 * CAPACITY, SECOND / 5).await;
    let after = simulation.load(CAPACITY / 2.0, SECOND * 3).await;
    let longest = burst.longest_wait.max(after.longest_wait);
    assert!(longest >= BUDGET / BURST - WORK, "{burst:?}, {after:?}");
    assert!(longest <= BUDGET / BURST + WORK / 2, "{burst:?}, {after:?}");
    assert_eq!((after.expired, after.cut), (0.0, 0.0), "{after:?}");
    assert!(after.refused <= 15.0, "steady callers as well: {after:?}");
}

#[tokio::test(start_paused = true)]
async fn workers_that_come_and_go_are_followed() {
    let mut simulation = Simulation::calm(2).await;
    for terminals in [5, 20, 2, 10] {
        simulation.terminals.resize(terminals, None);
        let share = terminals as f64 / TERMINALS as f64;
        let turn = simulation.load(2.0 * CAPACITY * share, BUDGET * 2).await;
        assert!(
            turn.expired + turn.cut <= 0.1 * turn.arrived,
            "{terminals}: {turn:?}"
        );
        let flood = simulation.load(2.0 * CAPACITY * share, SECOND * 5).await;
        assert_eq!(
            (flood.expired, flood.cut),
            (0.0, 0.0),
            "{terminals}: {flood:?}"
        );
        assert!(
            flood.served >= 0.95 * CAPACITY * share * 5.0,
            "{terminals}: {flood:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn work_that_gets_ten_times_slower_is_shed_and_not_late() {
    let mut simulation = Simulation::calm(2).await;
    simulation.load(CAPACITY, SECOND * 3).await;
    simulation.work = WORK * 10;
    let learning = simulation.load(CAPACITY, BUDGET * 3).await;
    assert!(learning.refused > 0.5 * learning.arrived, "{learning:?}");
    let slow = simulation.load(CAPACITY, SECOND * 20).await;
    assert!(slow.expired + slow.cut <= 0.01 * slow.arrived, "{slow:?}");
    assert!(slow.served >= 0.95 * CAPACITY / 10.0 * 20.0, "{slow:?}");
    simulation.work = WORK;
    simulation.load(CAPACITY, BUDGET * 3).await;
    let fast = simulation.load(CAPACITY, SECOND * 5).await;
    assert!(fast.served >= 0.97 * CAPACITY * 5.0, "{fast:?}");
}
