//! One ledger out of two: what a primary wrote down, and what the server did that took over from it.

use super::{End, Entry, Ledger};

impl Ledger {
    /// Goes on from this ledger of an old primary with that of the new one, which has what had been replicated.
    ///
    /// Where both know an entry the new primary has the last word. What only the old one knew is gone: entries that
    /// were still on its stream are lost by the failover, unless the worker that had them in hand replied by the new
    /// one; those that were done with stay as they were. From which of the two an ingress read a reply nobody knows.
    #[must_use]
    pub fn failed_over_to(mut self, new: Self) -> Self {
        let known = |entry: &Entry| {
            let same = |other: &Entry| (&other.id, &other.request) == (&entry.id, &entry.request);
            new.entries.iter().any(same)
        };
        self.entries.retain(|entry| !known(entry));
        for entry in &mut self.entries {
            let replied = entry
                .request
                .as_ref()
                .is_some_and(|id| self.replies.contains_key(id) || new.replies.contains_key(id));
            entry.end.get_or_insert_with(|| match replied {
                true => End::Replied,
                false => End::Lost("the failover".into()),
            });
        }
        self.entries.extend(new.entries);
        for (request, replies) in new.replies {
            let all = self.replies.entry(request).or_default();
            for reply in replies {
                if !all.contains(&reply) {
                    all.push(reply);
                }
            }
        }
        for reply in self.replies.values_mut().flatten() {
            reply.may_be_missed = true;
        }
        self
    }
}
