//! A caller, from parking to leaving.

use tokio::{sync::oneshot, time::timeout_at};
use uuid::Uuid;

use super::{
    outbox::{Parcel, Ticket},
    policy::RETRY_AFTER,
    reply::Reply,
    shared::Shared,
    waiting::{Answer, Left, NotParked},
};
use crate::error::{Fault, RequestError};

/// A caller that waits. However it leaves, nothing of it stays behind.
pub(super) struct Caller<'a> {
    shared: &'a Shared,
    id: Uuid,
    /// Its place in the outbox.
    ticket: Option<Ticket>,
    answer: oneshot::Receiver<Answer>,
}

impl<'a> Caller<'a> {
    /// Parks a caller under this id.
    pub(super) fn park(shared: &'a Shared, id: Uuid) -> Result<Self, RequestError> {
        let answer = shared.waiting.park(id).map_err(|reason| match reason {
            NotParked::Duplicate => RequestError::DuplicateId,
            NotParked::Closed => RequestError::Closed,
        })?;
        shared.metrics.pending.inc();
        Ok(Self {
            shared,
            id,
            ticket: None,
            answer,
        })
    }

    /// Hands the request to the writer and waits for the answer until the deadline.
    pub(super) async fn send(mut self, parcel: Parcel) -> Result<Reply, RequestError> {
        let deadline = parcel.deadline;
        self.ticket = Some(self.shared.outbox.push(parcel));
        match timeout_at(deadline, &mut self.answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_closed)) => Err(RequestError::Closed),
            Err(_elapsed) => self.give_up(),
        }
    }

    /// The deadline has passed.
    fn give_up(mut self) -> Result<Reply, RequestError> {
        match self.leave() {
            // The answer came in the same moment.
            None => self
                .answer
                .try_recv()
                .unwrap_or(Err(RequestError::TimedOut)),
            Some(true) => {
                self.shared.metrics.timed_out.inc();
                Err(RequestError::TimedOut)
            }
            // Never sent, because of whatever kept the writer from it.
            Some(false) => Err(RequestError::Unavailable {
                reason: ["writer", "reader"]
                    .into_iter()
                    .find_map(|part| self.shared.status.fault_of(part))
                    .unwrap_or(Fault::Timeout),
                retry_after: RETRY_AFTER,
            }),
        }
    }

    /// Takes the request back; tells whether it may have been sent, or nothing if it was answered.
    fn leave(&self) -> Option<bool> {
        let Left { sent, entries } = self.shared.waiting.leave(self.id)?;
        if let Some(ticket) = self.ticket {
            self.shared.outbox.take_back(ticket);
        }
        self.shared.outbox.withdraw(entries);
        Some(sent)
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        self.leave();
        self.shared.metrics.pending.dec();
    }
}
