//! A caller, from parking to leaving.

use tokio::{
    sync::oneshot,
    time::{Instant, timeout_at},
};
use uuid::Uuid;

use super::{
    outbox::{Parcel, Ticket},
    policy::retry_after_fault,
    reply::Reply,
    shared::Shared,
    waiting::{Answer, Left, NotParked},
};
use crate::error::{Fault, RequestError};

/// A caller that waits. However it leaves, nothing of it stays behind.
pub(super) struct Caller<'a> {
    shared: &'a Shared,
    id: Uuid,
    deadline: Instant,
    /// Its place in the outbox.
    ticket: Option<Ticket>,
    answer: oneshot::Receiver<Answer>,
}

impl<'a> Caller<'a> {
    /// Parks a caller under this id.
    pub(super) fn park(
        shared: &'a Shared,
        id: Uuid,
        deadline: Instant,
    ) -> Result<Self, RequestError> {
        let answer = shared.waiting.park(id).map_err(|reason| match reason {
            NotParked::Duplicate => RequestError::DuplicateId,
            NotParked::Closed => RequestError::Closed,
        })?;
        shared.metrics.pending.inc();
        Ok(Self {
            shared,
            id,
            deadline,
            ticket: None,
            answer,
        })
    }

    /// Hands the request to the writer.
    pub(super) fn send(&mut self, parcel: Parcel) {
        self.ticket = Some(self.shared.outbox.push(parcel));
    }

    /// Waits for the answer until the deadline.
    pub(super) async fn reply(mut self) -> Result<Reply, RequestError> {
        match timeout_at(self.deadline, &mut self.answer).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_closed)) => Err(RequestError::Closed),
            Err(_elapsed) => self.give_up(),
        }
    }

    /// The deadline has passed.
    fn give_up(mut self) -> Result<Reply, RequestError> {
        match self.leave() {
            // The answer came in the same moment.
            Err(answer) => answer.unwrap_or(Err(RequestError::TimedOut)),
            Ok(true) => {
                self.shared.metrics.timed_out.inc();
                Err(RequestError::TimedOut)
            }
            // Never sent, because of whatever kept the writer from it.
            Ok(false) => Err(RequestError::Unavailable {
                reason: ["writer", "reader"]
                    .into_iter()
                    .find_map(|part| self.shared.status.fault_of(part))
                    .unwrap_or(Fault::Timeout),
                retry_after: retry_after_fault(),
            }),
        }
    }

    /// Takes the request back and tells whether it may have been sent, unless it was answered.
    fn leave(&mut self) -> Result<bool, Option<Answer>> {
        let Left { sent, entries } = self.shared.waiting.leave(self.id, &mut self.answer)?;
        if let Some(ticket) = self.ticket {
            self.shared.outbox.take_back(ticket);
        }
        self.shared.outbox.withdraw(entries);
        Ok(sent)
    }
}

impl Drop for Caller<'_> {
    fn drop(&mut self) {
        // Nothing is left of a caller that has its answer.
        if !self.answer.is_terminated() {
            let _ = self.leave();
        }
        self.shared.metrics.pending.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{client::loops, config::ClientConfig, keys::StreamNames};

    #[tokio::test]
    async fn a_caller_that_was_answered_does_not_push_out_the_next_of_its_id() {
        let names = StreamNames::for_service("test");
        let config = ClientConfig::new("redis://127.0.0.1:1", names);
        let (shared, _loops) = loops::start(config).expect("valid");
        let id = Uuid::now_v7();
        let first = Caller::park(&shared, id, Instant::now()).expect("free");
        shared.waiting.answer(id, Err(RequestError::Panicked));
        let mut next = Caller::park(&shared, id, Instant::now()).expect("free again");
        drop(first);
        assert!(next.answer.try_recv().is_err());
        shared.waiting.answer(id, Err(RequestError::Panicked));
        assert_eq!(next.answer.try_recv(), Ok(Err(RequestError::Panicked)));
    }
}
