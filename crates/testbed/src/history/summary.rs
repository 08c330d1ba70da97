use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use super::Outcome;
use super::story::Story;

/// The sums of a history. Each request is counted once, by its first end.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Summary {
    /// Requests sent.
    pub sent: usize,
    /// Answers by status, without 503 and 504.
    pub answered: BTreeMap<u16, usize>,
    /// Answers 503.
    pub refused: usize,
    /// Answers 504.
    pub timed_out: usize,
    /// Requests that got no HTTP answer, by their own account.
    pub failed: usize,
    /// Requests whose caller left on purpose.
    pub left: usize,
    /// The times of all 200 answers, sorted.
    pub latencies: Vec<Duration>,
}

impl Summary {
    pub(super) fn of(stories: &BTreeMap<u64, Story<'_>>) -> Self {
        let mut summary = Self::default();
        for story in stories.values() {
            let Some(sent) = story.sent.first() else {
                continue;
            };
            summary.sent += 1;
            let Some(end) = story.ends.first() else {
                continue;
            };
            match end.outcome {
                Outcome::Answer { status: 503, .. } => summary.refused += 1,
                Outcome::Answer { status: 504, .. } => summary.timed_out += 1,
                Outcome::Answer { status, .. } => {
                    *summary.answered.entry(*status).or_default() += 1;
                }
                Outcome::Failed { .. } => summary.failed += 1,
                Outcome::Left => summary.left += 1,
            }
            if end.outcome.status() == Some(200) {
                summary.latencies.push(end.at.saturating_sub(sent.at));
            }
        }
        summary.latencies.sort_unstable();
        summary
    }

    /// The part of the requests that was answered 200, of those whose caller stayed; 1 if there were none.
    pub fn success(&self) -> f64 {
        match self.sent - self.left {
            0 => 1.0,
            stayed => self.latencies.len() as f64 / stayed as f64,
        }
    }

    /// The latency below which this part of the 200 answers stayed, e.g. 0.99; zero if there were none.
    pub fn latency(&self, quantile: f64) -> Duration {
        let rank = (self.latencies.len() as f64 * quantile).ceil() as usize;
        self.latencies
            .get(rank.saturating_sub(1))
            .copied()
            .unwrap_or_default()
    }

    /// Adds another run to this one.
    pub fn add(&mut self, other: Self) {
        self.sent += other.sent;
        for (status, count) in other.answered {
            *self.answered.entry(status).or_default() += count;
        }
        self.refused += other.refused;
        self.timed_out += other.timed_out;
        self.failed += other.failed;
        self.left += other.left;
        self.latencies.extend(other.latencies);
        self.latencies.sort_unstable();
    }

    /// How many requests came to an end.
    pub(super) fn ended(&self) -> usize {
        self.answered.values().sum::<usize>()
            + self.refused
            + self.timed_out
            + self.failed
            + self.left
    }
}

impl fmt::Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            sent,
            answered,
            refused,
            timed_out,
            failed,
            left,
            ..
        } = self;
        write!(f, "{sent} sent =")?;
        answered
            .iter()
            .try_for_each(|(status, count)| write!(f, " {count} answered {status} +"))?;
        write!(
            f,
            " {refused} refused + {timed_out} timed out + {failed} failed + {left} left"
        )?;
        let (median, p99, worst) = (self.latency(0.5), self.latency(0.99), self.latency(1.0));
        write!(f, "; p50 {median:.1?}, p99 {p99:.1?}, max {worst:.1?}")
    }
}
