//! How far this process is behind: by how much a timer of its runtime goes off too late. A process that is short of
//! processor time has a queue of its own before the one on the stream, of sockets to be read and tasks to be polled, and
//! a timer waits in it like everybody else.

use std::{sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::shared::Shared;

/// Between two looks.
const PERIOD: Duration = Duration::from_millis(25);

/// So many looks tell a queue that stands from a moment in which the machine had something else to do.
const LOOKS: usize = 4;

/// What the last looks found.
#[derive(Debug, Clone, Copy)]
pub(super) struct Lag {
    /// At the last one.
    pub last: Duration,
    /// The least of several.
    pub least: Duration,
    /// When the next one is due.
    pub next: Instant,
}

impl Lag {
    /// As it is now at least: a look that is overdue tells as well.
    pub(super) fn at(&self, now: Instant) -> Duration {
        self.last.max(now.saturating_duration_since(self.next))
    }
}

/// Looks until it is aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut looks = [Duration::ZERO; LOOKS];
    let mut next = Instant::now() + PERIOD;
    loop {
        sleep_until(next).await;
        let now = Instant::now();
        let last = now.saturating_duration_since(next);
        looks.rotate_left(1);
        looks[LOOKS - 1] = last;
        next = now + PERIOD;
        shared.metrics.lag.set(last.as_secs_f64());
        shared.admission.saw_lag(Lag {
            last,
            least: looks.into_iter().min().unwrap_or_default(),
            next,
        });
    }
}
