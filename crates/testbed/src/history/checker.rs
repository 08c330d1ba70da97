//! Judges a history: what must hold for every request, whatever faults there were.

use std::collections::BTreeMap;

use super::expectations::Expectations;
use super::report::{Invariant, TOLD, Violation, Violations};
use super::story::{Story, stories, timeline};
use super::summary::Summary;
use super::{Event, History, Outcome, What};

/// Checks a finished history: all of it is looked at, and everything wrong with it is told.
///
/// # Errors
///
/// What should not be; see [`Invariant`].
pub fn check(history: &History, expected: &Expectations) -> Result<Summary, Violations> {
    let events = history.events();
    let stories = stories(&events);
    let summary = Summary::of(&stories);
    let mut found = Findings::new(&events);
    for (request, story) in &stories {
        one_answer(*request, story, expected, &mut found);
        own_answer(*request, story, &mut found);
        statuses(*request, story, expected, &mut found);
    }
    unique_ids(&stories, &mut found);
    failures(&stories, expected, &mut found);
    sums(&events, &summary, &mut found);
    success(&summary, expected, &mut found);
    Violations::none_or(found.violations).map(|()| summary)
}

fn one_answer(request: u64, story: &Story<'_>, expected: &Expectations, found: &mut Findings<'_>) {
    let mut add = |what: String| found.add(Invariant::OneAnswer, what, &[request]);
    let Some(sent) = story.sent.first() else {
        return add("was answered but never sent".into());
    };
    let Some(end) = story.ends.first() else {
        return add("never came to an end".into());
    };
    if story.sent.len() > 1 {
        add(format!("was sent {} times", story.sent.len()));
    }
    if story.ends.len() > 1 {
        add(format!("came to an end {} times", story.ends.len()));
    }
    let took = end.at.saturating_sub(sent.at);
    if *end.outcome != Outcome::Left && took > sent.deadline + expected.grace {
        let (deadline, grace) = (sent.deadline, expected.grace);
        add(format!(
            "took {took:?} where {deadline:?} and a grace of {grace:?} were allowed"
        ));
    }
}

fn own_answer(request: u64, story: &Story<'_>, found: &mut Findings<'_>) {
    for end in &story.ends {
        let wrong = match end.outcome {
            Outcome::Answer {
                mismatch: Some(mismatch),
                ..
            } => format!("got another's answer: {mismatch}"),
            Outcome::Answer {
                status: 200,
                request_id: None,
                ..
            } => "got an answer without a request id".into(),
            _ => continue,
        };
        found.add(Invariant::OwnAnswer, wrong, &[request]);
    }
}

fn statuses(request: u64, story: &Story<'_>, expected: &Expectations, found: &mut Findings<'_>) {
    let seen = story.ends.iter().filter_map(|end| end.outcome.status());
    for status in seen.filter(|status| !expected.allows(story, *status)) {
        found.add(
            Invariant::Statuses,
            format!("was answered {status}"),
            &[request],
        );
    }
}

fn unique_ids(stories: &BTreeMap<u64, Story<'_>>, found: &mut Findings<'_>) {
    let mut seen: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for (request, story) in stories {
        // A request that came to an end twice is told of already.
        if let Some(Outcome::Answer {
            request_id: Some(id),
            ..
        }) = story.ends.first().map(|end| end.outcome)
        {
            seen.entry(id).or_default().push(*request);
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

fn failures(stories: &BTreeMap<u64, Story<'_>>, expected: &Expectations, found: &mut Findings<'_>) {
    let failed = stories
        .iter()
        .filter(|(_, story)| expected.failed_without_reason(story));
    let failed: Vec<_> = failed.map(|(request, _)| *request).collect();
    let (count, may) = (failed.len(), expected.failures);
    if count <= may {
        return;
    }
    for request in failed {
        let what = format!("failed, one of {count} where {may} may");
        found.add(Invariant::OneAnswer, what, &[request]);
    }
}

/// The events are counted once more here, by kind and not by request, so that the two counts check each other.
fn sums(events: &[Event], summary: &Summary, found: &mut Findings<'_>) {
    let count =
        |is_kind: fn(&What) -> bool| events.iter().filter(|event| is_kind(&event.what)).count();
    let sent = count(|what| matches!(what, What::Sent { .. }));
    let ended = count(|what| matches!(what, What::Ended { .. }));
    if sent != ended || sent != summary.ended() || sent != summary.sent {
        let what = format!("{sent} requests were sent, {ended} ended: {summary}");
        found.add(Invariant::Sums, what, &[]);
    }
}

fn success(summary: &Summary, expected: &Expectations, found: &mut Findings<'_>) {
    let (is, must) = (summary.success() * 100.0, expected.min_success * 100.0);
    if is < must {
        let what = format!("{is:.2} % succeeded where {must:.2} % must: {summary}");
        found.add(Invariant::Success, what, &[]);
    }
}

/// What is wrong, found so far.
struct Findings<'a> {
    events: &'a [Event],
    violations: Vec<Violation>,
    counts: BTreeMap<Invariant, usize>,
}

impl<'a> Findings<'a> {
    fn new(events: &'a [Event]) -> Self {
        Self {
            events,
            violations: Vec::new(),
            counts: BTreeMap::new(),
        }
    }

    fn add(&mut self, invariant: Invariant, what: String, requests: &[u64]) {
        let count = self.counts.entry(invariant).or_default();
        *count += 1;
        // A run that went wrong as a whole has thousands; only the first are told, so only they need a time line.
        let timeline = if *count <= TOLD {
            timeline(self.events, requests)
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
}
