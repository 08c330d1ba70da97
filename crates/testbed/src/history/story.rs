use std::collections::BTreeMap;
use std::time::Duration;

use super::{Event, Outcome, What};

/// All events about one request, by kind. In a good history there is one of each.
#[derive(Default)]
pub(super) struct Story<'a> {
    pub(super) sent: Vec<Sending<'a>>,
    pub(super) ends: Vec<Ending<'a>>,
}

pub(super) struct Sending<'a> {
    pub(super) at: Duration,
    pub(super) target: &'a str,
    pub(super) city: &'a str,
    pub(super) deadline: Duration,
}

pub(super) struct Ending<'a> {
    pub(super) at: Duration,
    pub(super) outcome: &'a Outcome,
}

/// The story of each request, by its number.
pub(super) fn stories(events: &[Event]) -> BTreeMap<u64, Story<'_>> {
    let mut stories: BTreeMap<u64, Story<'_>> = BTreeMap::new();
    for event in events {
        let Some(request) = event.what.request() else {
            continue;
        };
        let story = stories.entry(request).or_default();
        let at = event.at();
        match &event.what {
            What::Sent {
                target,
                city,
                deadline_ms,
                ..
            } => {
                let deadline = Duration::from_millis(*deadline_ms);
                story.sent.push(Sending {
                    at,
                    target,
                    city,
                    deadline,
                });
            }
            What::Ended { outcome, .. } => story.ends.push(Ending { at, outcome }),
            What::Note { .. } => {}
        }
    }
    stories
}

/// What happened to these requests, and what was noted while they were under way; all that was noted to the end
/// of the history where one has not come to an end.
pub(crate) fn timeline(events: &[Event], requests: &[u64]) -> Vec<Event> {
    let is_theirs = |event: &Event| {
        let request = event.what.request();
        request.is_some_and(|request| requests.contains(&request))
    };
    let is_end = |event: &Event| is_theirs(event) && matches!(event.what, What::Ended { .. });
    let Some(first) = events.iter().position(is_theirs) else {
        return Vec::new();
    };
    let last = events.iter().rposition(is_end).unwrap_or(events.len() - 1);
    let around = events.get(first..=last).unwrap_or_default();
    let told = |event: &&Event| is_theirs(event) || matches!(event.what, What::Note { .. });
    around.iter().filter(told).cloned().collect()
}
