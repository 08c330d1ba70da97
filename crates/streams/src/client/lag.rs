//! How far this process is behind: by how much a timer of its runtime goes off too late. A process that is short of
//! processor time has a queue of its own before the one on the stream, of sockets to be read and tasks to be polled,
//! and a timer waits in it like everybody else.

use std::{mem, sync::Arc, time::Duration};

use tokio::time::{Instant, sleep_until};

use super::shared::Shared;

/// Between two looks while requests come.
pub(super) const PERIOD: Duration = Duration::from_millis(25);

/// The same while none does: a look wakes the process up, and there is nobody to refuse.
const IDLE_PERIOD: Duration = Duration::from_millis(100);

/// So many looks tell a queue that stands from a moment in which the machine had something else to do.
const LOOKS: usize = 4;

/// Looks until it is aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut looks = Looks::default();
    let mut activity = shared.activity();
    loop {
        let before = mem::replace(&mut activity, shared.activity());
        let period = match activity == before {
            true => IDLE_PERIOD,
            false => PERIOD,
        };
        let due = Instant::now() + period;
        sleep_until(due).await;
        let lag = due.elapsed();
        shared.metrics.lag.set(lag.as_secs_f64());
        shared.admission.saw_lag(looks.least_with(lag));
    }
}

/// What the last looks found.
#[derive(Default)]
struct Looks([Duration; LOOKS]);

impl Looks {
    /// By how much this process was behind at each of them at least, with one more.
    fn least_with(&mut self, lag: Duration) -> Duration {
        self.0.rotate_left(1);
        self.0[LOOKS - 1] = lag;
        self.0.into_iter().min().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lasts_counts() {
        let mut looks = Looks::default();
        let seconds = Duration::from_secs;
        let mut least = |lags: &[u64]| {
            let each = lags.iter().map(|&lag| looks.least_with(seconds(lag)));
            each.last()
        };
        assert_eq!(least(&[9, 9, 9]), Some(seconds(0)));
        assert_eq!(least(&[3]), Some(seconds(3)));
        assert_eq!(least(&[5, 4, 7]), Some(seconds(3)));
        assert_eq!(least(&[8]), Some(seconds(4)), "the 3 is forgotten");
        assert_eq!(least(&[0]), Some(seconds(0)));
    }
}
