//! The story of a request: what its caller saw, what Redis did with it, and what the services logged of it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde_json::Value;

use super::{Entry, Ledger};
use crate::history::{
    Event, History, Invariant, Outcome, Story, TOLD, Violations, What, stories, timeline,
};

impl Ledger {
    /// Adds to each violation that will be shown the story of its requests. `logs` are the services', by name, with
    /// one JSON object a line.
    pub fn tell(&self, violations: &mut Violations, history: &History, logs: &[(String, String)]) {
        let events = history.events();
        let stories = stories(&events);
        let mut told = BTreeMap::<Invariant, usize>::new();
        for violation in &mut violations.0 {
            let count = told.entry(violation.invariant).or_default();
            *count += 1;
            if *count > TOLD {
                continue;
            }
            let mut story = timeline(&events, &violation.requests);
            let mut note = |unix_ms: u64, text: String| {
                let at_us = history
                    .at(unix_ms)
                    .as_micros()
                    .try_into()
                    .unwrap_or(u64::MAX);
                let what = What::Note { text };
                story.push(Event { at_us, what });
            };
            for request in &violation.requests {
                self.note_stream(&stories, *request, logs, &mut note);
            }
            story.sort_by_key(|event| event.at_us);
            violation.timeline = story;
        }
    }

    fn note_stream(
        &self,
        stories: &BTreeMap<u64, Story<'_>>,
        request: u64,
        logs: &[(String, String)],
        note: &mut impl FnMut(u64, String),
    ) {
        let Some(story) = stories.get(&request) else {
            return;
        };
        let place = story.sent.first();
        let place = place.map(|sent| (sent.city.to_owned(), sent.location.to_owned()));
        let answered = story.ends.iter().find_map(|end| match end.outcome {
            Outcome::Answer { request_id, .. } => request_id.as_deref(),
            _ => None,
        });
        let mut ids: Vec<&str> = answered.into_iter().collect();
        for entry in &self.entries {
            let asks = entry.question.is_some() && entry.question == place;
            let is_answered = entry.request.is_some() && entry.request.as_deref() == answered;
            if asks || is_answered {
                note_entry(entry, note);
                ids.push(&entry.id);
                ids.extend(entry.request.as_deref());
            }
        }
        ids.sort_unstable();
        ids.dedup();
        for id in &ids {
            for reply in self.replies(id) {
                note(
                    reply.at_ms,
                    format!("{}: reply {} to {id}", reply.stream, reply.status),
                );
            }
        }
        for (service, log) in logs {
            let lines = log
                .lines()
                .filter(|line| ids.iter().any(|id| line.contains(id)));
            for line in lines {
                let at = serde_json::from_str::<Value>(line).ok();
                let at = at.and_then(|line| line["timestamp"].as_str()?.parse::<Timestamp>().ok());
                let at = at.map_or(0, |at| at.as_millisecond());
                note(
                    at.try_into().unwrap_or(0),
                    format!("{service} logged {line}"),
                );
            }
        }
    }
}

fn note_entry(entry: &Entry, note: &mut impl FnMut(u64, String)) {
    let Entry {
        id,
        request,
        expires_ms,
        added_ms,
        ..
    } = entry;
    let (request, ttl) = (
        request.as_deref().unwrap_or("nobody"),
        expires_ms - added_ms,
    );
    note(
        *added_ms,
        format!("entry {id} of {request} is added, {ttl} ms before its deadline"),
    );
    for delivery in &entry.deliveries {
        let again = delivery
            .again
            .map(|why| format!(" again, {why}"))
            .unwrap_or_default();
        note(
            delivery.at_ms,
            format!("entry {id} is given to {}{again}", delivery.consumer),
        );
    }
    if let (Some(at), Some(end)) = (entry.removed_ms, &entry.end) {
        note(at, format!("entry {id} is removed: {end}"));
    }
}
