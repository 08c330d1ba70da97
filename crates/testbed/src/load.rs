//! Callers by the dozen, whose requests all end up in one history.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use anyhow::{Context, ensure};
use tokio::sync::{Semaphore, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, sleep_until};

use crate::history::Recorder;

/// Bound on the requests that an open load has under way; more would measure this machine's memory.
const MAX_IN_FLIGHT: usize = 20_000;
/// How long a caller waits before it comes back after anything but a 200.
const PAUSE: Duration = Duration::from_millis(20);

/// The services that callers choose from, in turn. A cheap clone is the same list, so that a test can take a
/// service out before it stops it, as a load balancer does.
#[derive(Clone, Debug)]
pub struct Targets(Arc<RwLock<Vec<String>>>);

/// How callers come.
#[derive(Clone, Copy, Debug)]
pub enum Load {
    /// This many callers, each with one request at a time: when answers are slow, fewer requests come.
    Closed {
        /// How many callers.
        callers: usize,
    },
    /// This many requests each second, whether answers come or not.
    Open {
        /// Requests per second, above zero.
        per_second: f64,
    },
}

/// A load that runs in the background. Dropping it makes its callers leave.
#[derive(Debug)]
pub struct RunningLoad {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Targets {
    /// Starts with these services, e.g. `http://127.0.0.1:5009`.
    pub fn new<T: Into<String>>(targets: impl IntoIterator<Item = T>) -> Self {
        Self(Arc::new(RwLock::new(
            targets.into_iter().map(Into::into).collect(),
        )))
    }

    /// Sends the requests to come to these services; to none of them means that callers pause.
    pub fn set<T: Into<String>>(&self, targets: impl IntoIterator<Item = T>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) =
            targets.into_iter().map(Into::into).collect();
    }

    /// The service for the request with this number; `None` while there is no service.
    fn nth(&self, number: usize) -> Option<String> {
        let targets = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let count = targets.len().max(1);
        targets.get(number % count).cloned()
    }
}

impl Load {
    /// Starts it. All requests are recorded by `recorder`.
    pub fn start(self, recorder: &Recorder, targets: &Targets) -> RunningLoad {
        let (stop, stopped) = watch::channel(false);
        let (recorder, targets) = (recorder.clone(), targets.clone());
        let task = match self {
            Self::Closed { callers } => tokio::spawn(closed(callers, recorder, targets, stopped)),
            Self::Open { per_second } => tokio::spawn(open(per_second, recorder, targets, stopped)),
        };
        RunningLoad { stop, task }
    }

    /// Runs it for a while, and returns when all its requests have their answer.
    pub async fn run_for(
        self,
        duration: Duration,
        recorder: &Recorder,
        targets: &Targets,
    ) -> anyhow::Result<()> {
        let running = self.start(recorder, targets);
        sleep(duration).await;
        running.stop().await
    }
}

impl RunningLoad {
    /// Sends no more requests, and returns when all that are under way have come to an end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        ensure!(!self.task.is_finished(), "the load ended by itself");
        self.stop.send_replace(true);
        (&mut self.task).await.context("the load broke off")
    }
}

impl Drop for RunningLoad {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn closed(
    callers: usize,
    recorder: Recorder,
    targets: Targets,
    stopped: watch::Receiver<bool>,
) {
    let mut tasks = JoinSet::new();
    for caller in 0..callers {
        let (recorder, targets, stopped) = (recorder.clone(), targets.clone(), stopped.clone());
        tasks.spawn(async move {
            // Callers start at different services and go on by one.
            for number in caller.. {
                if *stopped.borrow() {
                    return;
                }
                if !succeeds(&recorder, &targets, number).await {
                    sleep(PAUSE).await;
                }
            }
        });
    }
    tasks.join_all().await;
}

async fn open(
    per_second: f64,
    recorder: Recorder,
    targets: Targets,
    mut stopped: watch::Receiver<bool>,
) {
    let start = Instant::now();
    let places = Arc::new(Semaphore::new(MAX_IN_FLIGHT));
    let mut tasks = JoinSet::new();
    for number in 0.. {
        // From the start and not from the last one: a delay is made up for, and the rate holds.
        let due = start + Duration::from_secs_f64(number as f64 / per_second);
        tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            () = sleep_until(due) => {}
        }
        let Ok(place) = Arc::clone(&places).acquire_owned().await else {
            break;
        };
        let (recorder, targets) = (recorder.clone(), targets.clone());
        tasks.spawn(async move {
            succeeds(&recorder, &targets, number).await;
            drop(place);
        });
        while tasks.try_join_next().is_some() {}
    }
    tasks.join_all().await;
}

async fn succeeds(recorder: &Recorder, targets: &Targets, number: usize) -> bool {
    let Some(target) = targets.nth(number) else {
        return false;
    };
    recorder.send(&target).await.status() == Some(200)
}
