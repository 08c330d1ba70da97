//! What callers hand to the writer: requests to write and entries to withdraw.
//!
//! Callers append to one shared list and the writer takes all there is at once, so that requests that
//! become ready together go out together and nobody waits for a batch to fill. Bounded by the
//! admission: each request in here belongs to an admitted caller, each withdrawal to one that left.

use std::{collections::VecDeque, sync::Mutex};

use bytes::Bytes;
use tokio::{sync::Notify, time::Instant};
use uuid::Uuid;

use super::waiting::Entries;
use crate::{lock, wire::EntryId};

/// A request on its way to the stream.
#[derive(Debug, Clone)]
pub(super) struct Parcel {
    pub id: Uuid,
    pub body: Bytes,
    pub content_type: Option<String>,
    pub traceparent: Option<String>,
    pub deadline: Instant,
    /// When it is given up if it still could not be written.
    pub send_by: Instant,
}

/// Callers put in, the writer takes out.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    inner: Mutex<Inner>,
    filled: Notify,
}

#[derive(Debug, Default)]
struct Inner {
    parcels: VecDeque<Parcel>,
    withdrawals: Vec<EntryId>,
}

impl Outbox {
    pub(super) fn push(&self, parcel: Parcel) {
        lock(&self.inner).parcels.push_back(parcel);
        self.filled.notify_one();
    }

    /// Asks for entries to be deleted that nobody waits for.
    pub(super) fn withdraw(&self, entries: Entries) {
        if !entries.is_empty() {
            lock(&self.inner).withdrawals.extend(entries);
            self.filled.notify_one();
        }
    }

    /// Takes up to `most` requests, the oldest first, and up to as many withdrawals.
    pub(super) fn take(
        &self,
        most: usize,
        parcels: &mut Vec<Parcel>,
        withdrawals: &mut Vec<EntryId>,
    ) {
        let mut inner = lock(&self.inner);
        let count = inner.parcels.len().min(most);
        parcels.extend(inner.parcels.drain(..count));
        let count = inner.withdrawals.len().min(most);
        withdrawals.extend(inner.withdrawals.drain(..count));
    }

    /// Requests that were not written yet.
    pub(super) fn unwritten(&self) -> usize {
        lock(&self.inner).parcels.len()
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
