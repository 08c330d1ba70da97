//! The loop that reads the reply stream and wakes callers: one for all callers of a client.
//!
//! It reads on a connection of its own and goes on from the last id it saw, so that a reply written
//! while it was away is read when it is back. It must read from the server that requests are written to,
//! or callers would wait for replies that lie elsewhere: when a newer connection of this client found
//! another server, it reconnects.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use tokio::{sync::watch, time::Instant};

use super::{reply::answer, shared::Shared, waiting::Matched};
use crate::{
    envelope::{ReplyEnvelope, request_id},
    error::Fault,
    link::Link,
    read_limit::ReadLimit,
    wire::{Entry, ReplyStreamReader, Resumed, WireError},
};

/// How long a read waits on the server. Each empty read is followed by a look whether the stream is
/// still the one that was read.
pub(super) const BLOCK: Duration = Duration::from_secs(5);

/// Most entries in one read.
pub(super) const MOST: usize = 1024;

pub(super) struct ReplyReader {
    pub shared: Arc<Shared>,
    pub link: Link,
    pub reader: ReplyStreamReader,
    pub limit: ReadLimit,
    /// Whether it has its place.
    pub in_place: watch::Sender<Result<(), Displaced>>,
}

/// The reader does not have its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Displaced {
    /// What keeps it from it.
    pub fault: Fault,
    /// For how long.
    pub since: Instant,
}

impl ReplyReader {
    pub(super) async fn run(mut self) {
        let mut look = true;
        loop {
            match self.round(look).await {
                // After an empty read the stream may have been deleted and begun anew.
                Ok(entries) => look = entries == 0,
                Err(error) => {
                    look = true;
                    if error.fault == Fault::Timeout {
                        self.limit.timed_out();
                    }
                    self.displaced(error.fault);
                    self.link.failed(&error);
                    self.link.pause().await;
                }
            }
        }
    }

    /// One read; returns how many entries it brought.
    async fn round(&mut self, look: bool) -> Result<usize, WireError> {
        self.link.connect().await?;
        if look || !self.link.is_proven() {
            let connection = self.link.connection()?;
            let resumed = self.reader.resume(connection).await?;
            self.tell(resumed);
            self.link.succeeded();
            let _before = self.in_place.send_replace(Ok(()));
        }
        let overtaken = self.link.overtaken();
        let connection = self.link.connection()?;
        let read = tokio::select! {
            entries = self.reader.read(connection, self.limit.get(), BLOCK) => entries,
            error = overtaken => Err(error),
        };
        let entries = read?;
        let count = entries.len();
        self.limit.came(count);
        for entry in entries {
            self.deliver(entry);
        }
        Ok(count)
    }

    fn displaced(&self, fault: Fault) {
        self.in_place.send_modify(|in_place| {
            let since = match in_place {
                Ok(()) => Instant::now(),
                Err(displaced) => displaced.since,
            };
            *in_place = Err(Displaced { fault, since });
        });
    }

    /// A dedicated reply stream that is gone has expired, since nothing was asked for long.
    fn tell(&self, resumed: Resumed) {
        let shared = self.shared.reply_stream == self.shared.names.responses;
        let stream = &self.reader.stream;
        match resumed {
            Resumed::Rewound => tracing::warn!(
                part = "reader",
                stream,
                "the reply stream ends before the last reply that was read, it was begun anew or lost its tail; \
                 reading all of it"
            ),
            Resumed::Gone if shared => tracing::warn!(
                part = "reader",
                stream,
                "the reply stream is gone; reading all of what takes its place"
            ),
            Resumed::Gone | Resumed::InPlace => {}
        }
    }

    /// Hands each reply of an entry to its caller. Fields that are no replies are counted and passed over.
    fn deliver(&self, entry: Entry) {
        let metrics = &self.shared.metrics;
        for (name, value) in entry.fields.unwrap_or_default() {
            match self.hand_over(&name, &value) {
                Some(Matched::Answered(copies)) => self.shared.outbox.withdraw(copies),
                Some(Matched::Late) => metrics.late.inc(),
                Some(Matched::Unknown) => metrics.unmatched.inc(),
                None => metrics.undecodable.inc(),
            }
        }
    }

    /// Nothing if it is no reply.
    fn hand_over(&self, name: &[u8], value: &Bytes) -> Option<Matched> {
        let id = request_id(name)?;
        let envelope = ReplyEnvelope::decode(value).ok()?;
        let queue = envelope.queue;
        let matched = self.shared.waiting.answer(id, answer(id, envelope));
        if matches!(matched, Matched::Answered(_)) {
            self.shared.metrics.queue.observe(queue.as_secs_f64());
        }
        Some(matched)
    }
}
