//! What came of a scenario.

use anyhow::Context;
use serde::Serialize;

use crate::figures::Figures;
use crate::spread::{Spread, median};

/// What came of a scenario: each case, and how some of them compare.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Outcome {
    /// What it is called on the command line.
    pub name: &'static str,
    /// What was done.
    pub about: String,
    /// Which of [`Figures::more`] are shown, and in what.
    pub columns: Vec<Column>,
    /// In the order in which they were measured first.
    pub cases: Vec<Case>,
    /// Ratios, round by round.
    pub comparisons: Vec<Comparison>,
}

/// One thing that was measured in each round.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Case {
    /// What it is called.
    pub name: String,
    /// What its callers can rely on, or cannot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub promises: Option<&'static str>,
    /// The median of each figure.
    pub median: Figures,
    /// That of the processor time of all steps together, which is not the sum of theirs.
    pub cpu: f64,
    /// All rounds.
    pub rounds: Vec<Figures>,
}

/// One case divided by another, round by round.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Comparison {
    /// What is divided.
    pub case: String,
    /// By what.
    pub against: String,
    /// Processor time per request.
    pub cpu: Spread,
    /// The same of the fronts alone.
    pub front: Spread,
    /// The same of the broker alone, where both have one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub broker: Option<Spread>,
    /// The same of the workers alone, where both have some.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub worker: Option<Spread>,
    /// Requests per second.
    pub rate: Spread,
    /// Median latency.
    pub p50: Spread,
    /// 99th percentile of the latency.
    pub p99: Spread,
}

/// One more figure of a scenario.
#[derive(Clone, Copy, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Column {
    /// Its name in [`Figures::more`].
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
}

impl Case {
    pub(crate) fn new(name: String, promises: Option<&'static str>, rounds: Vec<Figures>) -> Self {
        Self {
            median: Figures::median(&rounds),
            cpu: median(rounds.iter().map(|round| round.cpu.total())),
            name,
            promises,
            rounds,
        }
    }
}

impl Comparison {
    /// Of rounds that belong together by their order.
    pub fn of(case: &Case, against: &Case) -> Self {
        let ratio = |figure: fn(&Figures) -> f64| {
            let rounds = case.rounds.iter().zip(&against.rounds);
            Spread::of(rounds.map(move |(case, against)| figure(case) / figure(against)))
        };
        let step = |figure: fn(&Figures) -> f64| {
            let both = figure(&case.median) > 0.0 && figure(&against.median) > 0.0;
            both.then(|| ratio(figure))
        };
        Self {
            case: case.name.clone(),
            against: against.name.clone(),
            cpu: ratio(|of| of.cpu.total()),
            front: ratio(|of| of.cpu.front),
            broker: step(|of| of.cpu.broker),
            worker: step(|of| of.cpu.worker),
            rate: ratio(|of| of.rate),
            p50: ratio(|of| of.p50),
            p99: ratio(|of| of.p99),
        }
    }
}

impl Outcome {
    /// The last case divided by each of the others.
    pub(crate) fn last_against_each(name: &'static str, about: String, cases: Vec<Case>) -> Self {
        let comparisons = match cases.split_last() {
            Some((last, others)) => {
                let others = others.iter().rev();
                others.map(|other| Comparison::of(last, other)).collect()
            }
            None => Vec::new(),
        };
        Self::new(name, about, cases, comparisons)
    }

    /// Each case divided by the first.
    pub(crate) fn each_against_first(name: &'static str, about: String, cases: Vec<Case>) -> Self {
        let comparisons = match cases.split_first() {
            Some((first, others)) => {
                let others = others.iter();
                others.map(|other| Comparison::of(other, first)).collect()
            }
            None => Vec::new(),
        };
        Self::new(name, about, cases, comparisons)
    }

    /// The first case of each pair divided by the second, by their names.
    pub(crate) fn of_pairs(
        name: &'static str,
        about: &str,
        cases: Vec<Case>,
        pairs: &[(&str, &str)],
    ) -> anyhow::Result<Self> {
        let mut outcome = Self::new(name, about.to_owned(), cases, Vec::new());
        for (case, against) in pairs {
            let both = outcome.case(case).zip(outcome.case(against));
            let (case, against) = both.with_context(|| format!("{case} or {against}: no case"))?;
            let comparison = Comparison::of(case, against);
            outcome.comparisons.push(comparison);
        }
        Ok(outcome)
    }

    pub(crate) fn new(
        name: &'static str,
        about: String,
        cases: Vec<Case>,
        comparisons: Vec<Comparison>,
    ) -> Self {
        Self {
            name,
            about,
            columns: Vec::new(),
            cases,
            comparisons,
        }
    }

    /// With figures of its own.
    pub(crate) fn with_columns(mut self, columns: &[Column]) -> Self {
        self.columns = columns.to_vec();
        self
    }

    /// A case by its name.
    pub fn case(&self, name: &str) -> Option<&Case> {
        self.cases.iter().find(|case| case.name == name)
    }

    /// A comparison by the names of its cases.
    pub fn comparison(&self, case: &str, against: &str) -> Option<&Comparison> {
        let mut all = self.comparisons.iter();
        all.find(|of| of.case == case && of.against == against)
    }
}
