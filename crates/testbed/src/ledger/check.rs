//! Holds the ledger against what the callers saw.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Books, End, Entry, Ledger};
use crate::history::{History, Invariant, Outcome, Violation, Violations, What};

/// An entry that is taken off the stream this long before its caller's answer is taken off with that.
const GRACE: Duration = Duration::from_millis(250);

type Place = (String, String);

/// A caller who asked for a place that nobody else asked for.
struct Caller<'a> {
    request: u64,
    /// How and when it ended.
    end: Option<(&'a Outcome, Duration)>,
}

impl Ledger {
    /// Checks that the run is whole: every entry has an end that its caller's answer goes together with, and every
    /// 200 has its reply.
    ///
    /// # Errors
    ///
    /// What does not agree; [`tell`](Self::tell) adds the story of each request that it is about.
    pub fn check(&self, history: &History) -> Result<Books, Violations> {
        let events = history.events();
        let mut callers = BTreeMap::<Place, Vec<Caller<'_>>>::new();
        let mut places = BTreeMap::<u64, Place>::new();
        for event in &events {
            match &event.what {
                What::Sent {
                    request,
                    city,
                    location,
                    ..
                } => {
                    let place = (city.clone(), location.clone());
                    places.insert(*request, place.clone());
                    let (request, end) = (*request, None);
                    callers
                        .entry(place)
                        .or_default()
                        .push(Caller { request, end });
                }
                What::Ended { request, outcome } => {
                    let asking = places.get(request).and_then(|place| callers.get_mut(place));
                    let caller = asking
                        .into_iter()
                        .flatten()
                        .find(|caller| caller.request == *request);
                    if let Some(caller) = caller {
                        caller.end = Some((outcome, event.at()));
                    }
                }
                What::Note { .. } => {}
            }
        }
        let mut found = Vec::new();
        for entry in &self.entries {
            let alone = entry
                .question
                .as_ref()
                .and_then(|place| match &callers.get(place)?[..] {
                    [caller] => Some(caller),
                    _ => None,
                });
            if let Some(what) = self.wrong_with(entry, alone, history) {
                let requests: Vec<_> = alone.iter().map(|caller| caller.request).collect();
                found.push((what, requests));
            }
        }
        for (place, callers) in &callers {
            for caller in callers {
                if let Some(what) = self.wrong_answer(place, caller) {
                    found.push((what, vec![caller.request]));
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
        caller: Option<&Caller<'_>>,
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
                let (outcome, answered) = caller?.end?;
                // Who got no answer, or a refusal, has gone; everybody else waits until the answer.
                let status = outcome.status().filter(|status| *status != 503)?;
                let removed_by_ms = (*removed_by_ms)?;
                if history.at(removed_by_ms) + GRACE >= answered {
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

    fn wrong_answer(&self, place: &Place, caller: &Caller<'_>) -> Option<String> {
        let Some((
            Outcome::Answer {
                status: 200,
                request_id: Some(id),
                ..
            },
            _,
        )) = caller.end
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
            answer.is_some_and(|answer| answer != place)
        })?;
        Some(format!(
            "was answered 200 as {id}, which is about {:?}",
            wrong.answer
        ))
    }
}
