//! What callers hand to the writer: requests to write and entries to withdraw.
//!
//! Callers append to one shared list and the writer takes all there is at once, so that requests that
//! become ready together go out together and nobody waits for a batch to fill. Bounded by the
//! admission: each request in here belongs to a caller that waits, since one that leaves takes its
//! request along, and each withdrawal to an entry that was written for one that left.

use std::{borrow::Cow, collections::BTreeMap, sync::Mutex};

use bytes::Bytes;
use common::trace::Span;
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use super::waiting::Entries;
use crate::{mutex::lock, wire::EntryId};

/// Most requests in one write, so that one slow write does not hold up everybody.
const MOST: usize = 512;

/// Most bytes of bodies in one write, a single larger one aside: a write has to get through within the
/// response timeout. Where it does not, the writer takes less.
pub(super) const MOST_BYTES: usize = 4 << 20;

/// A request on its way to the stream.
#[derive(Debug)]
pub(super) struct Parcel {
    pub id: Uuid,
    pub body: Bytes,
    pub content_type: Option<Cow<'static, str>>,
    pub traceparent: Option<String>,
    pub deadline: Instant,
    /// When it is given up if it still could not be written.
    pub send_by: Instant,
    /// Ends with the parcel.
    pub span: Span,
}

/// The place of a parcel, by which it is taken back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Ticket(u64);

/// Callers put in, the writer takes out.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    inner: Mutex<Inner>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    /// In the order in which they came.
    parcels: BTreeMap<Ticket, Parcel>,
    next: u64,
    /// How many the writer has.
    with_writer: usize,
    withdrawals: Vec<EntryId>,
}

impl Outbox {
    pub(super) fn push(&self, parcel: Parcel) -> Ticket {
        let mut inner = lock(&self.inner);
        let ticket = Ticket(inner.next);
        inner.next += 1;
        inner.parcels.insert(ticket, parcel);
        drop(inner);
        self.filled.notify_one();
        ticket
    }

    /// Takes a request back that the writer has not taken yet.
    pub(super) fn take_back(&self, ticket: Ticket) {
        let taken = lock(&self.inner).parcels.remove(&ticket);
        drop(taken);
    }

    /// Asks for entries to be deleted that nobody waits for.
    pub(super) fn withdraw(&self, entries: Entries) {
        if !entries.is_empty() {
            lock(&self.inner).withdrawals.extend(entries);
            self.filled.notify_one();
        }
    }

    /// Adds to what the writer still has as much as fits into one write of so many bytes, the oldest first.
    pub(super) fn take(
        &self,
        parcels: &mut Vec<Parcel>,
        withdrawals: &mut Vec<EntryId>,
        most_bytes: usize,
    ) {
        let mut bytes: usize = parcels.iter().map(|parcel| parcel.body.len()).sum();
        let mut inner = lock(&self.inner);
        while let Some(first) = inner.parcels.first_entry() {
            bytes += first.get().body.len();
            if !parcels.is_empty() && (parcels.len() >= MOST || bytes > most_bytes) {
                break;
            }
            parcels.push(first.remove());
        }
        inner.with_writer = parcels.len();
        let room = MOST.saturating_sub(withdrawals.len());
        let count = inner.withdrawals.len().min(room);
        withdrawals.extend(inner.withdrawals.drain(..count));
    }

    /// The writer has so many left.
    pub(super) fn left_with_writer(&self, count: usize) {
        lock(&self.inner).with_writer = count;
    }

    /// Requests that are on their way to the stream.
    pub(super) fn unwritten(&self) -> usize {
        let inner = lock(&self.inner);
        inner.parcels.len() + inner.with_writer
    }

    /// Resolves when there is something to take.
    pub(super) async fn filled(&self) {
        loop {
            let filled = self.filled.notified();
            {
                let inner = lock(&self.inner);
                if !inner.parcels.is_empty() || !inner.withdrawals.is_empty() {
                    return;
                }
            }
            filled.await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parcel(bytes: usize) -> Parcel {
        let now = Instant::now();
        Parcel {
            id: Uuid::now_v7(),
            body: vec![0; bytes].into(),
            content_type: None,
            traceparent: None,
            deadline: now,
            send_by: now,
            span: Span::none(),
        }
    }

    fn taken(outbox: &Outbox) -> Vec<Uuid> {
        let mut parcels = Vec::new();
        outbox.take(&mut parcels, &mut Vec::new(), MOST_BYTES);
        parcels.iter().map(|parcel| parcel.id).collect()
    }

    #[test]
    fn what_is_taken_back_is_not_written_and_the_rest_keeps_its_order() {
        let outbox = Outbox::default();
        let parcels = [parcel(0), parcel(0), parcel(0)];
        let ids = [0, 1, 2].map(|number: usize| parcels[number].id);
        let tickets = parcels.map(|parcel| outbox.push(parcel));
        outbox.take_back(tickets[1]);
        assert_eq!(outbox.unwritten(), 2);
        assert_eq!(taken(&outbox), [ids[0], ids[2]]);
        assert_eq!(outbox.unwritten(), 2, "the writer has them");
        outbox.take_back(tickets[0]);
        outbox.left_with_writer(0);
        assert_eq!(outbox.unwritten(), 0);
    }

    #[test]
    fn withdrawals_that_are_tried_again_count_among_those_of_one_write() {
        let outbox = Outbox::default();
        let entry = EntryId::ZERO;
        (0..MOST).for_each(|_| outbox.withdraw(Entries::from_elem(entry, 1)));
        let mut withdrawals = vec![entry; MOST - 1];
        outbox.take(&mut Vec::new(), &mut withdrawals, MOST_BYTES);
        assert_eq!(withdrawals.len(), MOST);
        outbox.take(&mut Vec::new(), &mut withdrawals, MOST_BYTES);
        assert_eq!(withdrawals.len(), MOST);
    }

    #[test]
    fn one_write_is_bounded_in_number_and_in_bytes() {
        let outbox = Outbox::default();
        for _ in 0..MOST + 1 {
            outbox.push(parcel(1));
        }
        assert_eq!(taken(&outbox).len(), MOST);
        assert_eq!(taken(&outbox).len(), 1);
        for _ in 0..5 {
            outbox.push(parcel(MOST_BYTES / 2));
        }
        outbox.push(parcel(MOST_BYTES * 2));
        assert_eq!(taken(&outbox).len(), 2);
        assert_eq!(taken(&outbox).len(), 2);
        assert_eq!(taken(&outbox).len(), 1);
        assert_eq!(taken(&outbox).len(), 1, "a single larger one goes alone");
    }
}
