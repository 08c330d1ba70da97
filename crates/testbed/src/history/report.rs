use std::collections::BTreeMap;
use std::fmt;

use super::Event;

/// How many violations of one invariant a report tells, with their time lines.
pub(crate) const TOLD: usize = 3;

/// What must hold. Displayed with its number in the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// Every request has exactly one HTTP answer, by its deadline.
    OneAnswer,
    /// Every answer belongs to its request, and no request id is seen twice.
    OwnAnswer,
    /// Each entry of the request stream ends in one way, and none unanswered while its caller waits.
    Entries,
    /// When all is over nothing waits, nothing is pending and nothing is left in the streams.
    NothingLeft,
    /// Enough requests succeed.
    Success,
    /// Only expected statuses are seen.
    Statuses,
    /// What was sent is the sum of what became of it.
    Sums,
}

/// One thing that should not be.
#[derive(Clone, Debug, PartialEq)]
pub struct Violation {
    /// What does not hold.
    pub invariant: Invariant,
    /// How, in words.
    pub what: String,
    /// The requests it is about.
    pub requests: Vec<u64>,
    /// What happened to them and around them.
    pub timeline: Vec<Event>,
}

/// All that should not be. Displayed as a report.
#[derive(Clone, PartialEq)]
pub struct Violations(pub Vec<Violation>);

impl Violations {
    /// Nothing, if there is none.
    pub(crate) fn none_or(violations: Vec<Violation>) -> Result<(), Self> {
        if violations.is_empty() {
            Ok(())
        } else {
            Err(Self(violations))
        }
    }
}

impl std::error::Error for Violations {}

/// A test shows an error by its debug format, so that is the report, too.
impl fmt::Debug for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for Violations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut by_invariant: BTreeMap<Invariant, Vec<&Violation>> = BTreeMap::new();
        for violation in &self.0 {
            by_invariant
                .entry(violation.invariant)
                .or_default()
                .push(violation);
        }
        for (invariant, violations) in by_invariant {
            writeln!(f, "{invariant} does not hold, {} times:", violations.len())?;
            violations
                .iter()
                .take(TOLD)
                .try_for_each(|violation| writeln!(f, "{violation}"))?;
        }
        Ok(())
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "- ")?;
        if !self.requests.is_empty() {
            let numbers: Vec<_> = self
                .requests
                .iter()
                .map(|request| format!("#{request}"))
                .collect();
            write!(f, "{} ", numbers.join(", "))?;
        }
        f.write_str(&self.what)?;
        self.timeline
            .iter()
            .try_for_each(|event| write!(f, "\n{event}"))
    }
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OneAnswer => "I1 (one answer by the deadline)",
            Self::OwnAnswer => "I2 (each its own answer)",
            Self::Entries => "I3 (each entry has its end)",
            Self::NothingLeft => "I4 (nothing left)",
            Self::Success => "I6 (enough succeed)",
            Self::Statuses => "I7 (expected statuses)",
            Self::Sums => "the sums",
        })
    }
}
