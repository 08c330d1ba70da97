//! What is done with and not yet settled, on its way there.
//!
//! Two loops settle. The one that fetches takes what is done along with its next read ([`along`](super::along)), and
//! is the cheaper way; but while its read waits on the server nothing may wait for it. So it says when it has no
//! terminal free and can do nothing else than wait for one: what gets done meanwhile is its own, and everything else
//! goes to the loop of [`settle`](super::settle).

use std::{collections::VecDeque, sync::Mutex};

use bytes::BytesMut;
use common::trace::Span;
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use super::{core::Core, running::InHand};
use crate::{
    keys::StreamNames,
    mutex::lock,
    wire::{Settled, SettledReply},
};

/// A reply on its way to whoever asked.
pub(super) struct AddressedReply {
    /// The stream of a single client; `None` for the one that all read.
    pub stream: Option<String>,
    pub request: Uuid,
    pub envelope: BytesMut,
}

/// A request that is done with, and what is left to do for it.
pub(super) struct Finished {
    pub in_hand: InHand,
    pub reply: Option<AddressedReply>,
    /// Whether it is still to be deleted and acknowledged.
    pub ack: bool,
    /// When nobody waits for the reply any more.
    pub deadline: Instant,
    /// Attempts that failed in a row, and when the next may be made, if it has to wait.
    pub failures: u32,
    pub not_before: Option<Instant>,
    /// Ends when it is sent off.
    pub span: Span,
}

/// Work that finished and was not sent off yet. Bounded by the terminals.
#[derive(Default)]
pub(super) struct SettleQueue {
    inner: Mutex<Inner>,
    /// Something is there for the loop that settles.
    filled: Notify,
    /// Something is there for the next read.
    along: Notify,
}

#[derive(Default)]
struct Inner {
    finished: VecDeque<Finished>,
    /// What goes along with the next read; nothing unless that is waited for.
    along: Option<Vec<Finished>>,
    closed: bool,
}

/// While this lives, what gets done is for the next read. What was not taken goes to the loop that settles.
struct ForRead<'a>(&'a SettleQueue);

impl Finished {
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

    /// Nobody is told, and nobody waits: it is tried for a lease.
    pub(super) fn unanswered(core: &Core, in_hand: InHand) -> Self {
        Self::new(in_hand, None, core.settle_by())
    }

    /// Records how long the reply takes.
    pub(super) fn traced(mut self, span: Span) -> Self {
        self.span = span;
        self
    }

    pub(super) fn as_settled<'a>(&'a self, names: &'a StreamNames) -> Settled<'a> {
        Settled {
            entry: self.in_hand.entry,
            reply: self.reply.as_ref().map(|reply| SettledReply {
                stream: names.reply_stream(reply.stream.as_deref()),
                request: reply.request,
                envelope: &reply.envelope,
            }),
            ack: self.ack,
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.reply.as_ref().map_or(0, |reply| reply.envelope.len())
    }

    /// Whether trying on makes sense. Nobody waits for it after the deadline; a request that could not be
    /// acknowledged stays pending, and whoever takes it over finds it expired.
    pub(super) fn is_overdue(&self, now: Instant) -> bool {
        self.failures > 0 && now >= self.deadline
    }
}

impl SettleQueue {
    /// Adds what is done: for the next read where that is waited for, for the loop that settles otherwise.
    pub(super) fn push(&self, finished: Finished) {
        let mut inner = lock(&self.inner);
        if inner.closed {
            return;
        }
        if let Some(along) = &mut inner.along {
            along.push(finished);
            self.along.notify_one();
        } else {
            inner.finished.push_back(finished);
            self.filled.notify_one();
        }
    }

    /// Adds these for the loop that settles.
    pub(super) fn leave(&self, finished: impl IntoIterator<Item = Finished>) {
        let mut inner = lock(&self.inner);
        if inner.closed {
            return;
        }
        inner.finished.extend(finished);
        if !inner.finished.is_empty() {
            self.filled.notify_one();
        }
    }

    /// Drops what was not sent off and takes no more.
    pub(super) fn close(&self) {
        let mut inner = lock(&self.inner);
        inner.closed = true;
        let finished = (std::mem::take(&mut inner.finished), inner.along.take());
        drop(inner);
        drop(finished);
    }

    /// All there is for the loop that settles.
    pub(super) fn take(&self, to: &mut VecDeque<Finished>) {
        to.append(&mut lock(&self.inner).finished);
    }

    /// Waits until there is something for the loop that settles.
    pub(super) async fn filled(&self) {
        loop {
            let filled = self.filled.notified();
            if !lock(&self.inner).finished.is_empty() {
                return;
            }
            filled.await;
        }
    }

    /// The next that get done, at least one. From the first poll on they are kept from the loop that settles, and
    /// given to it when this is dropped before its end.
    pub(super) async fn for_read(&self) -> Vec<Finished> {
        let waits = ForRead::new(self);
        loop {
            let along = self.along.notified();
            let done = waits.take();
            if !done.is_empty() {
                return done;
            }
            along.await;
        }
    }
}

impl<'a> ForRead<'a> {
    fn new(queue: &'a SettleQueue) -> Self {
        lock(&queue.inner).along = Some(Vec::new());
        Self(queue)
    }

    fn take(&self) -> Vec<Finished> {
        let mut inner = lock(&self.0.inner);
        inner.along.as_mut().map(std::mem::take).unwrap_or_default()
    }
}

impl Drop for ForRead<'_> {
    fn drop(&mut self) {
        let left = lock(&self.0.inner).along.take();
        self.0.leave(left.unwrap_or_default());
    }
}
