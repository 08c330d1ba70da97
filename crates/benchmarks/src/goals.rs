//! What this project wants of itself, and whether a run reached it.

use serde::Serialize;

use self::Bound::{AtLeast, AtMost};
use crate::outcome::{Case, Comparison, Outcome};
use crate::scenarios::Scenario;
use crate::spread::Spread;
use crate::system::Kind;

/// A goal that a run says something about.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Reached {
    /// What is looked at.
    pub what: &'static str,
    /// The scenario that shows it.
    pub scenario: String,
    /// What is wanted.
    pub goal: String,
    /// What was found; the median counts.
    pub found: Spread,
    /// Whether that is enough.
    pub met: bool,
}

enum Bound {
    AtMost(f64),
    AtLeast(f64),
}

struct Goal {
    what: &'static str,
    scenario: Scenario,
    bound: Bound,
    figure: fn(&Outcome) -> Option<Spread>,
}

/// The goals that these outcomes say something about.
pub fn goals(outcomes: &[Outcome]) -> Vec<Reached> {
    let mut reached = Vec::new();
    for goal in ALL {
        let name = goal.scenario.name();
        if let Some(outcome) = outcomes.iter().find(|outcome| outcome.name == name) {
            // What was to be measured and was not is not reached.
            let found = (goal.figure)(outcome).unwrap_or_else(|| Spread::of(std::iter::empty()));
            let (sign, bound, met) = match goal.bound {
                AtMost(bound) => ("≤", bound, found.median <= bound),
                AtLeast(bound) => ("≥", bound, found.median >= bound),
            };
            reached.push(Reached {
                what: goal.what,
                scenario: name,
                goal: format!("{sign} {bound}"),
                found,
                met,
            });
        }
    }
    reached
}

/// The scenarios that goals look at, each once.
pub fn scenarios_with_goals() -> Vec<Scenario> {
    let mut scenarios: Vec<Scenario> = Vec::new();
    for goal in ALL {
        if !scenarios.contains(&goal.scenario) {
            scenarios.push(goal.scenario);
        }
    }
    scenarios
}

const ALL: &[Goal] = &[
    goal(
        "CPU per request ÷ NATS",
        Scenario::C64,
        AtMost(0.90),
        |of| Some(nats(of)?.cpu),
    ),
    goal(
        "CPU per request ÷ NATS",
        Scenario::C256,
        AtMost(0.90),
        |of| Some(nats(of)?.cpu),
    ),
    goal("requests/s ÷ NATS", Scenario::C64, AtLeast(1.05), |of| {
        Some(nats(of)?.rate)
    }),
    goal("requests/s ÷ NATS", Scenario::C256, AtLeast(1.0), |of| {
        Some(nats(of)?.rate)
    }),
    goal(
        "CPU per request ÷ straightforward",
        Scenario::C64,
        AtMost(0.38),
        |of| Some(streams(of)?.cpu),
    ),
    goal(
        "CPU per request ÷ straightforward",
        Scenario::C256,
        AtMost(0.38),
        |of| Some(streams(of)?.cpu),
    ),
    goal(
        "CPU per request ÷ floor",
        Scenario::C64,
        AtMost(2.2),
        |of| Some(against(of, Kind::Floor)?.cpu),
    ),
    goal("p99 ÷ straightforward", Scenario::C64, AtMost(0.55), |of| {
        Some(streams(of)?.p99)
    }),
    goal(
        "p99 ÷ straightforward",
        Scenario::C256,
        AtMost(0.55),
        |of| Some(streams(of)?.p99),
    ),
    goal("p99 ÷ NATS", Scenario::C64, AtMost(1.0), |of| {
        Some(nats(of)?.p99)
    }),
    goal("p99 ÷ NATS", Scenario::C256, AtMost(1.0), |of| {
        Some(nats(of)?.p99)
    }),
    goal("p50 ÷ NATS", Scenario::C1, AtMost(0.95), |of| {
        Some(nats(of)?.p50)
    }),
    goal(
        "CPU per request ÷ NATS",
        Scenario::Rate500,
        AtMost(1.0),
        |of| Some(nats(of)?.cpu),
    ),
    goal(
        "served, % of what terminals can",
        Scenario::Headline,
        AtLeast(99.5),
        |of| more(of.case("saturated")?, "share"),
    ),
    goal(
        "p99 at 450/s ÷ work time",
        Scenario::Headline,
        AtMost(1.5),
        |of| more(of.case("450/s")?, "p99PerWork"),
    ),
    goal(
        "drain ÷ straightforward",
        Scenario::Backlog,
        AtLeast(5.0),
        |of| Some(streams(of)?.rate),
    ),
    goal("bytes per entry", Scenario::Backlog, AtMost(90.0), |of| {
        more(of.case(Kind::Ours.name())?, "bytesPerEntry")
    }),
    goal(
        "CPU of 10 ingresses ÷ 1, dedicated",
        Scenario::Ingresses,
        AtMost(1.3),
        |of| Some(of.comparison("10, dedicated", "1, dedicated")?.cpu),
    ),
    goal(
        "CPU with AOF everysec ÷ none",
        Scenario::Aof,
        AtMost(1.15),
        |of| Some(of.comparison("everysec", "none")?.cpu),
    ),
    goal(
        "idle ingress, % of a core",
        Scenario::Idle,
        AtMost(0.5),
        |of| idle(of, "front"),
    ),
    goal(
        "idle proxy, % of a core",
        Scenario::Idle,
        AtMost(0.5),
        |of| idle(of, "worker"),
    ),
    goal(
        "idle Redis, % of a core",
        Scenario::Idle,
        AtMost(0.5),
        |of| idle(of, "broker"),
    ),
    goal(
        "Redis commands/s of an idle pair",
        Scenario::Idle,
        AtMost(10.0),
        |of| idle(of, "commands"),
    ),
    goal(
        "memory per waiting caller ÷ floor",
        Scenario::Waiting,
        AtMost(1.3),
        |of| {
            let (ours, floor) = (per_caller(of, Kind::Ours)?, per_caller(of, Kind::Floor)?);
            Some(Spread::single(ours / floor))
        },
    ),
    goal(
        "CPU of 10,000 callers ÷ 100",
        Scenario::Waiting,
        AtMost(1.1),
        |of| {
            let (many, few) = ("ours 10000", "ours 100");
            Some(of.comparison(many, few)?.cpu)
        },
    ),
];

const fn goal(
    what: &'static str,
    scenario: Scenario,
    bound: Bound,
    figure: fn(&Outcome) -> Option<Spread>,
) -> Goal {
    Goal {
        what,
        scenario,
        bound,
        figure,
    }
}

fn against(of: &Outcome, peer: Kind) -> Option<&Comparison> {
    of.comparison(Kind::Ours.name(), peer.name())
}

fn nats(of: &Outcome) -> Option<&Comparison> {
    against(of, Kind::Nats)
}

fn streams(of: &Outcome) -> Option<&Comparison> {
    against(of, Kind::Straightforward)
}

fn idle(of: &Outcome, figure: &str) -> Option<Spread> {
    more(of.case(Kind::Ours.name())?, figure)
}

fn more(case: &Case, name: &str) -> Option<Spread> {
    let rounds = case.rounds.iter();
    let figures: Option<Vec<f64>> = rounds.map(|round| round.more.get(name).copied()).collect();
    Some(Spread::of(figures?.into_iter()))
}

/// What 9,900 more callers take of the front's memory.
fn per_caller(of: &Outcome, kind: Kind) -> Option<f64> {
    let front = |callers: u32| {
        let case = of.case(&format!("{} {callers}", kind.name()))?;
        // A peak only grows: the last round has it.
        case.rounds.last()?.more.get("peak").copied()
    };
    Some((front(10_000)? - front(100)?) / 9_900.0)
}
