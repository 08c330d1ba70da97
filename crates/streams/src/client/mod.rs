//! The client: sends requests and awaits their replies.
//!
//! The story of one request: [`admission`] lets it in or refuses it; its [`caller`] parks in [`waiting`]
//! *before* anything is sent, so that no reply can come too early; [`outbox`] hands it to the [`writer`],
//! which puts it on the stream together with whatever else is ready; the reply reader in [`replies`]
//! finds its reply and wakes the caller. A caller that leaves before that takes its entry back.

mod admission;
mod caller;
mod capacity;
mod lag;
mod loops;
mod metrics;
mod observer;
mod options;
mod outbox;
mod policy;
mod replies;
mod reply;
mod shared;
mod waiting;
mod writer;

use std::{
    fmt,
    sync::{Arc, atomic::Ordering},
};

use bytes::Bytes;
use common::breaker::State;
use tokio::time::Instant;
use uuid::Uuid;

use self::{admission::Admitted, caller::Caller, loops::Loops, outbox::Parcel, shared::Shared};
pub use self::{options::Options, reply::Reply};
use crate::{
    config::ClientConfig,
    error::{ConfigError, RequestError},
    health::{ClientHealth, NotReady},
    mutex::lock,
};

/// Sends requests and awaits their replies.
///
/// Cheap to clone; all clones share one reply reader and one writer, which end when the last clone is
/// dropped.
#[derive(Clone)]
pub struct Client {
    shared: Arc<Shared>,
    loops: Arc<Loops>,
}

impl Client {
    /// Makes a client and starts its loops on the current tokio runtime.
    ///
    /// Returns at once, whether or not Redis can be reached: the loops keep trying, and requests
    /// wait for them within their send time. [`ready`](Self::ready) waits for the first success.
    ///
    /// # Errors
    ///
    /// Only for settings that are out of bounds or contradict each other, and for a registry that holds the
    /// metrics of a client already.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime with I/O and time.
    #[allow(
        clippy::unused_async,
        reason = "the loops need a runtime, and an async fn can only run on one"
    )]
    pub async fn connect(config: ClientConfig) -> Result<Self, ConfigError> {
        config.validate()?;
        let (shared, loops) = loops::start(config)?;
        Ok(Self {
            shared,
            loops: Arc::new(loops),
        })
    }

    /// Sends one request and awaits its reply.
    ///
    /// Dropping the future takes the request back: what still lies on the stream is deleted, and a
    /// reply that comes all the same is counted and dropped.
    ///
    /// # Errors
    ///
    /// [`RequestError`] tells apart what was refused, what could not be sent, what was sent and not answered
    /// in time, and what the worker answered in place of a reply.
    pub async fn request(
        &self,
        body: impl Into<Bytes>,
        options: Options,
    ) -> Result<Reply, RequestError> {
        let (caller, admitted) = self.begin(body.into(), options)?;
        let reply = caller.reply().await?;
        if let Some(predicted) = admitted.predicted {
            self.shared.metrics.compare(predicted, reply.queue);
        }
        Ok(reply)
    }

    /// Lets a request in and hands it to the writer.
    fn begin(
        &self,
        body: Bytes,
        options: Options,
    ) -> Result<(Caller<'_>, Admitted<'_>), RequestError> {
        let shared = &*self.shared;
        shared.asked.fetch_add(1, Ordering::Relaxed);
        if body.len() > shared.max_body {
            return Err(RequestError::TooLarge {
                size: body.len(),
                max: shared.max_body,
            });
        }
        let admitted = shared.admit(options.within).inspect_err(|error| {
            if let RequestError::Refused { reason, .. } = error {
                shared
                    .metrics
                    .refused
                    .with_label_values(&[reason.as_str()])
                    .inc();
            }
        })?;
        let now = Instant::now();
        let deadline = now + options.within;
        let id = options.id.unwrap_or_else(Uuid::now_v7);
        let parent = shared.traces.sampled(options.traceparent.as_deref());
        let mut caller = Caller::park(shared, id, deadline)?;
        let span = shared.traces.send(parent, id);
        caller.send(Parcel {
            id,
            body,
            content_type: options.content_type,
            traceparent: span.traceparent().or(options.traceparent),
            deadline,
            send_by: deadline.min(now + shared.send_timeout),
            span,
        });
        Ok((caller, admitted))
    }

    /// Whether requests can be served now: the reply reader is in place, Redis answers and the circuit
    /// is closed.
    ///
    /// # Errors
    ///
    /// The first thing that is in the way.
    pub fn readiness(&self) -> Result<(), NotReady> {
        self.shared.status.readiness()?;
        if self.shared.breaker.state() != State::Closed {
            return Err(NotReady::CircuitOpen);
        }
        // With little traffic it takes long until the circuit opens; one refusal of this kind tells enough.
        match self.shared.write_refusal() {
            Some(fault) => Err(NotReady::Redis(fault)),
            None => Ok(()),
        }
    }

    /// Resolves when the reply reader is in place and Redis answers, for the first time or again. That may
    /// never be, so give it a time limit; for a client that is closed it is never.
    pub async fn ready(&self) {
        self.shared.status.ready().await;
    }

    /// Resolves when the client is closed: by [`close`](Self::close), or because one of its loops panicked, which
    /// is a bug. It does not come back; whoever runs it can begin anew.
    pub async fn closed(&self) {
        self.shared.status.closed().await;
    }

    /// The state of every part.
    pub fn health(&self) -> ClientHealth {
        let shared = &*self.shared;
        let observation = lock(&shared.observation).clone();
        ClientHealth {
            server: lock(&shared.server).clone(),
            breaker: shared.breaker.state(),
            reply_stream: shared.reply_stream.clone(),
            in_flight: shared.admission.in_flight(),
            backlog: observation.as_ref().map(|seen| seen.backlog),
            workers: observation.map(|seen| seen.workers).unwrap_or_default(),
            faults: shared.status.faults(),
        }
    }

    /// Requests that wait in this process now.
    pub fn in_flight(&self) -> usize {
        self.shared.admission.in_flight()
    }

    /// Ends the loops of all clones, for good. Requests that still wait, and those to come, get
    /// [`RequestError::Closed`]. What was sent is not taken back: it may be worked on until its deadline.
    pub fn close(&self) {
        self.loops.end();
        self.shared.close();
    }
}

impl fmt::Debug for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Client")
            .field("reply_stream", &self.shared.reply_stream)
            .finish_non_exhaustive()
    }
}
