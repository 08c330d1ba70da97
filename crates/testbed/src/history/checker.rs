//! Judges a history: what must hold for every request, whatever faults there were.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::report::{Invariant, TOLD, Violation, Violations};
use super::summary::Summary;
use super::{Event, History, Outcome, What};

/// How much later than its deadline an answer may be seen, for a machine that is busy with the test itself.
const GRACE: Duration = Duration::from_secs(5);

/// What a run may show. As made, everything must be answered 200; each method allows more.
#[derive(Clone, Debug)]
#[must_use]
pub struct Expectations {
    grace: Duration,
    statuses: BTreeSet<u16>,
    min_success: f64,
    failures: usize,
}

/// Checks a finished history: all of it is looked at, and everything wrong with it is told.
///
/// # Errors
///
/// What should not be; see [`Invariant`].
pub fn check(history: &History, expected: &Expectations) -> Result<Summary, Violations> {
    let events = history.events();
    let stories = stories(&events);
    let mut found = Findings {
        events: &events,
        violations: Vec::new(),
    };
    for (request, story) in &stories {
        one_answer(*request, story, expected, &mut found);
        own_answer(*request, story, &mut found);
        statuses(*request, story, expected, &mut found);
    }
    unique_ids(&stories, &mut found);
    let summary = summarise(&stories);
    failures(&stories, &summary, expected, &mut found);
    sums(&events, &summary, &mut found);
    success(&summary, expected, &mut found);
    Violations::none_or(found.violations).map(|()| summary)
}

impl Default for Expectations {
    fn default() -> Self {
        Self {
            grace: GRACE,
            statuses: [200].into(),
            min_success: 1.0,
            failures: 0,
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

    /// Allows this many requests to end without an HTTP answer, as when the service itself is killed.
    pub fn failures(mut self, at_most: usize) -> Self {
        self.failures = at_most;
        self
    }
}

/// All events about one request, by kind.
#[derive(Default)]
struct Story<'a> {
    sent: Vec<(&'a Event, Duration)>,
    ends: Vec<(&'a Event, &'a Outcome)>,
}

/// What is wrong, found so far.
struct Findings<'a> {
    events: &'a [Event],
    violations: Vec<Violation>,
}

fn stories(events: &[Event]) -> BTreeMap<u64, Story<'_>> {
    let mut stories: BTreeMap<u64, Story<'_>> = BTreeMap::new();
    for event in events {
        match &event.what {
            What::Sent {
                request,
                deadline_ms,
                ..
            } => {
                let deadline = Duration::from_millis(*deadline_ms);
                stories
                    .entry(*request)
                    .or_default()
                    .sent
                    .push((event, deadline));
            }
            What::Ended { request, outcome } => stories
                .entry(*request)
                .or_default()
                .ends
                .push((event, outcome)),
            What::Note { .. } => {}
        }
    }
    stories
}

fn one_answer(request: u64, story: &Story<'_>, expected: &Expectations, found: &mut Findings<'_>) {
    let mut add = |what: String| found.add(Invariant::OneAnswer, what, &[request]);
    match story.sent.len() {
        0 => return add("was answered but never sent".into()),
        1 => {}
        times => add(format!("was sent {times} times under one number")),
    }
    match story.ends.len() {
        0 => return add("never came to an end".into()),
        1 => {}
        times => add(format!("came to an end {times} times")),
    }
    let (sent, deadline) = story.sent[0];
    let (end, outcome) = story.ends[0];
    let took = end.at().saturating_sub(sent.at());
    if *outcome != Outcome::Left && took > deadline + expected.grace {
        add(format!(
            "took {took:?} where {deadline:?} and a grace of {:?} were allowed",
            expected.grace
        ));
    }
}

fn own_answer(request: u64, story: &Story<'_>, found: &mut Findings<'_>) {
    for (_, outcome) in &story.ends {
        let Outcome::Answer {
            status,
            request_id,
            mismatch,
        } = outcome
        else {
            continue;
        };
        if let Some(mismatch) = mismatch {
            found.add(
                Invariant::OwnAnswer,
                format!("got another's answer: {mismatch}"),
                &[request],
            );
        } else if *status == 200 && request_id.is_none() {
            found.add(
                Invariant::OwnAnswer,
                "got an answer without a request id".into(),
                &[request],
            );
        }
    }
}

fn statuses(request: u64, story: &Story<'_>, expected: &Expectations, found: &mut Findings<'_>) {
    for (_, outcome) in &story.ends {
        if let Outcome::Answer { status, .. } = outcome
            && !expected.statuses.contains(status)
        {
            found.add(
                Invariant::Statuses,
                format!("was answered {status}"),
                &[request],
            );
        }
    }
}

fn unique_ids(stories: &BTreeMap<u64, Story<'_>>, found: &mut Findings<'_>) {
    let mut seen: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (request, story) in stories {
        for (_, outcome) in &story.ends {
            if let Outcome::Answer {
                request_id: Some(id),
                ..
            } = outcome
            {
                seen.entry(id).or_default().push(*request);
            }
        }
    }
    for (id, requests) in seen.iter().filter(|(_, requests)| requests.len() > 1) {
        found.add(
            Invariant::OwnAnswer,
            format!("got the same request id {id}"),
            requests,
        );
    }
}

fn summarise(stories: &BTreeMap<u64, Story<'_>>) -> Summary {
    let mut summary = Summary::default();
    for story in stories.values() {
        let Some((sent, _)) = story.sent.first() else {
            continue;
        };
        summary.sent += 1;
        match story.ends.first() {
            Some((end, Outcome::Answer { status, .. })) => {
                match status {
                    503 => summary.refused += 1,
                    504 => summary.timed_out += 1,
                    status => *summary.answered.entry(*status).or_default() += 1,
                }
                if *status == 200 {
                    summary.latencies.push(end.at().saturating_sub(sent.at()));
                }
            }
            Some((_, Outcome::Failed { .. })) => summary.failed += 1,
            Some((_, Outcome::Left)) => summary.left += 1,
            None => {}
        }
    }
    summary.latencies.sort_unstable();
    summary
}

/// The events are counted once more here, by kind and not by request, so that the two counts check each other.
fn sums(events: &[Event], summary: &Summary, found: &mut Findings<'_>) {
    let sent = events
        .iter()
        .filter(|event| matches!(event.what, What::Sent { .. }))
        .count();
    let ended = events
        .iter()
        .filter(|event| matches!(event.what, What::Ended { .. }))
        .count();
    if sent != ended || sent != summary.ended() || sent != summary.sent {
        found.add(
            Invariant::Sums,
            format!("{sent} requests were sent, {ended} ended: {summary}"),
            &[],
        );
    }
}

fn failures(
    stories: &BTreeMap<u64, Story<'_>>,
    summary: &Summary,
    expected: &Expectations,
    found: &mut Findings<'_>,
) {
    if summary.failed <= expected.failures {
        return;
    }
    for (request, story) in stories {
        if story
            .ends
            .iter()
            .any(|(_, outcome)| matches!(outcome, Outcome::Failed { .. }))
        {
            let what = format!(
                "failed, as {} did where {} may",
                summary.failed, expected.failures
            );
            found.add(Invariant::OneAnswer, what, &[*request]);
        }
    }
}

fn success(summary: &Summary, expected: &Expectations, found: &mut Findings<'_>) {
    let (is, must) = (summary.success() * 100.0, expected.min_success * 100.0);
    if is < must {
        found.add(
            Invariant::Success,
            format!("{is:.2} % succeeded where {must:.2} % must: {summary}"),
            &[],
        );
    }
}

impl Findings<'_> {
    fn add(&mut self, invariant: Invariant, what: String, requests: &[u64]) {
        let known = self
            .violations
            .iter()
            .filter(|violation| violation.invariant == invariant)
            .count();
        // A run that went wrong as a whole has thousands; only the first are told, so only they need a time line.
        let timeline = if known < TOLD {
            self.timeline(requests)
        } else {
            Vec::new()
        };
        self.violations.push(Violation {
            invariant,
            what,
            requests: requests.to_vec(),
            timeline,
        });
    }

    /// What happened to these requests, and what was noted while they were under way.
    fn timeline(&self, requests: &[u64]) -> Vec<Event> {
        let is_theirs = |event: &&Event| {
            event
                .what
                .request()
                .is_some_and(|request| requests.contains(&request))
        };
        let mut theirs = self.events.iter().filter(is_theirs);
        let Some(first) = theirs.next() else {
            return Vec::new();
        };
        let ended = self
            .events
            .iter()
            .rfind(|event| is_theirs(event) && matches!(event.what, What::Ended { .. }));
        // A request without an end is told to the end of the history.
        let last_us = ended.map_or(u64::MAX, |last| last.at_us);
        let around = self
            .events
            .iter()
            .filter(|event| (first.at_us..=last_us).contains(&event.at_us));
        around
            .filter(|event| is_theirs(event) || matches!(event.what, What::Note { .. }))
            .cloned()
            .collect()
    }
}
