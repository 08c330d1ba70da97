//! The end of a worker, in this order, because each step relies on the one before:
//!
//! 1. no new work is asked for, and the read that waits is woken; it is read to its end, since what it
//!    brings is ours;
//! 2. what runs may finish and be answered, within the drain time;
//! 3. what still runs is cut, leases are renewed no more, and everything that is pending for this worker
//!    is handed back: claimable at once, and this delivery not counted;
//! 4. the announcement is taken back and the consumer deleted, unless something is pending for it.
//!
//! Every step is bounded. If Redis is away, the leases lapse and others take over as after a crash.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::watch,
    task::JoinHandle,
    time::{sleep, timeout},
};

use super::core::Core;
use crate::{
    error::Fault,
    link::Link,
    wire::{Announcement, Whose, WireError},
};

/// How a drain ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Requests handed back to the group because they did not finish in time.
    pub handed_back: usize,
    /// Whether the consumer was deleted. It is not while something is pending for it; other workers delete it
    /// later.
    pub consumer_deleted: bool,
}

/// How long the read may take to end once it was woken.
const READ_ENDS: Duration = Duration::from_secs(3);

/// How long the last commands may take.
const GOODBYE: Duration = Duration::from_secs(3);

/// A worker may have more pending than terminals: dead letters that could not be written.
const MOST_HANDED_BACK: usize = 10_000;

/// Steps 1 to 3a: ends the fetch loop and waits for what runs. Returns false if something had to be cut.
pub(super) async fn finish(
    core: &Core,
    link: &mut Link,
    fetch: &mut JoinHandle<()>,
    client_id: watch::Receiver<Option<i64>>,
) -> bool {
    let woken = async {
        while !fetch.is_finished() {
            let id = *client_id.borrow();
            if let (Some(id), Ok(connection)) = (id, link.connect().await) {
                // The read may not have begun to wait yet; then this wakes nobody and is repeated.
                if let Err(error) = connection.unblock(id).await {
                    link.failed(&error);
                }
            }
            let _ = timeout(Duration::from_millis(25), &mut *fetch).await;
        }
    };
    if timeout(READ_ENDS, woken).await.is_err() {
        fetch.abort();
        // Ends at its next await. Until then it may still take something in hand.
        let _ = fetch.await;
    }
    timeout(core.drain_timeout, core.running.empty())
        .await
        .is_ok()
}

/// Steps 3b and 4.
pub(super) async fn say_goodbye(core: &Arc<Core>, link: &mut Link) -> Drained {
    let mut drained = Drained {
        handed_back: 0,
        consumer_deleted: false,
    };
    let mut result = Err(WireError::new(Fault::Timeout, "no time left"));
    let _ = timeout(GOODBYE, async {
        // Twice: the first try may find a connection that broke since.
        for _ in 0..2 {
            result = goodbye(core, link, &mut drained).await;
            match &result {
                Ok(()) => return,
                Err(error) => link.failed(error),
            }
            sleep(Duration::from_millis(50)).await;
        }
    })
    .await;
    if let Err(error) = result {
        tracing::warn!(
            error = error.message,
            "could not leave the group in order; what is pending is taken over when its lease lapses"
        );
    }
    drained
}

async fn goodbye(core: &Core, link: &mut Link, drained: &mut Drained) -> Result<(), WireError> {
    let connection = link.connect().await?;
    let consumer = &core.group.consumer;
    Announcement::revoke(
        &core.group.names,
        std::slice::from_ref(consumer),
        connection,
    )
    .await?;
    let most = core.terminals().max(MOST_HANDED_BACK);
    let pending = core
        .group
        .pending(connection, Whose::Own, Duration::ZERO, most)
        .await;
    let mut pending = match pending {
        // Nothing to give back and nothing to leave.
        Err(error) if error.fault == Fault::NoGroup => {
            drained.consumer_deleted = true;
            return Ok(());
        }
        pending => pending?,
    };
    // What is idle for a lease is claimable already: it lapsed, or an attempt before this gave it back.
    pending.retain(|row| row.idle < core.group.lease);
    if !pending.is_empty() {
        let pending: Vec<_> = pending.iter().map(|row| row.id).collect();
        let handed_back = core.group.hand_back(connection, &pending).await?;
        core.metrics.handed_back.inc_by(handed_back as u64);
        drained.handed_back += handed_back;
    }
    drained.consumer_deleted = core.group.delete_consumer(connection, consumer).await?;
    Ok(())
}
