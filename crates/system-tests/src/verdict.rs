//! What the callers saw, held against what a test allows and against what became of every entry in Redis.

use testbed::{
    Books, End, Entry, Invariant, Ledger, Names, Reason, Summary, Violation, Violations, check,
};

use super::{Allowed, REQUESTS, RESPONSES, Service, System};

/// A run in figures.
pub struct Figures {
    /// What the callers saw.
    pub summary: Summary,
    /// What became of the entries, where Redis kept a ledger.
    pub books: Option<Books>,
}

impl System {
    /// Judges the finished run. The violations come with the stories of the requests they are about.
    pub(super) fn verdict(&self, allowed: &Allowed) -> anyhow::Result<Result<Figures, Violations>> {
        let away = self.ingresses.iter().flat_map(Service::outages);
        let mut expected = match allowed.outages {
            true => allowed.history.clone().outages(away),
            false => allowed.history.clone(),
        };
        if !self.ledger {
            return Ok(check(&self.history, &expected).map(|summary| Figures {
                summary,
                books: None,
            }));
        }
        let names = Names {
            requests: REQUESTS.into(),
            responses: RESPONSES.into(),
        };
        let mut ledger = Ledger::read(self.redis.dir(), &names)?;
        if let Some(former) = &self.former {
            ledger = Ledger::read(former.path(), &names)?.failed_over_to(ledger);
        }
        for entry in ledger.entries() {
            if allowed.bystanders
                && is_bystander(entry)
                && let Some((city, _)) = &entry.question
            {
                expected = expected.allow_for(city, [502]);
            }
        }
        let seen = check(&self.history, &expected);
        let kept = ledger.check(&self.history);
        let unexplained = unexplained(ledger.entries(), allowed);
        let mut violations = match (seen, kept) {
            (Ok(summary), Ok(books)) if unexplained.is_empty() => {
                let books = Some(books);
                return Ok(Ok(Figures { summary, books }));
            }
            (seen, kept) => {
                let found = [seen.err(), kept.err()].into_iter().flatten();
                let found = found.flat_map(|violations| violations.0);
                Violations(found.chain(unexplained).collect())
            }
        };
        ledger.tell(&mut violations, &self.history, &self.logs()?);
        Ok(Err(violations))
    }
}

/// Ends of entries that no fault of the test's explains.
fn unexplained(entries: &[Entry], allowed: &Allowed) -> Vec<Violation> {
    let mut found = Vec::new();
    for entry in entries {
        let Entry {
            id,
            question,
            deliveries,
            ..
        } = entry;
        let what = match (&entry.end, question, &allowed.poison) {
            (Some(End::Lost(by)), ..) if !allowed.losses.contains(&&**by) => {
                format!("entry {id} of {question:?} was lost by {by}, which was none of the test's")
            }
            (Some(End::DeadLettered), Some((city, _)), Some(poison))
                if !(poison.contains(&&**city) || allowed.bystanders && is_bystander(entry)) =>
            {
                let given = deliveries.len();
                format!("entry {id} of {question:?}, given out {given} times, is a dead letter")
            }
            _ => continue,
        };
        found.push(Violation {
            invariant: Invariant::Entries,
            what,
            requests: Vec::new(),
            timeline: Vec::new(),
        });
    }
    found
}

/// Whether it became a dead letter and every worker that had it was lost: no lease was given back, and no group lost.
fn is_bystander(entry: &Entry) -> bool {
    let mut again = entry.deliveries.iter().skip(1);
    entry.end == Some(End::DeadLettered)
        && entry.deliveries.len() > 1
        && again.all(|delivery| delivery.again == Some(Reason::Lapsed))
}

#[cfg(test)]
mod tests {
    use testbed::Delivery;

    use super::*;

    fn ended(city: &str, end: End) -> Vec<Entry> {
        vec![Entry {
            id: "1-0".into(),
            request: None,
            question: Some((city.into(), "Centre".into())),
            added_ms: 1,
            expires_ms: 2,
            deliveries: Vec::new(),
            removed_ms: Some(2),
            removed_by_ms: Some(2),
            end: Some(end),
        }]
    }

    #[test]
    fn what_the_test_did_not_take_away_must_not_be_lost() {
        let lost = ended("Oslo", End::Lost("DEL".into()));
        assert_eq!(unexplained(&lost, &Allowed::nothing()).len(), 1);
        let other = Allowed::nothing().losses(&["FLUSHALL"]);
        assert_eq!(unexplained(&lost, &other).len(), 1);
        let own = Allowed::nothing().losses(&["FLUSHALL", "DEL"]);
        assert_eq!(unexplained(&lost, &own), []);
    }

    #[test]
    fn where_there_is_poison_only_poison_becomes_a_dead_letter() {
        let poison = Allowed::nothing().poison(&["abort!"]);
        let dead = |city| ended(city, End::DeadLettered);
        assert_eq!(unexplained(&dead("abort!"), &poison), []);
        assert_eq!(unexplained(&dead("Oslo"), &poison).len(), 1);
        assert_eq!(unexplained(&dead("Oslo"), &Allowed::nothing()), []);
    }

    #[test]
    fn a_bystander_is_one_whose_workers_were_all_lost() {
        let allowed = || Allowed::nothing().poison(&["abort!"]).bystanders();
        let dead = |again: &[Option<Reason>]| {
            let mut entries = ended("Oslo", End::DeadLettered);
            let given = again.iter().map(|&again| Delivery {
                at_ms: 1,
                consumer: "a".into(),
                again,
            });
            entries[0].deliveries = given.collect();
            unexplained(&entries, &allowed()).len()
        };
        let (lapsed, given_back) = (Some(Reason::Lapsed), Some(Reason::HandedBack));
        assert_eq!(dead(&[None, lapsed, lapsed]), 0);
        assert_eq!(dead(&[None, lapsed, given_back]), 1);
        assert_eq!(dead(&[None]), 1, "nobody was lost");
    }
}
