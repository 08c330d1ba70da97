//! What comes back to a caller.

use std::time::Duration;

use bytes::Bytes;
use uuid::Uuid;

use super::waiting::Answer;
use crate::{
    envelope::{Outcome, ReplyEnvelope},
    error::{Failure, RequestError},
};

/// A worker's answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reply {
    /// The request it answers.
    pub id: Uuid,
    /// What the handler returned.
    pub body: Bytes,
    /// How long the request waited on the stream, on Redis's clock.
    pub queue: Duration,
    /// How long the handler took.
    pub work: Duration,
    /// How often the request was delivered, this delivery included. Above 1 the work may have been
    /// done more than once.
    pub deliveries: u64,
}

/// What the caller of `id` is woken with, given what the worker wrote.
pub(super) fn answer(id: Uuid, envelope: ReplyEnvelope) -> Answer {
    let ReplyEnvelope {
        outcome,
        queue,
        work,
        deliveries,
    } = envelope;
    match outcome {
        Outcome::Ok(body) => Ok(Reply {
            id,
            body,
            queue,
            work,
            deliveries,
        }),
        Outcome::Failed { code, message } => Err(RequestError::Failed(Failure { code, message })),
        Outcome::Panicked => Err(RequestError::Panicked),
        Outcome::DeadLettered { cause } => Err(RequestError::DeadLettered { cause }),
    }
}
