//! The last delivery of a request before it becomes a dead letter.
//!
//! A request that ends its worker takes along what the worker had in hand besides, and all of that lapses
//! and is delivered again at the same time. So that the innocent do not die with it until they are dead
//! letters together, a worker makes only one last delivery at a time: of two requests that died with the
//! same workers, one is then alone among its like, and only the one to blame dies once more.

use std::sync::Arc;

use super::core::Core;
use crate::wire::{Delivery, EntryId, PendingEntry};

pub(super) struct LastChance {
    core: Arc<Core>,
    /// The last delivery that was made here, in hand still or not.
    entry: Option<EntryId>,
}

impl LastChance {
    pub(super) fn new(core: &Arc<Core>) -> Self {
        Self {
            core: Arc::clone(core),
            entry: None,
        }
    }

    /// Whether one is in hand: then nothing is taken over that would be another. A read with `CLAIM` cannot
    /// choose, so that it is left to the sweeps meanwhile.
    pub(super) fn is_taken(&self) -> bool {
        self.entry.is_some_and(|entry| self.core.running.has(entry))
    }

    /// Whether this is the last delivery before a request becomes a dead letter. Where it is the first as
    /// well, nothing is known against the request.
    fn is_last(&self, deliveries: u64) -> bool {
        deliveries > 1 && deliveries == self.core.max_deliveries
    }

    /// Notes a delivery that is made; whether it is a last one.
    pub(super) fn made(&mut self, entry: EntryId, deliveries: u64) -> bool {
        let last = self.is_last(deliveries);
        if last {
            self.entry = Some(entry);
        }
        last
    }

    /// Of entries that could be claimed, keeps but one of those whose delivery would be their last.
    pub(super) fn keep_one(
        &self,
        pending: &mut Vec<PendingEntry>,
        deliveries: impl Fn(&PendingEntry) -> u64,
    ) {
        let mut one = self.is_taken();
        pending.retain(|row| !self.is_last(deliveries(row)) || !std::mem::replace(&mut one, true));
    }

    /// Takes out of entries that were read all but one of those whose delivery is their last.
    pub(super) fn put_off(&self, deliveries: &mut Vec<Delivery>) -> Vec<EntryId> {
        let mut one = self.is_taken();
        let mut put_off = Vec::new();
        deliveries.retain(|delivery| {
            let id = delivery.entry.id;
            // What runs here was only given to us again, and goes on.
            let stays = !self.is_last(delivery.deliveries)
                || self.core.running.has(id)
                || !std::mem::replace(&mut one, true);
            if !stays {
                put_off.push(id);
            }
            stays
        });
        put_off
    }
}
