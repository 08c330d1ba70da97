//! The loop that writes requests to the stream.
//!
//! It takes whatever is ready, sends it in one write and waits for the answers before it takes more:
//! under load the batches grow by themselves, alone a request goes out at once. It is also the one
//! place where a request is sent again:
//!
//! - a request that Redis refused for a passing reason (loading, failover, a script running) was not
//!   written; it is sent again as long as the retry budget, its send time and its deadline allow;
//! - when the connection broke before the answer, the request may be on the stream; it is sent again
//!   under the same budget, and if both copies are worked on the first reply wins. Without budget it
//!   is left as it is: perhaps it was written, then the reply will come;
//! - a request that met no connection yet was not sent and costs no budget.
//!
//! A write that got no answer in time is followed by smaller ones: it may have been too much for the way there.
//!
//! What cannot be sent within its send time is answered as unavailable, what is refused for a lasting
//! reason at once; but a request that an earlier write may have brought to the stream is left to wait for its reply.
//!
//! A request is written only while the reply reader has its place: while the reply stream cannot be read, work would
//! be done that nobody can answer. A reader that is without its place for longer than a send time is not waited for
//! any more.

use std::{sync::Arc, time::Duration};

use common::{breaker::CircuitBreaker, retry::RetryBudget};
use tokio::{
    sync::watch,
    task::yield_now,
    time::{Instant, sleep, timeout_at},
};

use super::{
    outbox::Parcel, policy::retry_after_fault, replies::Displaced, shared::Shared,
    waiting::WriteEnd,
};
use crate::{
    envelope::RequestEnvelope,
    error::{Fault, RequestError},
    link::Link,
    wire::{EntryId, RequestBatch, WireError, Written},
    write_limit::WriteLimit,
};

/// While the circuit is open, the time between two looks at it.
const OPEN_CIRCUIT_LOOK: Duration = Duration::from_millis(100);

pub(super) struct Writer {
    pub shared: Arc<Shared>,
    pub link: Link,
    pub breaker: CircuitBreaker,
    pub budget: RetryBudget,
    /// How many bytes go out in one write.
    pub limit: WriteLimit,
    /// Whether the reply reader has its place.
    pub reader: watch::Receiver<Result<(), Displaced>>,
}

impl Writer {
    pub(super) async fn run(mut self) {
        let mut parcels: Vec<Parcel> = Vec::new();
        let mut withdrawals: Vec<EntryId> = Vec::new();
        let mut last_fault = Fault::Disconnected;
        // Spares the first request the connecting; if it fails, the first request will tell.
        let _ = self.link.connect().await;
        loop {
            self.shared.outbox.left_with_writer(parcels.len());
            if parcels.is_empty() && withdrawals.is_empty() {
                self.shared.outbox.filled().await;
                // Whoever is being read from its socket meanwhile goes along: one write for all of them.
                yield_now().await;
            }
            let most_bytes = self.limit.bytes();
            self.shared
                .outbox
                .take(&mut parcels, &mut withdrawals, most_bytes);
            self.give_up_overdue(&mut parcels, last_fault);
            // What a write that timed out has left behind may be more than the next one should have.
            let later = parcels.split_off(fitting(&parcels, most_bytes));
            let flushed = self.flush(&mut parcels, &mut withdrawals).await;
            parcels.extend(later);
            if let Err(error) = flushed {
                last_fault = error.fault;
                self.link.pause().await;
            }
        }
    }

    /// Sends all there is. What remains in `parcels` is to be sent again. An error asks for a pause first.
    async fn flush(
        &mut self,
        parcels: &mut Vec<Parcel>,
        withdrawals: &mut Vec<EntryId>,
    ) -> Result<(), WireError> {
        let permit = match self.breaker.acquire() {
            Ok(permit) => permit,
            Err(open) => {
                // What waits here was let in before the circuit opened, and keeps its place in time.
                sleep(open.retry_after.min(OPEN_CIRCUIT_LOOK)).await;
                return Ok(());
            }
        };
        let connection = match self.link.connect().await {
            Ok(connection) => connection,
            Err(error) => {
                permit.failure();
                self.link.failed(&error);
                return Err(error);
            }
        };
        // Held back, the requests stay, but the connection shows whether it is alive.
        let mut nothing = Vec::new();
        let in_place = self.reader.borrow().is_ok();
        let sent = if in_place {
            &mut *parcels
        } else {
            &mut nothing
        };
        sent.retain(|parcel| self.shared.waiting.begin_write(parcel.id));
        let bytes = sent.iter().map(|parcel| parcel.body.len()).sum();
        let batch = self.shared.batch(sent, withdrawals);
        let written = match batch.send(connection).await {
            Ok(written) => {
                self.limit.got_through(bytes);
                written
            }
            Err(error) => {
                if error.fault == Fault::Timeout {
                    self.limit.timed_out();
                }
                self.broken_off(sent);
                permit.failure();
                self.link.failed(&error);
                return Err(error);
            }
        };
        let count = written.added.len();
        let (refused, refusal) = self.written(written, sent, withdrawals);
        match count - refused {
            // Redis gives entries back, and their number, while it takes no new ones.
            0 if refused == 0 => drop(permit),
            0 => permit.failure(),
            // At the edge of its memory Redis takes some and refuses others, where they are no transaction: that is no
            // outage.
            _ => permit.success(),
        }
        if let Some(error) = refusal {
            self.link.failed(&error);
            // Whoever was refused for good knows; only what is tried again needs a pause.
            return if parcels.is_empty() {
                Ok(())
            } else {
                Err(error)
            };
        }
        if count > 0 || self.shared.write_refusal().is_none() {
            self.link.succeeded();
        }
        if in_place || parcels.is_empty() {
            return Ok(());
        }
        self.await_reader(parcels).await
    }

    /// Redis answers, but replies could pass unseen. Waits for the reader while that makes sense, then
    /// refuses what waits here.
    async fn await_reader(&mut self, parcels: &mut Vec<Parcel>) -> Result<(), WireError> {
        let Err(displaced) = *self.reader.borrow() else {
            return Ok(());
        };
        let patience = displaced.since + self.shared.send_timeout;
        let send_by = parcels.iter().map(|parcel| parcel.send_by).min();
        let until = send_by.map_or(patience, |send_by| send_by.min(patience));
        let decided = |reader: &Result<(), Displaced>| match reader {
            Ok(()) => true,
            Err(displaced) => displaced.fault.lasts(),
        };
        let _ = timeout_at(until, self.reader.wait_for(decided)).await;
        let Err(Displaced { fault, .. }) = *self.reader.borrow() else {
            return Ok(());
        };
        if !fault.lasts() && Instant::now() < patience {
            // Whoever cannot wait longer is told when this loop comes round.
            return Err(WireError::new(fault, "the reply reader is not in place"));
        }
        for mut parcel in parcels.drain(..) {
            self.shared.refuse(&mut parcel, fault);
        }
        Ok(())
    }

    /// The answers came: notes the ids, answers what was refused for good, keeps what may be sent again.
    /// Gives how many were refused, and the first refusal.
    fn written(
        &self,
        written: Written,
        parcels: &mut Vec<Parcel>,
        withdrawals: &mut Vec<EntryId>,
    ) -> (usize, Option<WireError>) {
        let metrics = &self.shared.metrics;
        metrics.withdrawn.inc_by(written.withdrawn);
        withdrawals.clear();
        let (mut refused, mut refusal) = (0, None);
        let mut again = Vec::new();
        for (mut parcel, added) in parcels.drain(..).zip(written.added) {
            match added {
                Ok(entry) => {
                    self.budget.deposit();
                    if parcel.span.is_recorded() {
                        parcel.span.set("messaging.message.id", entry.to_string());
                        parcel.span.done();
                    }
                    // The caller left while this was under way: taken back with the next write.
                    withdrawals.extend(
                        self.shared
                            .waiting
                            .end_write(parcel.id, WriteEnd::Written(entry)),
                    );
                }
                Err(error) => {
                    self.shared.waiting.end_write(parcel.id, WriteEnd::Refused);
                    if passes(error.fault) && self.may_repeat() {
                        again.push(parcel);
                    } else {
                        self.shared.refuse(&mut parcel, error.fault);
                    }
                    refused += 1;
                    refusal.get_or_insert(error);
                }
            }
        }
        *parcels = again;
        if let Ok(outstanding) = written.outstanding {
            self.shared.admission.saw_outstanding(outstanding);
        }
        (refused, refusal)
    }

    /// No answer came: what was sent may be on the stream.
    fn broken_off(&self, parcels: &mut Vec<Parcel>) {
        parcels.retain(|parcel| {
            self.shared.waiting.end_write(parcel.id, WriteEnd::Unknown);
            self.may_repeat()
        });
    }

    fn may_repeat(&self) -> bool {
        let may = self.budget.withdraw();
        if may {
            let retries = &self.shared.metrics.links.retries;
            retries.with_label_values(&["writer"]).inc();
        }
        may
    }

    /// Answers requests that waited too long to be sent.
    fn give_up_overdue(&self, parcels: &mut Vec<Parcel>, fault: Fault) {
        let now = Instant::now();
        parcels.retain_mut(|parcel| {
            let overdue = now >= parcel.send_by;
            if overdue {
                self.shared.refuse(parcel, fault);
            }
            !overdue
        });
    }
}

impl Shared {
    /// One write of everything there is. The budget that an entry carries is what is left at this moment.
    fn batch(&self, parcels: &[Parcel], withdrawals: &[EntryId]) -> RequestBatch {
        let now = Instant::now();
        let reply_to = (self.reply_stream != self.names.responses).then_some(&*self.reply_stream);
        let entries = parcels.iter().map(|parcel| {
            let value = RequestEnvelope::encode(
                reply_to,
                parcel.deadline.saturating_duration_since(now),
                parcel.content_type.as_deref(),
                parcel.traceparent.as_deref(),
                &parcel.body,
            );
            (parcel.id, value)
        });
        RequestBatch::new(&self.names.requests, entries, withdrawals)
    }

    /// Tells a caller that its request was not sent. One whose request an earlier write may have brought to the
    /// stream waits on for its reply.
    fn refuse(&self, parcel: &mut Parcel, reason: Fault) {
        parcel.span.fail(reason.as_str());
        if self.waiting.perhaps_written(parcel.id) {
            return;
        }
        let _ = self.waiting.answer(
            parcel.id,
            Err(RequestError::Unavailable {
                reason,
                retry_after: retry_after_fault(),
            }),
        );
    }
}

/// How many of these, from the first on, make one write of so many bytes; a single larger one is one, too.
fn fitting(parcels: &[Parcel], most_bytes: usize) -> usize {
    let mut bytes = 0;
    let fit = parcels.iter().take_while(|parcel| {
        bytes += parcel.body.len();
        bytes <= most_bytes
    });
    fit.count().max(1).min(parcels.len())
}

/// Whether what Redis refused for this reason now it may well take a moment later.
fn passes(fault: Fault) -> bool {
    matches!(fault, Fault::Loading | Fault::ReadOnly | Fault::Busy)
}
