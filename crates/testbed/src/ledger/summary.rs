//! The sums of a ledger.

use std::collections::BTreeMap;
use std::fmt;

use super::{End, Ledger, Reason};

/// How many entries ended how, and how often work was done again.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Books {
    /// Entries written to the request stream.
    pub enqueued: usize,
    /// How they ended.
    pub ends: BTreeMap<End, usize>,
    /// Entries that are still on the stream.
    pub left: usize,
    /// Entries beyond the first of a request: a write of unknown outcome that was tried again.
    pub written_again: usize,
    /// Deliveries beyond the first of an entry, by why.
    pub delivered_again: BTreeMap<Reason, usize>,
    /// Replies beyond the first of a request: work that was done more than once.
    pub replied_again: usize,
}

impl Books {
    pub(super) fn of(ledger: &Ledger) -> Self {
        let mut books = Self {
            enqueued: ledger.entries.len(),
            ..Self::default()
        };
        let mut written = BTreeMap::<&str, usize>::new();
        for entry in &ledger.entries {
            match &entry.end {
                Some(end) => *books.ends.entry(end.clone()).or_default() += 1,
                None => books.left += 1,
            }
            for reason in entry
                .deliveries
                .iter()
                .filter_map(|delivery| delivery.again)
            {
                *books.delivered_again.entry(reason).or_default() += 1;
            }
            if let Some(request) = &entry.request {
                *written.entry(request).or_default() += 1;
            }
        }
        books.written_again = written.values().map(|entries| entries - 1).sum();
        books.replied_again = ledger
            .replies
            .values()
            .map(|replies| replies.len() - 1)
            .sum();
        books
    }

    /// Adds another run to this one.
    pub fn add(&mut self, other: Self) {
        self.enqueued += other.enqueued;
        for (end, count) in other.ends {
            *self.ends.entry(end).or_default() += count;
        }
        self.left += other.left;
        self.written_again += other.written_again;
        for (reason, count) in other.delivered_again {
            *self.delivered_again.entry(reason).or_default() += count;
        }
        self.replied_again += other.replied_again;
    }

    /// How many entries ended in this way.
    pub fn ended(&self, end: &End) -> usize {
        self.ends.get(end).copied().unwrap_or_default()
    }

    /// How many entries a fault took away.
    pub fn lost(&self) -> usize {
        let lost = self
            .ends
            .iter()
            .filter(|(end, _)| matches!(end, End::Lost(_)));
        lost.map(|(_, count)| count).sum()
    }
}

impl fmt::Display for Books {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} enqueued =", self.enqueued)?;
        for (end, count) in &self.ends {
            write!(f, " {count} {end} +")?;
        }
        write!(f, " {} left", self.left)?;
        if self.written_again > 0 {
            write!(f, "; {} written again", self.written_again)?;
        }
        for (reason, count) in &self.delivered_again {
            write!(f, "; {count} delivered again, {reason}")?;
        }
        if self.replied_again > 0 {
            write!(f, "; {} done again", self.replied_again)?;
        }
        Ok(())
    }
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Replied => f.write_str("replied"),
            Self::Expired => f.write_str("expired"),
            Self::Withdrawn => f.write_str("withdrawn"),
            Self::DeadLettered => f.write_str("dead-lettered"),
            Self::Lost(fault) => write!(f, "lost by {fault}"),
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Lapsed => "as a lease lapsed",
            Self::HandedBack => "as it was handed back",
            Self::GroupMadeAgain => "as the group was lost",
        })
    }
}
