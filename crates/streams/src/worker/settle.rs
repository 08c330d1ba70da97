//! The loop that sends finished work off: replies, then delete and acknowledge, for all that is ready in
//! one write.
//!
//! A reply that Redis refuses (out of memory, a key of another type) keeps its bytes and its terminal and is
//! tried again until its deadline; by holding the terminal it keeps the worker from taking more than it can
//! get rid of. After a broken connection everything is sent again: a reply may then lie on its stream
//! twice, and the first wins.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex},
};

use bytes::Bytes;
use tokio::{
    sync::{Notify, OwnedSemaphorePermit},
    time::Instant,
};
use uuid::Uuid;

use super::Core;
use crate::{
    link::Link,
    lock,
    wire::{EntryId, Settled, SettledBatch, WireError},
};

/// Most requests in one write.
const MOST: usize = 512;

/// A request that is done with, and what is left to do for it.
pub(super) struct Finished {
    entry: EntryId,
    reply: Option<(String, Uuid, Bytes)>,
    /// Whether it is still to be deleted and acknowledged.
    ack: bool,
    /// When nobody waits for the reply any more.
    deadline: Instant,
    _terminal: OwnedSemaphorePermit,
}

/// Work that finished and was not sent off yet. Bounded by the terminals.
#[derive(Default)]
pub(super) struct SettleQueue {
    finished: Mutex<VecDeque<Finished>>,
    filled: Notify,
}

impl Finished {
    /// `reply` is the stream, the request and the envelope; without it nobody is told.
    pub(super) fn new(
        entry: EntryId,
        reply: Option<(String, Uuid, Bytes)>,
        deadline: Instant,
        terminal: OwnedSemaphorePermit,
    ) -> Self {
        Self {
            entry,
            reply,
            ack: true,
            deadline,
            _terminal: terminal,
        }
    }
}

impl SettleQueue {
    pub(super) fn push(&self, finished: Finished) {
        lock(&self.finished).push_back(finished);
        self.filled.notify_one();
    }

    fn take(&self, batch: &mut Vec<Finished>) {
        let mut finished = lock(&self.finished);
        let count = finished.len().min(MOST.saturating_sub(batch.len()));
        batch.extend(finished.drain(..count));
    }

    async fn filled(&self) {
        loop {
            let filled = self.filled.notified();
            if !lock(&self.finished).is_empty() {
                return;
            }
            filled.await;
        }
    }
}

/// Runs until it is aborted.
pub(super) async fn run(core: Arc<Core>, mut link: Link) {
    let mut batch: Vec<Finished> = Vec::new();
    // Spares the first reply the connecting; if it fails, the first reply will tell.
    let _ = link.connect().await;
    loop {
        if batch.is_empty() {
            core.settle.filled().await;
        }
        core.settle.take(&mut batch);
        match flush(&core, &mut link, &mut batch).await {
            Ok(()) => link.succeeded(),
            Err(error) => {
                link.failed(&error);
                core.metrics
                    .links
                    .retries
                    .with_label_values(&["settle"])
                    .inc_by(batch.len() as u64);
                give_up_overdue(&core, &mut batch);
                link.pause().await;
            }
        }
    }
}

/// Sends the batch; what remains in it is to be sent again.
async fn flush(core: &Core, link: &mut Link, batch: &mut Vec<Finished>) -> Result<(), WireError> {
    let connection = link.connect().await?;
    let settled = {
        let items: Vec<Settled<'_>> = batch.iter().map(Finished::as_settled).collect();
        core.group
            .settle(connection, &items, core.reply_retention)
            .await?
    };
    sent_off(core, settled, batch)
}

/// Keeps what was refused, puts the rest out of hand. Returns the first refusal.
fn sent_off(
    core: &Core,
    settled: SettledBatch,
    batch: &mut Vec<Finished>,
) -> Result<(), WireError> {
    let SettledBatch {
        refused,
        removed,
        ack_failed,
    } = settled;
    if ack_failed.is_none() {
        let acked = batch.iter().filter(|finished| finished.ack).count() as u64;
        core.metrics.duplicate.inc_by(acked.saturating_sub(removed));
    }
    batch.retain_mut(|finished| {
        let reply_refused = finished
            .reply
            .as_ref()
            .is_some_and(|(to, ..)| refused.iter().any(|(stream, _)| stream == to));
        if !reply_refused {
            finished.reply = None;
        } else {
            core.metrics.replies_refused.inc();
        }
        finished.ack &= ack_failed.is_some();
        let remains = finished.reply.is_some() || finished.ack;
        if !remains {
            core.put_down(finished.entry);
        }
        remains
    });
    match (refused.into_iter().next(), ack_failed) {
        (Some((_, error)), _) | (None, Some(error)) => Err(error),
        (None, None) => Ok(()),
    }
}

/// Nobody waits for these any more. An entry that could not be acknowledged stays pending; whoever
/// takes it over finds it expired.
fn give_up_overdue(core: &Core, batch: &mut Vec<Finished>) {
    let now = Instant::now();
    batch.retain(|finished| {
        let overdue = now >= finished.deadline;
        if overdue {
            core.put_down(finished.entry);
        }
        !overdue
    });
}

impl Finished {
    fn as_settled(&self) -> Settled<'_> {
        Settled {
            entry: self.entry,
            reply: self
                .reply
                .as_ref()
                .map(|(stream, id, value)| (stream.as_str(), *id, &value[..])),
            ack: self.ack,
        }
    }
}
