//! What the callers saw, held against what a test allows and against what became of every entry in Redis.

use testbed::{Books, Ledger, Names, Summary, Violations, check};

use super::{Allowed, REQUESTS, RESPONSES, System};

/// A run in figures.
pub(super) struct Figures {
    pub(super) summary: Summary,
    /// Where Redis kept a ledger.
    pub(super) books: Option<Books>,
}

impl System {
    /// Judges the finished run. The violations come with the stories of the requests they are about.
    pub(super) fn verdict(&self, allowed: &Allowed) -> anyhow::Result<Result<Figures, Violations>> {
        let seen = check(&self.history, &allowed.history);
        if !self.ledger {
            return Ok(seen.map(|summary| Figures {
                summary,
                books: None,
            }));
        }
        let names = Names {
            requests: REQUESTS.into(),
            responses: RESPONSES.into(),
        };
        let ledger = Ledger::read(self.redis.dir(), &names)?;
        let kept = ledger.check(&self.history);
        let mut violations = match (seen, kept) {
            (Ok(summary), Ok(books)) => {
                let books = Some(books);
                return Ok(Ok(Figures { summary, books }));
            }
            (seen, kept) => {
                let found = [seen.err(), kept.err()].into_iter().flatten();
                Violations(found.flat_map(|violations| violations.0).collect())
            }
        };
        ledger.tell(&mut violations, &self.history, &self.logs()?);
        Ok(Err(violations))
    }
}
