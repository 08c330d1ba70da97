//! What rounds came to.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use testbed::{Books, Summary};

use super::plan::Plan;
use crate::Figures;

/// A round that passed.
#[derive(Clone, Debug)]
pub struct Passed {
    /// What the callers saw.
    pub summary: Summary,
    /// What became of the entries.
    pub books: Books,
    /// How often each kind of fault was done.
    pub faults: BTreeMap<&'static str, usize>,
    /// How long requests went on to fail when the faults were over.
    pub recovered: Duration,
}

/// All rounds.
#[derive(Clone, Debug, Default)]
pub struct Report {
    passed: usize,
    summary: Summary,
    books: Books,
    faults: BTreeMap<&'static str, usize>,
    /// The slowest recovery, and the seed of its round.
    slowest: Option<(Duration, u64)>,
    failed: Vec<u64>,
}

impl Passed {
    pub(super) fn new(plan: &Plan, figures: Figures, recovered: Duration) -> Self {
        let mut faults = BTreeMap::new();
        for planned in &plan.faults {
            *faults.entry(planned.fault.kind()).or_default() += 1;
        }
        Self {
            summary: figures.summary,
            books: figures.books.unwrap_or_default(),
            faults,
            recovered,
        }
    }
}

impl Report {
    /// Adds a round with this seed that passed.
    pub fn passed(&mut self, seed: u64, round: Passed) {
        self.passed += 1;
        self.summary.add(round.summary);
        self.books.add(round.books);
        for (kind, count) in round.faults {
            *self.faults.entry(kind).or_default() += count;
        }
        if self
            .slowest
            .is_none_or(|(slowest, _)| round.recovered > slowest)
        {
            self.slowest = Some((round.recovered, seed));
        }
    }

    /// Adds a round with this seed that failed.
    pub fn failed(&mut self, seed: u64) {
        self.failed.push(seed);
    }

    /// The seeds of the rounds that failed.
    pub fn failures(&self) -> &[u64] {
        &self.failed
    }
}

/// One line.
impl fmt::Display for Passed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            summary,
            books,
            faults,
            recovered,
        } = self;
        let count: usize = faults.values().sum();
        write!(
            f,
            "passed: {count} faults; {summary}; {books}; all answered from {:.1} s on",
            recovered.as_secs_f64()
        )
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "rounds:    {} passed, {} failed",
            self.passed,
            self.failed.len()
        )?;
        writeln!(f, "requests:  {}", self.summary)?;
        writeln!(f, "entries:   {}", self.books)?;
        let faults: Vec<_> = self
            .faults
            .iter()
            .map(|(kind, count)| format!("{count} {kind}"))
            .collect();
        let count: usize = self.faults.values().sum();
        write!(f, "faults:    {count} = {}", faults.join(" + "))?;
        if let Some((slowest, seed)) = self.slowest {
            write!(
                f,
                "\nrecovery:  {:.2} s at the slowest, with seed {seed}",
                slowest.as_secs_f64()
            )?;
        }
        Ok(())
    }
}
