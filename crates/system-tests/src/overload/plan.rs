//! The rows: what load comes, in multiples of the capacity, what happens meanwhile, and what must hold.

use std::time::Duration;

use super::regime::{Place, Regime};

/// How long everything takes.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// Load that is not judged, until a row is in its steady state.
    pub onset: Duration,
    /// Load that is.
    pub judged: Duration,
}

/// One row of the walk.
#[derive(Clone, Debug)]
pub(super) struct Row {
    pub(super) name: &'static str,
    pub(super) flows: Vec<Flow>,
    pub(super) event: Option<(Duration, Event)>,
    /// From when on the services' own counts are those of the row.
    pub(super) counted_from: Duration,
    pub(super) bounds: Bounds,
}

/// Callers who come at an even rate for a while.
#[derive(Clone, Copy, Debug)]
pub(super) struct Flow {
    /// In multiples of the capacity.
    pub(super) times: f64,
    pub(super) begins: Duration,
    pub(super) lasts: Duration,
    /// How often a refused caller asks in all, without a pause.
    pub(super) tries: u32,
    /// Whether its figures are those of the row.
    pub(super) judged: bool,
}

/// Something that happens while load comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The upstream takes ten times as long from now on.
    UpstreamSlows,
    /// All proxies start; none runs before that.
    ProxiesStart,
}

/// What must hold of the judged flows. Every row has bounds on health answers, wasted work and memory besides.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Bounds {
    /// The least goodput as a share of the capacity (or of what an event leaves of it).
    pub(super) of_capacity: Option<f64>,
    /// The least goodput as a share of what was offered.
    pub(super) of_offered: Option<f64>,
    /// The 99th percentile of what was accepted, in multiples of the base.
    pub(super) times_base: Option<f64>,
    /// The 99th percentile of the time to a refusal.
    pub(super) refusal: Option<Duration>,
    /// The most processor time of a refusal, as a share of that of a served request.
    pub(super) refusal_cpu: Option<f64>,
    /// The most that an entry may wait on the stream, as a share of the deadline.
    pub(super) queue: Option<f64>,
    /// The most that may be worked on for callers who left, as a share of all work.
    pub(super) wasted: f64,
    /// The most that may end with 504 or without an answer, as a share of what was offered.
    pub(super) timed_out: Option<f64>,
    /// The most retries for each request offered.
    pub(super) retries: Option<f64>,
}

/// The row in which as much comes as can be done.
pub(super) const FULL: &str = "1 C";

/// How much slower the upstream gets.
pub(super) const SLOWER: u32 = 10;

impl Flow {
    /// Callers who ask once, and are judged.
    pub(super) fn new(times: f64, begins: Duration, lasts: Duration) -> Self {
        Self {
            times,
            begins,
            lasts,
            tries: 1,
            judged: true,
        }
    }

    /// The same callers, not judged.
    pub(super) fn aside(self) -> Self {
        Self {
            judged: false,
            ..self
        }
    }
}

impl Row {
    /// Load in which nothing happens.
    fn new(name: &'static str, flows: Vec<Flow>, bounds: Bounds) -> Self {
        Self {
            name,
            flows,
            event: None,
            counted_from: Duration::ZERO,
            bounds,
        }
    }
}

impl Bounds {
    /// What holds in nearly every row.
    fn usual() -> Self {
        Self {
            timed_out: Some(0.001),
            wasted: 0.01,
            ..Self::default()
        }
    }
}

/// The rows of a regime, in their order; the first is the base that others are compared with.
pub(super) fn rows(regime: &Regime, pace: Pace) -> Vec<Row> {
    let tight = Bounds {
        times_base: Some(3.0),
        ..Bounds::usual()
    };
    let steady = |name, times, bounds| Row::new(name, steady(times, 1, pace), bounds);
    let of_capacity = |share, refusal| Bounds {
        of_capacity: Some(share),
        refusal: Some(Duration::from_millis(refusal)),
        queue: Some(0.5),
        ..tight
    };
    let base = steady(
        "0.5 C",
        0.5,
        Bounds {
            of_offered: Some(0.999),
            ..tight
        },
    );
    if regime.place == Place::Upstream {
        return vec![base, upstream_slows(regime, pace)];
    }
    let mut rows = vec![
        base,
        steady(
            "0.9 C",
            0.9,
            Bounds {
                of_offered: Some(0.995),
                times_base: Some(2.0),
                ..tight
            },
        ),
        steady(FULL, 1.0, of_capacity(0.97, 50)),
        steady("2 C", 2.0, of_capacity(0.95, 20)),
        steady("5 C", 5.0, of_capacity(0.90, 50)),
        steady(
            "10 C",
            10.0,
            Bounds {
                // A small difference between two rows, minutes apart: the more refusals, the smaller its error.
                refusal_cpu: Some(0.1),
                ..of_capacity(0.80, 100)
            },
        ),
        after_the_flood(pace),
        burst(regime, pace),
        Row::new(
            "2 C, callers try 3 times at once",
            self::steady(2.0, 3, pace),
            Bounds {
                // Half of the callers are refused, and ask twice more.
                retries: Some(1.2),
                ..of_capacity(0.90, 50)
            },
        ),
    ];
    if !regime.work.is_zero() {
        rows.push(proxies_start(regime, pace));
    }
    rows
}

fn steady(times: f64, tries: u32, pace: Pace) -> Vec<Flow> {
    let flow = |begins, lasts| Flow {
        tries,
        ..Flow::new(times, begins, lasts)
    };
    vec![
        flow(Duration::ZERO, pace.onset).aside(),
        flow(pace.onset, pace.judged),
    ]
}

/// Ten times the capacity, then half of it: two seconds later everything must be as if there had been no flood.
fn after_the_flood(pace: Pace) -> Row {
    let recovery = Duration::from_secs(2);
    let flood = pace.onset + pace.judged / 2;
    Row::new(
        "10 C, then 0.5 C, from 2 s after",
        vec![
            Flow::new(10.0, Duration::ZERO, flood).aside(),
            Flow::new(0.5, flood, recovery).aside(),
            Flow::new(0.5, flood + recovery, pace.judged),
        ],
        Bounds {
            of_offered: Some(0.999),
            times_base: Some(1.5),
            ..Bounds::usual()
        },
    )
}

/// 20 times the capacity for 200 ms beside 0.5 C: what the queue takes is served, the steady callers are served on.
fn burst(regime: &Regime, pace: Pace) -> Row {
    Row::new(
        "0.5 C, with 20 C for 200 ms",
        vec![
            Flow::new(0.5, Duration::ZERO, pace.onset).aside(),
            Flow::new(0.5, pace.onset, pace.judged),
            Flow::new(20.0, pace.onset, Duration::from_millis(200)).aside(),
        ],
        Bounds {
            // While the queue is full, it refuses those who come steadily as it refuses the others.
            of_offered: Some(1.0 - 0.5 / pace.judged.as_secs_f64()),
            // A quarter of the deadline, and the time of one request, by which a prediction may be off.
            queue: Some(0.25 + regime.work.as_secs_f64() / regime.deadline.as_secs_f64()),
            ..Bounds::usual()
        },
    )
}

/// The upstream takes ten times as long while as much is asked as it could do before.
fn upstream_slows(regime: &Regime, pace: Pace) -> Row {
    let mut flows = steady(1.0, 1, pace);
    // By then the estimate has followed, and what waited before that is gone.
    let learnt = regime.deadline * 4;
    flows[0].lasts += learnt;
    flows[1].begins += learnt;
    let bounds = Bounds {
        of_capacity: Some(0.95),
        timed_out: Some(0.01),
        ..Bounds::usual()
    };
    Row {
        event: Some((pace.onset, Event::UpstreamSlows)),
        // Nobody can know beforehand; what had begun by then is lost.
        counted_from: pace.onset + learnt,
        ..Row::new("1 C, work ten times slower", flows, bounds)
    }
}

/// Load comes to a service whose proxies are all away, for longer than callers wait; then they come.
fn proxies_start(regime: &Regime, pace: Pace) -> Row {
    let away = regime.deadline * 2;
    // A second for the processes to start. By then a deadline's worth of requests waits, which is served, or makes that
    // those who come are refused, before the queue is what it was.
    let recovery = Duration::from_secs(1) + regime.deadline;
    let flows = vec![
        Flow::new(1.0, Duration::ZERO, away + recovery).aside(),
        Flow::new(1.0, away + recovery, pace.judged),
    ];
    let bounds = Bounds {
        of_capacity: Some(0.95),
        timed_out: Some(0.01),
        wasted: 0.05,
        ..Bounds::default()
    };
    Row {
        event: Some((away, Event::ProxiesStart)),
        ..Row::new("1 C, no proxies, then all", flows, bounds)
    }
}
