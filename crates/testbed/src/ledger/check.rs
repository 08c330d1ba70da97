//! Holds the ledger against what the callers saw.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Books, End, Entry, Ledger};
use crate::history::{History, Invariant, Outcome, Story, Violation, Violations, stories};

/// A removal up to this long before the caller's answer counts as part of it.
const GRACE: Duration = Duration::from_millis(250);

/// A city and a location.
type Place<'a> = (&'a str, &'a str);

/// A caller, and what happened to it.
type Caller<'a> = (u64, &'a Story<'a>);

impl Ledger {
    /// Checks that the run is whole: every entry has an end that its caller's answer goes together with, every 200 has
    /// its reply, and no reply was passed over.
    ///
    /// # Errors
    ///
    /// What does not agree; [`tell`](Self::tell) adds the story of each request that it is about.
    pub fn check(&self, history: &History) -> Result<Books, Violations> {
        let events = history.events();
        let stories = stories(&events);
        let mut callers = BTreeMap::<Place<'_>, Vec<Caller<'_>>>::new();
        for (request, story) in &stories {
            for sent in &story.sent {
                let place = (sent.city, sent.location);
                callers.entry(place).or_default().push((*request, story));
            }
        }
        let read = self.read_by(&stories);
        let mut found = Vec::new();
        for entry in &self.entries {
            let alone = entry.question.as_ref().and_then(|(city, location)| {
                match callers.get(&(city.as_str(), location.as_str()))?[..] {
                    [caller] => Some(caller),
                    _ => None,
                }
            });
            let passed_over = alone.and_then(|(_, story)| self.passed_over(entry, story, &read));
            for what in [self.wrong_with(entry, alone, history), passed_over] {
                let requests: Vec<_> = alone.iter().map(|(request, _)| *request).collect();
                found.extend(what.map(|what| (what, requests)));
            }
        }
        for (place, callers) in &callers {
            for (request, story) in callers {
                if let Some(what) = self.wrong_answer(*place, story) {
                    found.push((what, vec![*request]));
                }
            }
        }
        let violations = found.into_iter().map(|(what, requests)| Violation {
            invariant: Invariant::Entries,
            what,
            requests,
            timeline: Vec::new(),
        });
        Violations::none_or(violations.collect()).map(|()| Books::of(self))
    }

    fn wrong_with(
        &self,
        entry: &Entry,
        caller: Option<Caller<'_>>,
        history: &History,
    ) -> Option<String> {
        let Entry {
            id,
            removed_by_ms,
            expires_ms,
            ..
        } = entry;
        match &entry.end {
            None => Some(format!("entry {id} is still on the stream")),
            Some(End::Withdrawn) => {
                let end = caller?.1.ends.first()?;
                // Who got no answer, or a refusal, has gone; everybody else waits until the answer.
                let status = end.outcome.status().filter(|status| *status != 503)?;
                let removed_by_ms = (*removed_by_ms)?;
                if history.at(removed_by_ms) + GRACE >= end.at {
                    return None;
                }
                let early = expires_ms.saturating_sub(removed_by_ms);
                Some(format!(
                    "was answered {status}, and entry {id} was taken off the stream unanswered {early} ms before \
                     the deadline"
                ))
            }
            Some(_) => None,
        }
    }

    fn wrong_answer(&self, place: Place<'_>, story: &Story<'_>) -> Option<String> {
        let Some(Outcome::Answer {
            status: 200,
            request_id: Some(id),
            ..
        }) = story.ends.first().map(|end| end.outcome)
        else {
            return None;
        };
        let replies = self.replies(id);
        if !replies.iter().any(|reply| reply.status == "ok") {
            return Some(format!(
                "was answered 200 as {id}, and nobody replied to that"
            ));
        }
        let wrong = replies.iter().find(|reply| {
            let answer = reply.answer.as_ref();
            answer.is_some_and(|(city, location)| (city.as_str(), location.as_str()) != place)
        })?;
        Some(format!(
            "was answered 200 as {id}, which is about {:?}",
            wrong.answer
        ))
    }
}
