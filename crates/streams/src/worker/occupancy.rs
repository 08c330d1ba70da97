//! The hold: how long a request occupies a terminal, which with the number of terminals is what this worker can do.
//!
//! By Little's law the terminals that are busy on average are the departures per second times the time that each
//! departure occupied one. So over any period
//!
//! ```text
//! hold = busy terminal time / departures
//! ```
//!
//! and a worker whose terminals are all busy finishes `terminals / hold` a second: exactly what it was
//! measured to finish. A terminal is busy from the read that brought the request, if it was on the stream by
//! then, until its reply is written, so that round trips to Redis count as well as work. What still runs adds its time
//! before it adds a departure: work that suddenly takes ten times as long shows before the first of it is done.
//!
//! A period with few departures says little. It counts against [`PRIOR`] departures of what was known before.

use std::sync::Mutex;

use tokio::{sync::Notify, time::Instant};

use crate::mutex::lock;

/// How many departures what was known before weighs.
const PRIOR: f64 = 8.0;

/// The terminals' time since the last look. Bounded: it holds sums.
#[derive(Debug)]
pub(super) struct Occupancy {
    sums: Mutex<Sums>,
    known: Notify,
}

#[derive(Debug)]
struct Sums {
    /// Terminals that are busy now, and until when their time was added.
    active: u32,
    at: Instant,
    /// Busy terminal time in seconds and departures since the last look.
    busy: f64,
    departures: u32,
    /// The hold in seconds, by all that was seen up to the last look; `None` before a look that saw a departure.
    hold: Option<f64>,
}

impl Occupancy {
    pub(super) fn new() -> Self {
        let sums = Sums {
            active: 0,
            at: Instant::now(),
            busy: 0.0,
            departures: 0,
            hold: None,
        };
        Self {
            sums: Mutex::new(sums),
            known: Notify::new(),
        }
    }

    /// A terminal got busy with a request that it could have had at `since`.
    pub(super) fn begins(&self, since: Instant) {
        let mut sums = lock(&self.sums);
        sums.active += 1;
        // From then up to where the sums are. Where they are behind that, it is less than nothing: the next look at the
        // clock will add as much too much.
        let at = sums.at;
        sums.busy += at.saturating_duration_since(since).as_secs_f64();
        sums.busy -= since.saturating_duration_since(at).as_secs_f64();
    }

    /// A terminal is free again; it has `worked`, or the request needed none.
    pub(super) fn ends(&self, worked: bool) {
        let mut sums = lock(&self.sums);
        sums.advance(Instant::now());
        sums.active = sums.active.saturating_sub(1);
        sums.departures += u32::from(worked);
        if worked && sums.hold.is_none() && sums.departures == 1 {
            self.known.notify_one();
        }
    }

    /// Resolves once, when the first request was done with.
    pub(super) async fn known(&self) {
        self.known.notified().await;
    }

    /// The hold in microseconds, by all that was seen up to now; 0 while nothing has been worked on. The next period
    /// begins.
    pub(super) fn hold_us(&self) -> u64 {
        let mut sums = lock(&self.sums);
        sums.advance(Instant::now());
        let departures = f64::from(sums.departures);
        match sums.hold {
            None if sums.departures == 0 => return 0,
            // What runs may be about to depart as well: it began when the first did.
            None => sums.hold = Some(sums.busy / (departures + f64::from(sums.active))),
            Some(hold) => {
                sums.hold = Some((PRIOR * hold + sums.busy) / (PRIOR + departures));
            }
        }
        (sums.busy, sums.departures) = (0.0, 0);
        let micros = sums.hold.map_or(0.0, |hold| hold * 1e6);
        (micros as u64).max(1)
    }
}

impl Sums {
    fn advance(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.at).as_secs_f64();
        self.busy += f64::from(self.active) * passed;
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::time::advance;

    use super::*;

    const WORK: Duration = Duration::from_millis(100);

    /// So many terminals, each of which serves so many requests one after the other.
    async fn serve(occupancy: &Occupancy, terminals: u32, rounds: u32, work: Duration) {
        for _ in 0..rounds {
            for _ in 0..terminals {
                occupancy.begins(Instant::now());
            }
            advance(work).await;
            for _ in 0..terminals {
                occupancy.ends(true);
            }
        }
    }

    fn is_about(value: u64, expected: Duration) {
        let expected = expected.as_micros() as f64;
        assert!(
            (value as f64 - expected).abs() < expected / 50.0,
            "{value} µs, {expected} expected"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn terminals_over_the_hold_are_what_was_finished_per_second() {
        let occupancy = Occupancy::new();
        assert_eq!(occupancy.hold_us(), 0, "nothing is known");
        serve(&occupancy, 5, 10, WORK).await;
        is_about(occupancy.hold_us(), WORK);
        // Idle time is no work, and no reason to think otherwise.
        advance(Duration::from_secs(60)).await;
        is_about(occupancy.hold_us(), WORK);
        serve(&occupancy, 1, 10, WORK).await;
        is_about(occupancy.hold_us(), WORK);
    }

    #[tokio::test(start_paused = true)]
    async fn the_way_to_the_terminal_counts_and_what_needed_no_work_does_not() {
        let occupancy = Occupancy::new();
        occupancy.begins(Instant::now() - Duration::from_millis(20));
        advance(WORK).await;
        occupancy.ends(true);
        for _ in 0..100 {
            occupancy.begins(Instant::now());
            occupancy.ends(false);
        }
        is_about(occupancy.hold_us(), Duration::from_millis(120));
    }

    #[tokio::test(start_paused = true)]
    async fn slower_work_shows_before_it_is_done_and_is_known_soon_after() {
        let occupancy = Occupancy::new();
        serve(&occupancy, 5, 20, WORK).await;
        is_about(occupancy.hold_us(), WORK);
        for _ in 0..5 {
            occupancy.begins(Instant::now());
        }
        advance(WORK * 5).await;
        let suspected = occupancy.hold_us();
        assert!(suspected > 200_000, "{suspected} µs with none done");
        advance(WORK * 5).await;
        for _ in 0..5 {
            occupancy.ends(true);
        }
        serve(&occupancy, 5, 8, WORK * 10).await;
        let known = occupancy.hold_us();
        assert!((700_000..1_000_001).contains(&known), "{known} µs");
    }
}
