use std::collections::BTreeMap;
use std::time::Duration;

use super::{Event, Outcome, What};

/// All events about one request, by kind. In a good history there is one of each.
#[derive(Default)]
pub(crate) struct Story<'a> {
    pub(crate) sent: Vec<Sending<'a>>,
    pub(crate) ends: Vec<Ending<'a>>,
}

pub(crate) struct Sending<'a> {
    pub(super) at: Duration,
    pub(crate) target: &'a str,
    pub(crate) city: &'a str,
    pub(crate) location: &'a str,
    pub(super) deadline: Duration,
}

pub(crate) struct Ending<'a> {
    pub(crate) at: Duration,
    pub(crate) outcome: &'a Outcome,
}

/// The story of each request, by its number.
pub(crate) fn stories(events: &[Event]) -> BTreeMap<u64, Story<'_>> {
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
                location,
                deadline_ms,
                ..
            } => {
                let deadline = Duration::from_millis(*deadline_ms);
                story.sent.push(Sending {
                    at,
                    target,
                    city,
                    location,
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
