//! Whoever makes a request: asks, waits no longer than the time limit, and takes note of what came of it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use uuid::Uuid;

use crate::client::Client;
use crate::failure::Failure;
use crate::recorder::{Recorder, Sample};
use crate::request::{WeatherRequest, run_token};

/// What all requests of a run share.
#[derive(Debug)]
pub(crate) struct Caller {
    client: Client,
    token: String,
    timeout: Duration,
    tries: u32,
    recorder: Mutex<Recorder>,
}

impl Caller {
    pub(crate) fn new(
        client: Client,
        timeout: Duration,
        tries: u32,
        measured_from: Instant,
    ) -> Self {
        Self {
            client,
            token: run_token(),
            timeout,
            tries,
            recorder: Mutex::new(Recorder::new(measured_from)),
        }
    }

    /// Counts a request as begun and gives its index.
    pub(crate) fn begin(&self) -> u64 {
        let mut recorder = self.recorder();
        recorder.begun += 1;
        recorder.begun - 1
    }

    /// Makes the request with this index, which was due at `due`. Says whether the target could be connected to.
    pub(crate) async fn call(&self, index: u64, due: Instant) -> bool {
        let request = WeatherRequest::nth(&self.token, index);
        let sent = Instant::now();
        let answer = tokio::time::timeout_at(self.deadline(due).into(), self.ask(&request)).await;
        let result = answer.unwrap_or(Err(Failure::Timeout));
        let connected = !matches!(result, Err(Failure::Connect(_)));
        self.recorder().record(Sample {
            due,
            sent,
            ended: Instant::now(),
            result,
        });
        connected
    }

    /// Asks until there is an answer that asking again cannot change, as often as may be and without a pause.
    async fn ask(&self, request: &WeatherRequest) -> Result<Uuid, Failure> {
        let mut result = self.client.ask(request).await;
        for _ in 1..self.tries {
            match &result {
                Err(failure) if failure.invites_retry() => {
                    self.recorder().retries += 1;
                    result = self.client.ask(request).await;
                }
                _ => break,
            }
        }
        result
    }

    /// Takes note that a request which was due at `due` could not be made within its time.
    pub(crate) fn miss(&self, due: Instant) {
        let now = Instant::now();
        self.recorder().record(Sample {
            due,
            sent: now,
            ended: now,
            result: Err(Failure::NotStarted),
        });
    }

    /// When a request that was due at `due` is given up.
    pub(crate) fn deadline(&self, due: Instant) -> Instant {
        due + self.timeout
    }

    pub(crate) fn recorder(&self) -> MutexGuard<'_, Recorder> {
        self.recorder.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes what was gathered. What still goes on in the background is not part of it.
    pub(crate) fn take_recorder(&self) -> Recorder {
        std::mem::replace(&mut *self.recorder(), Recorder::new(Instant::now()))
    }
}
