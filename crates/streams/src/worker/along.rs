//! What is done when the next read is sent is settled along with it: one write and one wake-up of Redis, where two
//! loops would have two of each.
//!
//! Only what goes well is done with here. What broke off or was refused goes to the loop of [`settle`](super::settle),
//! and as long as that one has a trouble everything does.

use std::mem;

use tokio::time::Instant;

use super::{
    core::Core,
    finished::Finished,
    settle::{MOST, broken_off, sent_off, tried},
};
use crate::{
    error::Fault,
    wire::{Answered, Connection, Fetched, Read, Settled, Settlement, WireError},
};

/// Most bytes of replies that go along with a read; what is more is not held up by the read, nor the read by it.
const MOST_BYTES: usize = 256 << 10;

/// Whether anything may go along now.
pub(super) fn is_open(core: &Core) -> bool {
    core.status.fault_of("settle").is_none()
}

/// Whether all of these fit into one write with a read.
pub(super) fn fits(done: &[Finished]) -> bool {
    let bytes: usize = done.iter().map(Finished::bytes).sum();
    done.len() <= MOST && bytes <= MOST_BYTES
}

/// What a read brought.
pub(super) struct Brought {
    pub fetched: Fetched,
    /// When the terminals of what was done were free.
    pub free_since: Instant,
    /// Redis refused what went along.
    pub refused: bool,
}

/// Settles what is done ahead of a read, in the same write. However this ends, and if it is dropped before it begins,
/// what is not settled goes to the loop that settles.
pub(super) fn read<'a>(
    core: &'a Core,
    connection: &'a mut Connection,
    read: Read,
    done: Vec<Finished>,
) -> impl Future<Output = Result<Brought, WireError>> + use<'a> {
    // Not in the future, which holds nothing yet if it is dropped before it is asked for the first time.
    let mut done = Unsettled {
        core,
        done,
        sent: false,
    };
    async move {
        let mut refused = false;
        done.sent = true;
        let batch = done.as_settled();
        let retention = core.reply_retention;
        let settlement = Settlement::of(&batch, connection);
        let reading = core.group.read(connection, read, &settlement, retention);
        let reading = reading.await?;
        if !batch.is_empty() {
            let answered = reading.settled(connection, &settlement).await?;
            drop(settlement);
            drop(batch);
            refused = matches!(answered, Answered::Refused(_));
            done.answered(answered);
        }
        let free_since = Instant::now();
        let fetched = reading.fetched(connection).await?;
        Ok(Brought {
            fetched,
            free_since,
            refused,
        })
    }
}

/// Goes to the loop that settles unless it is known what became of it.
struct Unsettled<'a> {
    core: &'a Core,
    done: Vec<Finished>,
    sent: bool,
}

impl Unsettled<'_> {
    fn as_settled(&self) -> Vec<Settled<'_>> {
        let names = &self.core.group.names;
        self.done.iter().map(|it| it.as_settled(names)).collect()
    }

    fn answered(&mut self, answered: Answered) {
        let done = mem::take(&mut self.done);
        let queue = &self.core.settle;
        match answered {
            Answered::CarriedOut(mut settled) => {
                if !settled.missed.is_empty() {
                    // They are found out again, and deleted, on a connection where that is possible.
                    let why = "not pending any more: taken over, or the group was lost";
                    settled.leave_missed(WireError::new(Fault::NoGroup, why));
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
        let done = mem::take(&mut self.done);
        if done.is_empty() {
            return;
        }
        if self.sent {
            broken_off(self.core, &done);
            self.core.settle.leave(tried(done));
        } else {
            self.core.settle.leave(done);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::VecDeque, sync::Arc};

    use testbed::RedisServer;
    use tokio::sync::Semaphore;

    use super::*;
    use crate::{config::WorkerConfig, keys::StreamNames, wire::EntryId};

    #[tokio::test]
    async fn what_is_done_outlives_a_read_that_never_begins() {
        let redis = RedisServer::start().await.expect("starts");
        let names = StreamNames::for_service("test");
        let core = Core::new(WorkerConfig::new(redis.url(), names)).expect("valid");
        let mut connection = core.connector.open("test").await.expect("opens");
        let terminal = Arc::new(Semaphore::new(1)).try_acquire_owned();
        let (entry, now) = (EntryId::ZERO, Instant::now());
        let in_hand = core.running.begin(entry, now, now, terminal.expect("free"));
        let done = vec![Finished::unanswered(&core, in_hand.expect("new"))];
        let a_read = Read {
            most: 1,
            block: None,
            take_over: false,
        };
        // As where another branch of a `select!` is ready first.
        drop(read(&core, &mut connection, a_read, done));
        let mut left = VecDeque::new();
        core.settle.take(&mut left);
        assert_eq!(left.len(), 1);
        assert_eq!(left[0].failures, 0, "it was not sent");
    }
}
