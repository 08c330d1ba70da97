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
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex},
};

use bytes::BytesMut;
use common::trace::Span;
use tokio::{
    select,
    sync::Notify,
    time::{Instant, sleep_until},
};
use uuid::Uuid;

use super::{core::Core, running::InHand};
use crate::{
    error::Fault,
    keys::StreamNames,
    link::{Link, pause_after},
    mutex::lock,
    wire::{EntryId, Settled, SettledBatch, WireError},
    write_limit::WriteLimit,
};

/// Most requests in one write.
pub(super) const MOST: usize = 512;

/// Most bytes of replies in one write, a single larger one aside: a write has to get through within the
/// response timeout, or it would be repeated for ever. Where one did not, the next ones are smaller.
const MOST_BYTES: usize = 4 << 20;

/// The stream that a reply goes to, if it is not the response stream; the request; the envelope.
pub(super) type AddressedReply = (Option<String>, Uuid, BytesMut);

/// A request that is done with, and what is left to do for it.
pub(super) struct Finished {
    in_hand: InHand,
    reply: Option<AddressedReply>,
    /// Whether it is still to be deleted and acknowledged.
    ack: bool,
    /// When nobody waits for the reply any more.
    deadline: Instant,
    /// Attempts that failed in a row, and when the next may be made, if it has to wait.
    failures: u32,
    not_before: Option<Instant>,
    /// Ends when it is sent off.
    span: Span,
}

/// Work that finished and was not sent off yet. Bounded by the terminals.
#[derive(Default)]
pub(super) struct SettleQueue {
    inner: Mutex<Inner>,
    filled: Notify,
}

#[derive(Default)]
struct Inner {
    finished: VecDeque<Finished>,
    closed: bool,
}

impl Finished {
    /// Without a reply nobody is told.
    pub(super) fn new(in_hand: InHand, reply: Option<AddressedReply>, deadline: Instant) -> Self {
        Self {
            in_hand,
            reply,
            ack: true,
            deadline,
            failures: 0,
            not_before: None,
            span: Span::none(),
        }
    }

    /// Records how long the reply takes.
    pub(super) fn traced(mut self, span: Span) -> Self {
        self.span = span;
        self
    }

    pub(super) fn as_settled<'a>(&'a self, names: &'a StreamNames) -> Settled<'a> {
        Settled {
            entry: self.in_hand.entry,
            reply: self.reply.as_ref().map(|(stream, id, value)| {
                (names.reply_stream(stream.as_deref()), *id, &value[..])
            }),
            ack: self.ack,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.reply.as_ref().map_or(0, |(.., value)| value.len())
    }

    /// Whether trying on makes sense. Nobody waits for it after the deadline; a request that could not be
    /// acknowledged stays pending, and whoever takes it over finds it expired.
    fn is_overdue(&self, now: Instant) -> bool {
        self.failures > 0 && now >= self.deadline
    }
}

impl SettleQueue {
    pub(super) fn push(&self, finished: Finished) {
        let mut inner = lock(&self.inner);
        if !inner.closed {
            inner.finished.push_back(finished);
            self.filled.notify_one();
        }
    }

    /// Drops what was not sent off and takes no more.
    pub(super) fn close(&self) {
        let mut inner = lock(&self.inner);
        inner.closed = true;
        let finished = std::mem::take(&mut inner.finished);
        drop(inner);
        drop(finished);
    }

    fn take(&self, to: &mut VecDeque<Finished>) {
        to.append(&mut lock(&self.inner).finished);
    }

    async fn filled(&self) {
        loop {
            let filled = self.filled.notified();
            if !lock(&self.inner).finished.is_empty() {
                return;
            }
            filled.await;
        }
    }
}

/// Runs until it is aborted.
pub(super) async fn run(core: Arc<Core>, mut link: Link) {
    let mut open: VecDeque<Finished> = VecDeque::new();
    let mut limit = WriteLimit::new(MOST_BYTES);
    // Spares the first reply the connecting; if it fails, the first reply will tell.
    let _ = link.connect().await;
    loop {
        // Something that need not wait may be left as well: what did not fit into one write.
        let next = open.iter().map(|finished| finished.not_before).min();
        select! {
            () = core.settle.filled() => {}
            () = until(next.flatten()), if next.is_some() => {}
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
                match sent_off(&core, settled, batch, &mut open) {
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
                for finished in broken_off(&core, batch).rev() {
                    open.push_front(finished);
                }
                link.pause().await;
            }
        }
    }
}

async fn until(due: Option<Instant>) {
    if let Some(due) = due {
        sleep_until(due).await;
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
}

/// These may have been sent off or not, and are sent again.
pub(super) fn broken_off(
    core: &Core,
    batch: Vec<Finished>,
) -> impl DoubleEndedIterator<Item = Finished> {
    let retries = core.metrics.links.retries.with_label_values(&["settle"]);
    retries.inc_by(batch.len() as u64);
    batch.into_iter().map(|mut finished| {
        finished.failures += 1;
        finished
    })
}

/// Keeps what was refused, for later, and lets the rest go. Gives the first refusal.
pub(super) fn sent_off(
    core: &Core,
    settled: SettledBatch,
    batch: Vec<Finished>,
    open: &mut impl Extend<Finished>,
) -> Option<WireError> {
    let SettledBatch {
        refused,
        removed,
        ack_failed,
        missed: _,
    } = settled;
    // Whether their requests are kept.
    let replies_refused: HashMap<EntryId, bool> =
        refused.iter().map(|it| (it.entry, it.kept)).collect();
    if ack_failed.is_none() {
        let is_kept = |it: &Finished| replies_refused.get(&it.in_hand.entry) == Some(&true);
        let acked = batch.iter().filter(|it| it.ack && !is_kept(it));
        let acked = acked.count() as u64;
        core.metrics.duplicate.inc_by(acked.saturating_sub(removed));
    }
    let now = Instant::now();
    for mut finished in batch {
        let refused = replies_refused.get(&finished.in_hand.entry);
        if refused.is_some() {
            core.metrics.replies_refused.inc();
        } else {
            finished.reply = None;
            finished.span.done();
        }
        finished.ack &= refused.copied().unwrap_or(ack_failed.is_some());
        if finished.reply.is_some() || finished.ack {
            finished.failures += 1;
            finished.not_before = Some(now + pause_after(finished.failures));
            open.extend([finished]);
        }
    }
    refused
        .into_iter()
        .map(|refused| refused.error)
        .chain(ack_failed)
        .next()
}
