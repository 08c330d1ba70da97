//! What became of every entry, told by Redis itself.
//!
//! Callers know what they were answered; what was written, given to whom, taken over, replied to and deleted in between
//! only Redis knows. It keeps that: its append-only file holds every change in the order in which it was made, also
//! across a crash, and deliveries among them (a read by a consumer group is written down as `XCLAIM`). A ledger is that
//! file read after the run, as the life of each entry. So nothing has to be recorded while faults are about, and
//! no service has to be trusted in what it says of itself.
//!
//! [`Ledger::check`] holds it against the history of the callers: both tell the same run, and where they do not agree a
//! request was lost, crossed or forgotten.
//!
//! - Every entry ends in one way: replied, expired, withdrawn, dead letter, or lost by a fault that has a name
//!   (`FLUSHALL`, `DEL`, `XTRIM`); the sums agree and none is left.
//! - No entry is taken off the stream unanswered before its deadline while its caller waits.
//! - Every 200 has its reply in Redis, and that one carries the caller's own city.
//! - No caller is answered 504 whose reply its ingress has read.
//!
//! How often work was done more than once, and why, is counted and told, not judged: delivery is at least once.
//!
//! A ledger cannot be read where the file was rewritten, as a server does that becomes a replica: keep a copy. After a
//! failover the ledgers of both servers are made one, by [`Ledger::failed_over_to`].

mod aof;
mod check;
mod failover;
mod life;
mod passed_over;
mod replay;
mod story;
mod summary;
#[cfg(test)]
mod tests;

pub use life::{Delivery, End, Entry, Reason, Reply};
pub use summary::Books;

use std::collections::BTreeMap;
use std::path::Path;

/// The names of the keys of one service.
#[derive(Clone, Debug)]
pub struct Names {
    /// The request stream; dead letters are in `REQUESTS:dead`.
    pub requests: String,
    /// The shared reply stream; dedicated ones are `RESPONSES:…`.
    pub responses: String,
}

/// The lives of all entries of one run.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    entries: Vec<Entry>,
    /// By request id.
    replies: BTreeMap<String, Vec<Reply>>,
}

impl Ledger {
    /// Reads the append-only file in a server's folder; the server may run on.
    ///
    /// # Errors
    ///
    /// There is none, it was rewritten, or it holds what no server writes.
    pub fn read(folder: &Path, names: &Names) -> anyhow::Result<Self> {
        let mut replay = replay::Replay::new(names);
        for command in aof::commands(folder)? {
            replay.carry_out(&command)?;
        }
        Ok(replay.end())
    }

    /// All entries, in the order in which they were added.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The replies to a request, in the order in which they were written.
    pub fn replies(&self, request: &str) -> &[Reply] {
        self.replies.get(request).map_or(&[], Vec::as_slice)
    }
}
