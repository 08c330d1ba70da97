//! What is done when the next read is sent is settled along with it: one write and one wake-up of Redis, where two
//! loops would have two of each.
//!
//! Only what goes well is done with here. What broke off or was refused goes to the loop of [`settle`](super::settle),
//! and as long as that one has a trouble everything does.

use tokio::time::Instant;

use super::{
    core::Core,
    finished::Finished,
    settle::{MOST, broken_off, sent_off},
};
use crate::{
    error::Fault,
    wire::{Answered, Connection, Fetched, Read, Settled, WireError},
};

/// Most bytes of replies that go along with a read; what is more is not held up by the read, nor the read by it.
const MOST_BYTES: usize = 256 << 10;

/// Whether anything may go along now.
pub(super) fn is_open(core: &Core) -> bool {
    core.status.fault_of("settle").is_none()
}

/// Whether all of these may go along.
pub(super) fn may_go(core: &Core, done: &[Finished]) -> bool {
    let bytes: usize = done.iter().map(Finished::bytes).sum();
    is_open(core) && done.len() <= MOST && bytes <= MOST_BYTES
}

/// Reads, and settles what is done on the way. Nothing of it is left behind, whatever becomes of the read. The second
/// is when the terminals of what was done were free.
pub(super) async fn read(
    core: &Core,
    connection: &mut Connection,
    read: Read,
    done: Vec<Finished>,
) -> Result<(Fetched, Instant), WireError> {
    let mut done = Unsettled { core, done };
    let batch = done.as_settled();
    let retention = core.reply_retention;
    let reading = core.group.read(connection, read, &batch, retention).await?;
    if !batch.is_empty() {
        let answered = reading.settled(connection, &batch).await?;
        drop(batch);
        done.answered(answered);
    }
    let free_since = Instant::now();
    let fetched = reading.fetched(connection).await?;
    Ok((fetched, free_since))
}

/// Goes to the loop that settles unless it is known what became of it.
struct Unsettled<'a> {
    core: &'a Core,
    done: Vec<Finished>,
}

impl Unsettled<'_> {
    fn as_settled(&self) -> Vec<Settled<'_>> {
        let names = &self.core.group.names;
        self.done.iter().map(|it| it.as_settled(names)).collect()
    }

    fn answered(&mut self, answered: Answered) {
        let done = std::mem::take(&mut self.done);
        let queue = &self.core.settle;
        match answered {
            Answered::CarriedOut(mut settled) => {
                if !settled.missed.is_empty() {
                    // They are found out again, and deleted, on a connection where that is possible.
                    settled.not_acked(WireError::new(Fault::NoGroup, "the group was lost"));
                }
                let (left, _refusal) = sent_off(self.core, settled, done);
                queue.leave(left);
            }
            Answered::Refused(_) => queue.leave(done),
        }
    }
}

impl Drop for Unsettled<'_> {
    fn drop(&mut self) {
        let done = std::mem::take(&mut self.done);
        if !done.is_empty() {
            self.core.settle.leave(broken_off(self.core, done));
        }
    }
}
