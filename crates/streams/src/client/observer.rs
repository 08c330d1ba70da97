//! The loop that looks at the streams from outside: for the admission, the gauges and `/health`. It keeps
//! the reply stream short and, while the circuit is open, is the one that probes Redis, so that no
//! caller has to be the probe.

use std::{sync::Arc, time::Duration};

use common::breaker::{CircuitBreaker, State};
use tokio::time::{Instant, sleep};

use super::shared::Shared;
use crate::{
    link::Link,
    mutex::lock,
    wire::{Connection, Group, Observation, ReplyStreamReader, Size, WireError},
};

/// Between two looks while requests come in.
const BUSY_PERIOD: Duration = Duration::from_secs(1);

/// Between two looks while none do.
const IDLE_PERIOD: Duration = Duration::from_secs(5);

/// Between two trims of the reply stream at most: what may come meanwhile exceeds its bound.
const TRIM_PERIOD: Duration = Duration::from_secs(2);

/// Between two measurements of the memory that the streams take.
const MEASURE_PERIOD: Duration = Duration::from_secs(15);

pub(super) struct Observer {
    pub shared: Arc<Shared>,
    pub link: Link,
    pub breaker: CircuitBreaker,
    pub reply_retention: Duration,
    pub reply_bytes: u64,
}

impl Observer {
    pub(super) async fn run(mut self) {
        let mut trimmed: Option<Instant> = None;
        let mut measured: Option<Instant> = None;
        loop {
            let activity = self.shared.activity();
            match self.round(&mut trimmed, &mut measured).await {
                Ok(()) => {
                    self.link.succeeded();
                    self.rest(activity).await;
                }
                Err(error) => {
                    self.link.failed(&error);
                    if error.needs_reconnect() {
                        self.shared.metrics.streams.forget();
                        measured = None;
                    }
                    self.link.pause().await;
                }
            }
        }
    }

    async fn round(
        &mut self,
        trimmed: &mut Option<Instant>,
        measured: &mut Option<Instant>,
    ) -> Result<(), WireError> {
        let due = |last: &Option<Instant>, period| last.is_none_or(|at| at.elapsed() >= period);
        let shared = Arc::clone(&self.shared);
        let names = &shared.names;
        let refused = shared.write_refusal().is_some();
        if refused || self.breaker.state() != State::Closed {
            self.probe().await?;
        }
        self.link.connect().await?;
        let unproven = !self.link.is_proven();
        let connection = self.link.connection()?;
        if unproven {
            shared.saw_server(&connection.server.info());
        }
        let observation = Observation::take(names, connection).await?;
        shared.admission.saw_workers(&observation.workers);
        shared
            .admission
            .saw_outstanding(observation.backlog.outstanding);
        shared.metrics.streams.set_backlog(
            &observation.backlog,
            observation.workers.len(),
            &names.requests,
            &names.dead_letters(),
        );
        *lock(&shared.observation) = Some(observation);
        if due(trimmed, TRIM_PERIOD.min(self.reply_retention / 4)) {
            ReplyStreamReader::trim(
                &shared.reply_stream,
                connection,
                self.reply_retention,
                self.reply_bytes,
            )
            .await?;
            *trimmed = Some(Instant::now());
        }
        if due(measured, MEASURE_PERIOD) {
            measure(&shared, connection).await?;
            *measured = Some(Instant::now());
        }
        Ok(())
    }

    /// Asks Redis for a write that changes nothing: creating the group that exists. It is refused
    /// under the same conditions as a request would be, so that what it meets counts for the writer.
    async fn probe(&mut self) -> Result<(), WireError> {
        let Ok(permit) = self.breaker.acquire() else {
            return Ok(()); // Not yet, or the writer is at it.
        };
        let names = self.shared.names.clone();
        let outcome = match self.link.connect().await {
            Ok(connection) => Group::create(&names, connection).await.map(drop),
            Err(error) => Err(error),
        };
        match outcome {
            Ok(()) => {
                permit.success();
                self.shared.status.up("writer");
                Ok(())
            }
            Err(error) => {
                permit.failure();
                self.shared.status.fault("writer", &error);
                // A refusal alone does not keep this loop from looking.
                if error.needs_reconnect() {
                    Err(error)
                } else {
                    Ok(())
                }
            }
        }
    }

    /// Waits for the next look: shorter while there is something to see, and shortest while the circuit is open and
    /// while requests queue, since the admission goes by how fast they leave.
    async fn rest(&self, activity_before: u64) {
        let started = Instant::now();
        while started.elapsed() < IDLE_PERIOD {
            sleep(BUSY_PERIOD / 4).await;
            let busy = self.shared.activity() != activity_before || self.shared.waiting.len() > 0;
            let urgent =
                self.breaker.state() != State::Closed || self.shared.admission.is_queueing();
            let period = if urgent {
                Duration::ZERO
            } else if busy || self.shared.write_refusal().is_some() {
                BUSY_PERIOD
            } else {
                IDLE_PERIOD
            };
            if started.elapsed() >= period {
                return;
            }
        }
    }
}

async fn measure(shared: &Shared, connection: &mut Connection) -> Result<(), WireError> {
    let streams = [
        shared.names.requests.clone(),
        shared.reply_stream.clone(),
        shared.names.dead_letters(),
    ];
    let sizes = Size::of_each(connection, &streams).await?;
    // A dedicated reply stream is called by its role: its name would be a new label at each start.
    let labels = [&streams[0], &shared.names.responses, &streams[2]];
    for (stream, size) in labels.into_iter().zip(sizes) {
        shared.metrics.streams.set_size(stream, size);
    }
    Ok(())
}
