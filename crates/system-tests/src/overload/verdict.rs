//! A row's figures against its bounds.

use serde::Serialize;

use super::figures::Figures;
use super::plan::{Bounds, Event, Row, SLOWER};

/// A health answer may take this long, whatever happens.
const HEALTH: f64 = 1.0;

/// No process may take more than this many times the memory that the largest of its kind took in the base.
const TIMES_MEMORY: u64 = 2;

/// One thing that was to hold.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Check {
    pub(super) what: &'static str,
    pub(super) value: f64,
    /// At least or at most.
    pub(super) bound: f64,
    pub(super) unit: Unit,
    pub(super) passed: bool,
}

/// How a figure is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) enum Unit {
    Seconds,
    Share,
    Bytes,
}

/// What the figures are held against.
#[derive(Clone, Copy, Debug)]
pub(super) struct Basis<'a> {
    /// Requests per second.
    pub(super) capacity: f64,
    /// The row that is the base; `None` in that row itself.
    pub(super) base: Option<&'a Figures>,
    /// The row at the capacity itself, as long as this one; `None` up to that row.
    pub(super) full: Option<&'a Figures>,
    /// In seconds.
    pub(super) deadline: f64,
}

/// Everything that the row was to hold.
pub(super) fn checks(row: &Row, figures: &Figures, basis: Basis<'_>) -> Vec<Check> {
    let Bounds {
        of_capacity,
        of_offered,
        times_base,
        refusal,
        refusal_cpu,
        queue,
        wasted,
        timed_out,
        retries,
    } = row.bounds;
    let slower = matches!(row.event, Some((_, Event::UpstreamSlows)));
    let left = if slower { f64::from(SLOWER) } else { 1.0 };
    let offered = (figures.offered * row.judged_seconds()).max(f64::EPSILON);
    let mut checks = Vec::new();
    let at_least = |what, value, bound: Option<f64>| {
        bound.map(|bound| Check {
            what,
            value,
            bound,
            unit: Unit::Share,
            passed: value >= bound,
        })
    };
    let at_most = |what, value: Option<f64>, bound: Option<f64>, unit| {
        let (value, bound) = (value?, bound?);
        Some(Check {
            what,
            value,
            bound,
            unit,
            passed: value <= bound,
        })
    };
    let goodput = figures.goodput * left / basis.capacity;
    checks.extend(at_least("goodput ÷ capacity", goodput, of_capacity));
    let goodput = figures.goodput / figures.offered.max(f64::EPSILON);
    checks.extend(at_least("goodput ÷ offered", goodput, of_offered));
    let base = times_base.zip(basis.base.and_then(|base| base.p99));
    let base = base.map(|(times, base)| times * base);
    checks.extend(at_most("p99 of accepted", figures.p99, base, Unit::Seconds));
    let refusal = refusal.map(|bound| bound.as_secs_f64());
    checks.extend(at_most(
        "p99 of refusals",
        figures.refusal_p99,
        refusal,
        Unit::Seconds,
    ));
    checks.extend(at_most(
        "CPU of a refusal ÷ of a served request",
        basis.full.and_then(|full| figures.refusal_cpu(full)),
        refusal_cpu,
        Unit::Share,
    ));
    let queue = queue.map(|share| share * basis.deadline);
    checks.extend(at_most(
        "queue age",
        Some(figures.queue_age),
        queue,
        Unit::Seconds,
    ));
    let late = figures.timed_out as f64 / offered;
    checks.extend(at_most(
        "timed out ÷ offered",
        Some(late),
        timed_out,
        Unit::Share,
    ));
    let unexpected = figures.other.values().sum::<u64>() as f64 / offered;
    checks.extend(at_most(
        "other failures",
        Some(unexpected),
        Some(0.0),
        Unit::Share,
    ));
    let waste = figures.wasted / figures.worked.max(1.0);
    checks.extend(at_most(
        "wasted work",
        Some(waste),
        Some(wasted),
        Unit::Share,
    ));
    checks.extend(at_most(
        "health",
        Some(figures.health),
        Some(HEALTH),
        Unit::Seconds,
    ));
    let again = figures.retries as f64 / offered;
    checks.extend(at_most(
        "retries ÷ offered",
        Some(again),
        retries,
        Unit::Share,
    ));
    type Bytes = fn(&Figures) -> u64;
    let kinds: [(_, Bytes); 2] = [
        ("memory of an ingress", |of| of.ingress_bytes),
        ("memory of a proxy", |of| of.proxy_bytes),
    ];
    for (what, bytes) in kinds {
        let bound = basis.base.map(|base| (bytes(base) * TIMES_MEMORY) as f64);
        let bytes = Some(bytes(figures) as f64);
        checks.extend(at_most(what, bytes, bound, Unit::Bytes));
    }
    checks
}

impl Row {
    /// How long its judged flows last, one after the other.
    fn judged_seconds(&self) -> f64 {
        let judged = self.flows.iter().filter(|flow| flow.judged);
        judged.map(|flow| flow.lasts.as_secs_f64()).sum()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::overload::plan::{Pace, rows};
    use crate::overload::regime::Regime;

    fn row(name: &str) -> Row {
        let pace = Pace {
            onset: Duration::from_secs(3),
            judged: Duration::from_secs(10),
        };
        let mut rows = rows(&Regime::terminals(), pace).into_iter();
        rows.find(|row| row.name == name)
            .expect("a row of the plan")
    }

    /// Twice the capacity came, half of it was served.
    fn good() -> Figures {
        Figures {
            offered: 200.0,
            goodput: 99.0,
            p99: Some(0.25),
            refused: 1_010,
            refusal_p99: Some(0.002),
            queue_age: 0.2,
            health: 0.01,
            ingress_bytes: 20 << 20,
            proxy_bytes: 10 << 20,
            worked: 990.0,
            ..Figures::default()
        }
    }

    fn failed(row: &Row, figures: &Figures) -> Vec<&'static str> {
        let base = Figures {
            p99: Some(0.1),
            ..good()
        };
        let basis = Basis {
            capacity: 100.0,
            base: Some(&base),
            full: Some(&base),
            deadline: 2.0,
        };
        let checks = checks(row, figures, basis).into_iter();
        let failed = checks.filter(|check| !check.passed);
        failed.map(|check| check.what).collect()
    }

    #[test]
    fn each_bound_fails_by_its_own_name() {
        let twice = row("2 C");
        assert_eq!(failed(&twice, &good()), Vec::<&str>::new());
        let worse = |change: fn(&mut Figures)| {
            let mut figures = good();
            change(&mut figures);
            failed(&twice, &figures)
        };
        assert_eq!(worse(|of| of.goodput = 94.0), ["goodput ÷ capacity"]);
        assert_eq!(worse(|of| of.p99 = Some(0.31)), ["p99 of accepted"]);
        assert_eq!(
            worse(|of| of.refusal_p99 = Some(0.021)),
            ["p99 of refusals"]
        );
        assert_eq!(worse(|of| of.queue_age = 1.01), ["queue age"]);
        assert_eq!(worse(|of| of.timed_out = 3), ["timed out ÷ offered"]);
        assert_eq!(worse(|of| of.wasted = 10.0), ["wasted work"]);
        assert_eq!(worse(|of| of.health = 1.1), ["health"]);
        assert_eq!(
            worse(|of| of.ingress_bytes = 41 << 20),
            ["memory of an ingress"]
        );
        assert_eq!(worse(|of| of.proxy_bytes = 21 << 20), ["memory of a proxy"]);
        assert_eq!(
            worse(|of| of.other = [("reset".to_owned(), 1)].into()),
            ["other failures"]
        );
    }

    #[test]
    fn a_refusal_may_cost_a_tenth_of_what_a_served_request_costs() {
        // 1,000 served in the row at the capacity, for 200 ms of processor time in all, of which the ingress had 80.
        let full = Figures {
            worked: 1_000.0,
            cpu: 0.2,
            ingress_cpu: 0.08,
            refusals: 10.0,
            ..good()
        };
        let spent = |ingress_cpu| Figures {
            refusals: 4_010.0,
            ingress_cpu,
            ..good()
        };
        let basis = Basis {
            capacity: 100.0,
            base: Some(&full),
            full: Some(&full),
            deadline: 2.0,
        };
        let holds = |figures| {
            let checks = checks(&row("10 C"), &figures, basis);
            let check = checks.iter().find(|check| check.what.starts_with("CPU"));
            check.expect("the row has that bound").passed
        };
        assert!(holds(spent(0.1599)));
        assert!(!holds(spent(0.1601)));
    }

    #[test]
    fn refused_callers_may_come_again_so_often() {
        let insistent = row("2 C, callers try 3 times at once");
        let retried = |retries| Figures { retries, ..good() };
        assert_eq!(failed(&insistent, &retried(2_400)), Vec::<&str>::new());
        assert_eq!(failed(&insistent, &retried(2_401)), ["retries ÷ offered"]);
    }

    #[test]
    fn the_base_is_compared_with_nothing() {
        let basis = Basis {
            capacity: 100.0,
            base: None,
            full: None,
            deadline: 2.0,
        };
        let checks = checks(&row("0.5 C"), &good(), basis);
        assert!(checks.iter().all(|check| !check.what.starts_with("memory")));
    }
}
