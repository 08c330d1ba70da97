//! Whether a request got dearer, and at which step.
//!
//! Each step of ours (front, broker, worker) is compared with the same step of straightforward Streams, in the same
//! round on the same machine: what the peer costs moves with the machine and not with our changes. The usual ratios are
//! in `guard.json`; more than its slack above one of them is a finding. The peer gets dearer or cheaper with the crates
//! that both are built on (tokio, hyper, redis); after such a change the file is written anew.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::load::Arrivals;
use crate::outcome::{Comparison, Outcome};
use crate::rounds::{Contender, Rounds, in_turn};
use crate::scenarios::Bench;
use crate::spread::Spread;
use crate::system::{Kind, Spec};

/// The ratios that are usual, and how far above them noise reaches.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Bounds {
    /// A ratio may be so many times the usual one.
    pub slack: f64,
    /// By scenario.
    pub usual: BTreeMap<String, Usual>,
}

/// Processor time per request, ours ÷ straightforward.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Usual {
    /// All steps together.
    pub whole: f64,
    /// Of the fronts.
    pub front: f64,
    /// Of Redis.
    pub broker: f64,
    /// Of the workers.
    pub worker: f64,
}

/// A step that costs more than its bound.
#[derive(Clone, Debug, PartialEq)]
pub struct Dearer {
    /// Where it was seen.
    pub scenario: String,
    /// `front`, `broker`, `worker`, or `whole`.
    pub step: &'static str,
    /// What it costs now, as a share of the peer's.
    pub found: Spread,
    /// What it costs usually.
    pub usual: f64,
}

impl std::fmt::Display for Dearer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let more = (self.found.median / self.usual - 1.0) * 100.0;
        let step = match self.step {
            "whole" => "a request".to_owned(),
            step => format!("the {step}"),
        };
        write!(
            f,
            "{}: {step} costs {} of straightforward's, usually {:.2}: {more:+.0} %",
            self.scenario, self.found, self.usual
        )
    }
}

impl Usual {
    /// What this comparison found, to a thousandth.
    pub fn of(comparison: &Comparison) -> Self {
        let rounded = |found: Spread| (found.median * 1e3).round() / 1e3;
        let [whole, front, broker, worker] = spreads(comparison).map(|(_, found)| rounded(found));
        Self {
            whole,
            front,
            broker,
            worker,
        }
    }
}

impl Bounds {
    /// What got dearer.
    ///
    /// # Errors
    /// Nothing is usual for this scenario.
    pub fn judge(&self, scenario: &str, comparison: &Comparison) -> anyhow::Result<Vec<Dearer>> {
        let usual = self.usual.get(scenario);
        let usual = usual.with_context(|| format!("nothing is usual for {scenario}: --write"))?;
        let usual = [usual.whole, usual.front, usual.broker, usual.worker];
        let steps = spreads(comparison).into_iter().zip(usual);
        // What is no number is no good news.
        let within = |found: Spread, usual: f64| found.median <= usual * self.slack;
        let above = steps.filter(|((_, found), usual)| !within(*found, *usual));
        let above = above.map(|((step, found), usual)| Dearer {
            scenario: scenario.to_owned(),
            step,
            found,
            usual,
        });
        Ok(above.collect())
    }
}

/// By step. Both have all of them; what was not measured is no number.
fn spreads(comparison: &Comparison) -> [(&'static str, Spread); 4] {
    let nothing = Spread::of(std::iter::empty());
    [
        ("whole", comparison.cpu),
        ("front", comparison.front),
        ("broker", comparison.broker.unwrap_or(nothing)),
        ("worker", comparison.worker.unwrap_or(nothing)),
    ]
}

/// Measures what the guard compares: ours and the peer, saturated by 64 and 256 callers, and with little to do.
///
/// # Errors
/// A system could not be started, or a request failed.
pub async fn measure(bench: &Bench) -> anyhow::Result<Vec<Outcome>> {
    let short = Rounds::new(20, Duration::from_secs(1));
    // Few requests come at that rate, so that each round has to last.
    let long = Rounds::new(14, Duration::from_secs(3));
    let scenarios = [
        ("c64", Arrivals::Callers(64), short),
        ("c256", Arrivals::Callers(256), short),
        ("rate500", Arrivals::FEW, long),
    ];
    let mut outcomes = Vec::new();
    for (name, arrivals, rounds) in scenarios {
        (bench.tell)(name);
        let contenders = [Kind::Straightforward, Kind::Ours].map(|kind| Contender {
            name: kind.name().to_owned(),
            promises: None,
            spec: bench.adjust(Spec::new(kind)),
            arrivals,
        });
        let cases = in_turn(&contenders, rounds, &bench.tell).await?;
        let about = "what the guard compares".to_owned();
        outcomes.push(Outcome::last_against_each(name, about, cases));
    }
    Ok(outcomes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figures::Figures;
    use crate::outcome::Case;
    use crate::system::Steps;

    fn comparison(front: f64, broker: f64, worker: f64) -> Comparison {
        let case = |name: &str, cpu: Steps| {
            let figures = Figures {
                cpu,
                rate: 1.0,
                p50: 1.0,
                p99: 1.0,
                ..Figures::default()
            };
            Case::new(name.to_owned(), None, vec![figures; 3])
        };
        let peer = Steps {
            front: 10.0,
            broker: 10.0,
            worker: 10.0,
        };
        let ours = Steps {
            front,
            broker,
            worker,
        };
        Comparison::of(&case("ours", ours), &case("peer", peer))
    }

    fn dearer(comparison: &Comparison) -> Vec<&'static str> {
        let usual = Usual {
            whole: 0.5,
            front: 0.5,
            broker: 0.7,
            worker: 0.3,
        };
        let bounds = Bounds {
            slack: 1.2,
            usual: BTreeMap::from([("c64".to_owned(), usual)]),
        };
        assert!(bounds.judge("c1", comparison).is_err(), "nothing is usual");
        let found = bounds.judge("c64", comparison).unwrap();
        found.into_iter().map(|dearer| dearer.step).collect()
    }

    #[test]
    fn the_step_that_got_dearer_is_named() {
        assert!(dearer(&comparison(5.0, 7.0, 3.0)).is_empty());
        assert!(dearer(&comparison(5.9, 8.3, 3.5)).is_empty());
        assert_eq!(dearer(&comparison(5.0, 7.0, 3.7)), ["worker"]);
        assert_eq!(dearer(&comparison(6.1, 6.0, 3.0)), ["front"]);
        assert_eq!(dearer(&comparison(5.0, 11.0, 3.0)), ["whole", "broker"]);
        assert_eq!(
            dearer(&comparison(5.0, 7.0, 0.0)),
            ["worker"],
            "not measured"
        );
    }

    #[test]
    fn what_is_written_can_be_read_again() {
        let usual = Usual::of(&comparison(5.0, 7.0, 3.0));
        let bounds = Bounds {
            slack: 1.2,
            usual: BTreeMap::from([("c64".to_owned(), usual)]),
        };
        let text = serde_json::to_string(&bounds).unwrap();
        let read: Bounds = serde_json::from_str(&text).unwrap();
        assert_eq!(read.usual["c64"], usual);
        let judged = read.judge("c64", &comparison(5.0, 7.0, 3.0));
        assert!(judged.unwrap().is_empty());
    }

    #[test]
    fn the_committed_bounds_can_be_read() {
        let bounds: Bounds = serde_json::from_str(include_str!("../guard.json")).unwrap();
        assert!(bounds.slack > 1.0 && bounds.usual.len() == 3, "{bounds:?}");
    }
}
