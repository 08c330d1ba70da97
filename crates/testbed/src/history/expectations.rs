use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::Outcome;
use super::story::Story;

/// How much later than its deadline an answer may be seen, for a machine that is busy with the test itself.
const GRACE: Duration = Duration::from_secs(5);

/// How long a request may be on its way: one sent this long before its service left in order may not have reached it.
const ON_THE_WAY: Duration = Duration::from_secs(1);

/// A time in which a service was away, as the test had it. Times are since the history began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outage {
    /// The service, e.g. `http://127.0.0.1:5009`.
    pub target: String,
    /// When it went.
    pub from: Duration,
    /// When it was there again.
    pub until: Duration,
    /// Whether it left in order. Then it owes an answer to those who had asked before.
    pub in_order: bool,
}

/// What a run may show. As made, everything must be answered 200; each method allows more.
#[derive(Clone, Debug)]
#[must_use]
pub struct Expectations {
    pub(super) grace: Duration,
    pub(super) statuses: BTreeSet<u16>,
    pub(super) min_success: f64,
    pub(super) failures: usize,
    statuses_for: BTreeMap<String, BTreeSet<u16>>,
    outages: Vec<Outage>,
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            grace: GRACE,
            statuses: [200].into(),
            min_success: 1.0,
            failures: 0,
            statuses_for: BTreeMap::new(),
            outages: Vec::new(),
        }
    }
}

impl Expectations {
    /// Sets how much later than its deadline an answer may be seen; 5 s unless set.
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Allows these statuses beside 200. Only 200 is a success.
    pub fn allow(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.statuses.extend(statuses);
        self
    }

    /// Sets which part of the requests must be answered 200, of those whose caller stayed; 1 unless set.
    pub fn min_success(mut self, ratio: f64) -> Self {
        self.min_success = ratio;
        self
    }

    /// Allows this many requests to end without an HTTP answer, as when the service itself is killed. They must
    /// end by their deadline all the same.
    pub fn failures(mut self, at_most: usize) -> Self {
        self.failures = at_most;
        self
    }

    /// Allows these statuses to those who ask for this city.
    pub fn allow_for(mut self, city: &str, statuses: impl IntoIterator<Item = u16>) -> Self {
        let known = self.statuses_for.entry(city.to_owned()).or_default();
        known.extend(statuses);
        self
    }

    /// Allows requests to fail that went down with their service or found it away.
    pub fn outages(mut self, outages: impl IntoIterator<Item = Outage>) -> Self {
        self.outages.extend(outages);
        self
    }

    pub(super) fn allows(&self, story: &Story<'_>, status: u16) -> bool {
        let for_city = |city: &str| {
            let statuses = self.statuses_for.get(city);
            statuses.is_some_and(|statuses| statuses.contains(&status))
        };
        self.statuses.contains(&status) || story.sent.iter().any(|sent| for_city(sent.city))
    }

    /// Whether the request failed, and no outage is the reason.
    pub(super) fn failed_without_reason(&self, story: &Story<'_>) -> bool {
        let failed = |outcome: &Outcome| matches!(outcome, Outcome::Failed { .. });
        let (Some(sent), Some(end)) = (
            story.sent.first(),
            story.ends.iter().find(|end| failed(end.outcome)),
        ) else {
            return false;
        };
        !self.outages.iter().any(|outage| {
            outage.target == sent.target
                && sent.at <= outage.until
                && end.at >= outage.from
                && (!outage.in_order || sent.at + ON_THE_WAY >= outage.from)
        })
    }
}
