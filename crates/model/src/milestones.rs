//! What the model has to reach, or its properties would say little.

use crate::state::{COPIES, Id, State, What, Work};

/// An entry was answered.
pub const ANSWERED: &str = "an entry is answered";
/// Work was begun that was delivered before.
pub const TAKEN_OVER: &str = "work is taken over";
/// Two workers work on one entry at the same time. "At least once" allows it after a fault.
pub const WORKED_TWICE: &str = "an entry is worked on twice at once";
/// An entry became a dead letter.
pub const BURIED: &str = "an entry becomes a dead letter";
/// An entry was settled that nobody waits for any more.
pub const EXPIRED: &str = "an entry expires";
/// An entry was deleted while a worker had it.
pub const WITHDRAWN: &str = "an entry is withdrawn from under a worker";
/// A request is on the stream twice.
pub const DOUBLED: &str = "a request is on the stream twice";
/// A draining worker gave something back.
pub const HANDED_BACK: &str = "an entry is handed back";

impl State {
    /// What this state shows.
    pub fn milestones(&self) -> impl Iterator<Item = &'static str> {
        let entries = || self.entries.iter().flatten();
        let hands = || {
            self.workers
                .iter()
                .flat_map(|worker| worker.hands.iter().flatten())
        };
        let running = |id| hands().filter(move |hand| hand.id == id && hand.work == Work::Running);
        let expired = Work::Finished {
            replies: false,
            failed: false,
        };
        [
            (ANSWERED, entries().any(|entry| entry.replied)),
            (
                TAKEN_OVER,
                Id::all().any(|id| {
                    let pending = self.entry(id).and_then(|entry| entry.pending);
                    pending.is_some_and(|row| row.deliveries > 1) && running(id).count() > 0
                }),
            ),
            (WORKED_TWICE, Id::all().any(|id| running(id).count() > 1)),
            (BURIED, entries().any(|entry| entry.lettered)),
            (
                EXPIRED,
                hands().any(|hand| hand.left == 0 && hand.work == expired),
            ),
            (
                WITHDRAWN,
                Id::all().any(|id| {
                    let withdrawn = self
                        .entry(id)
                        .is_some_and(|entry| !entry.present && !entry.replied && entry.left > 0);
                    withdrawn && running(id).count() > 0
                }),
            ),
            (
                DOUBLED,
                self.entries
                    .chunks(COPIES)
                    .any(|copies| copies.iter().flatten().filter(|copy| copy.present).count() > 1),
            ),
            (
                HANDED_BACK,
                self.pipes
                    .iter()
                    .any(|pipe| matches!(pipe.what, What::HandBack { done: true, .. })),
            ),
        ]
        .into_iter()
        .filter_map(|(milestone, reached)| reached.then_some(milestone))
    }
}
