//! The loop that sends finished work off: replies, then delete and acknowledge, for all that is ready in
//! one write.
//!
//! A reply that Redis refuses (a right is missing, a key of another type) keeps its bytes and its terminal and is
//! tried again until its deadline, after pauses of its own: what is refused holds up nothing else, since
//! the reply stream of one client may be broken while all others are well. By holding the terminal it
//! keeps the worker from taking more than it can get rid of. Where a right is missing its request stays pending
//! meanwhile, so that it is not lost with this worker; out of memory it makes room for its reply. Where the reply
//! stream is a key of another type the request is gone, and this worker alone has the reply.
//!
//! After a broken connection everything is sent again: a reply may then lie on its stream twice, and the
//! first wins.

use std::{
    collections::{HashSet, VecDeque},
    future::pending,
    sync::Arc,
};

use tokio::{
    select,
    time::{Instant, sleep_until},
};

use super::{core::Core, finished::Finished};
use crate::{
    error::Fault,
    link::{Link, pause_after},
    wire::{EntryId, Settled, SettledBatch, WireError},
    write_limit::WriteLimit,
};

/// Most requests in one write.
pub(super) const MOST: usize = 512;

/// Most bytes of replies in one write, a single larger one aside: a write has to get through within the
/// response timeout, or it would be repeated for ever. Where one did not, the next ones are smaller.
const MOST_BYTES: usize = 4 << 20;

/// Runs until it is aborted.
pub(super) async fn run(core: Arc<Core>, mut link: Link) {
    let mut open: VecDeque<Finished> = VecDeque::new();
    let mut limit = WriteLimit::new(MOST_BYTES);
    // Spares the first reply the connecting; if it fails, the first reply will tell.
    let _ = link.connect().await;
    loop {
        select! {
            () = core.settle.filled() => {}
            () = next_due(&open) => {}
            _ = link.overtaken() => {
                // Nothing may come this way for long.
                let _ = link.connect().await;
                continue;
            }
        }
        core.settle.take(&mut open);
        let now = Instant::now();
        open.retain_mut(|finished| {
            let overdue = finished.is_overdue(now);
            if overdue {
                finished.span.fail("overdue");
            }
            !overdue
        });
        let batch = due(&mut open, now, limit.bytes());
        if batch.is_empty() {
            continue;
        }
        match flush(&core, &mut link, &batch).await {
            Ok(settled) => {
                limit.got_through(batch.iter().map(Finished::bytes).sum());
                let (left, refusal) = sent_off(&core, settled, batch);
                open.extend(left);
                match refusal {
                    Some(refusal) => link.failed(&refusal),
                    None if open.iter().all(|finished| finished.failures == 0) => link.succeeded(),
                    None => {} // Something is still refused.
                }
            }
            Err(error) => {
                if error.fault == Fault::Timeout {
                    limit.timed_out();
                }
                link.failed(&error);
                for finished in tried(batch).rev() {
                    open.push_front(finished);
                }
                link.pause().await;
            }
        }
    }
}

/// Resolves when the first of these may be sent; never where there is none.
async fn next_due(open: &VecDeque<Finished>) {
    match open.iter().map(|finished| finished.not_before).min() {
        Some(Some(due)) => sleep_until(due).await,
        // What did not fit into one write need not wait.
        Some(None) => {}
        None => pending().await,
    }
}

/// Takes out what may be sent now, as much as fits into one write, in its order.
fn due(open: &mut VecDeque<Finished>, now: Instant, most_bytes: usize) -> Vec<Finished> {
    let mut batch = Vec::new();
    let mut bytes = 0;
    for _ in 0..open.len() {
        let Some(finished) = open.pop_front() else {
            break;
        };
        let fits =
            batch.is_empty() || (batch.len() < MOST && bytes + finished.bytes() <= most_bytes);
        if finished.not_before.is_none_or(|due| due <= now) && fits {
            bytes += finished.bytes();
            batch.push(finished);
        } else {
            open.push_back(finished);
        }
    }
    batch
}

async fn flush(
    core: &Core,
    link: &mut Link,
    batch: &[Finished],
) -> Result<SettledBatch, WireError> {
    let connection = link.connect().await?;
    let names = &core.group.names;
    let items: Vec<Settled<'_>> = batch.iter().map(|it| it.as_settled(names)).collect();
    core.group
        .settle(connection, &items, core.reply_retention)
        .await
        .inspect_err(|_| broken_off(core, batch))
}

/// Counts that these, which may have been sent off or not, are sent again.
pub(super) fn broken_off(core: &Core, batch: &[Finished]) {
    let retries = core.metrics.links.retries.with_label_values(&["settle"]);
    retries.inc_by(batch.len() as u64);
}

/// These are tried again.
pub(super) fn tried(batch: Vec<Finished>) -> impl DoubleEndedIterator<Item = Finished> {
    batch.into_iter().map(|mut finished| {
        finished.failures += 1;
        finished
    })
}

/// Gives back what was refused, for later, with the first refusal, and lets the rest go.
pub(super) fn sent_off(
    core: &Core,
    settled: SettledBatch,
    batch: Vec<Finished>,
) -> (Vec<Finished>, Option<WireError>) {
    let SettledBatch {
        refused,
        removed,
        not_acked,
        ack_failed,
        missed: _,
    } = settled;
    let replies_refused: HashSet<EntryId> = refused.iter().map(|it| it.entry).collect();
    let not_acked: HashSet<EntryId> = not_acked.into_iter().collect();
    let acked = batch.iter().filter(|it| it.ack);
    let acked = acked.filter(|it| !not_acked.contains(&it.in_hand.entry));
    let acked = acked.count() as u64;
    core.metrics.duplicate.inc_by(acked.saturating_sub(removed));
    let now = Instant::now();
    let mut left = Vec::new();
    for mut finished in batch {
        let entry = finished.in_hand.entry;
        if replies_refused.contains(&entry) {
            core.metrics.replies_refused.inc();
        } else {
            finished.reply = None;
            finished.span.done();
        }
        finished.ack &= not_acked.contains(&entry);
        if finished.reply.is_some() || finished.ack {
            finished.failures += 1;
            finished.not_before = Some(now + pause_after(finished.failures));
            left.push(finished);
        }
    }
    let refusals = refused.into_iter().map(|refused| refused.error);
    (left, refusals.chain(ack_failed).next())
}
